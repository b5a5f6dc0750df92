import { createHmac } from 'node:crypto';
import { request as requestHttp, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { describeError } from '@glance/common';
import type { OutboxMessage } from '../outbox-repository';
import { SinkUnavailable, type EventSink } from './event-sink';
import { toNotification } from './notification';

export interface WebhookSettings {
  url: URL;
  /** Key of the signatures. */
  secret: string;
  publisherId: string;
  timeoutMs: number;
  /** PEM; unset: the authorities of the system. */
  ca?: string | undefined;
}

/** Answers after which the same may be taken later, as everything else may. */
const TEMPORARY = new Set([408, 425, 429]);

/**
 * Posts each event to a URL, signed: `X-Glance-Signature: t=SECONDS,v1=HEX`, where HEX is the
 * HMAC-SHA256 of `SECONDS.BODY`. Whoever checks it, and that the time is not long ago, knows that the
 * event is from here and is not an old one sent again. Redirects are not followed: where events go is
 * the operator's to say.
 */
export class WebhookSink implements EventSink {
  static readonly sinkName = 'webhook';
  readonly name = WebhookSink.sinkName;
  readonly concurrency = 8;

  constructor(private readonly settings: WebhookSettings) {}

  async send(message: OutboxMessage): Promise<void> {
    const { publisherId, secret } = this.settings;
    const body = Buffer.from(JSON.stringify(toNotification(message, publisherId)));
    const time = Math.floor(Date.now() / 1000);
    const hmac = createHmac('sha256', secret).update(`${time}.`).update(body).digest('hex');
    let status: number;
    try {
      status = await this.post(body, {
        'content-type': 'application/json',
        'content-length': body.length,
        'user-agent': 'glance-registry',
        'x-glance-event': message.type,
        // The same at each attempt.
        'x-glance-delivery': message.messageId,
        'x-glance-signature': `t=${time},v1=${hmac}`,
      });
    } catch (error) {
      throw new SinkUnavailable(`no answer from ${this.place}: ${describeError(error)}`, {
        cause: error,
      });
    }
    if (status >= 200 && status < 300) return;
    const text = `${this.place} answers with ${status}`;
    throw status >= 500 || TEMPORARY.has(status) ? new SinkUnavailable(text) : new Error(text);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Path and query may hold a secret. */
  private get place(): string {
    return this.settings.url.origin;
  }

  private async post(body: Buffer, headers: RequestOptions['headers']): Promise<number> {
    const { url, ca, timeoutMs } = this.settings;
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    // Of the whole exchange: a timeout of the socket begins anew with every byte.
    const signal = AbortSignal.timeout(timeoutMs);
    return await new Promise<number>((resolve, reject) => {
      const request = send(url, { method: 'POST', headers, signal, ...(ca ? { ca } : {}) });
      request.once('error', reject);
      request.once('response', (response) => {
        // What it says beside its status is nobody's to read.
        response.on('error', () => undefined);
        response.destroy();
        resolve(response.statusCode ?? 0);
      });
      request.end(body);
    });
  }
}
