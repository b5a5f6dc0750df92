import http from 'node:http';
import https from 'node:https';
import { SteadyLookup } from '@glance/common';
import axios, { AxiosHeaders, isAxiosError } from 'axios';
import { KeystoneError } from './keystone-error';

export interface KeystoneTls {
  /** PEM of the authorities that may vouch for Keystone; those of Node unless set. */
  ca?: Buffer;
  /** PEM shown to a Keystone that asks for client certificates; comes together with `key`. */
  cert?: Buffer;
  key?: Buffer;
  /** Any certificate will do: somebody in between can take the password. True unless set. */
  rejectUnauthorized?: boolean;
}

export interface ExchangeOptions {
  tls?: KeystoneTls;
  /** Of one request with its whole answer, in milliseconds. */
  timeoutMs: number;
  /** How often a request is sent when no answer comes, or one that says to try again. */
  tries: number;
  userAgent: string;
}

export interface KeystoneRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: object;
}

export interface KeystoneAnswer {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  body: unknown;
}

const NO_TLS = { ca: undefined, cert: undefined, key: undefined, rejectUnauthorized: true };
const MAX_SOCKETS = 32;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** One request to Keystone and its whole answer, whatever its status. */
export class KeystoneExchange {
  private readonly httpAgent: http.Agent;
  private readonly httpsAgent: https.Agent;

  constructor(private readonly options: ExchangeOptions) {
    const { lookup } = new SteadyLookup();
    const kept = { keepAlive: true, maxSockets: MAX_SOCKETS, lookup };
    this.httpAgent = new http.Agent(kept);
    this.httpsAgent = new https.Agent({ ...kept, minVersion: 'TLSv1.2', ...options.tls });
  }

  /** @throws KeystoneError `unavailable`, `unexpected`. */
  async send(request: KeystoneRequest): Promise<KeystoneAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await this.sendOnce(request);
        if (answer.status < 500 && answer.status !== 429) return answer;
        throw new KeystoneError('unavailable', `${nameOf(request)}: status ${answer.status}`);
      } catch (error) {
        const repeatable = error instanceof KeystoneError && error.kind === 'unavailable';
        if (!repeatable || attempt >= this.options.tries) throw error;
      }
    }
  }

  /** Connections made from now on are made with these; idle ones of before are given up. */
  useTls(tls: KeystoneTls): void {
    // Part of the name under which the agent finds a connection again: none of before is found.
    Object.assign(this.httpsAgent.options, { ...NO_TLS, ...tls });
    for (const idle of Object.values(this.httpsAgent.freeSockets)) {
      for (const socket of idle ?? []) socket.destroy();
    }
  }

  close(): void {
    this.httpAgent.destroy();
    this.httpsAgent.destroy();
  }

  private async sendOnce(request: KeystoneRequest): Promise<KeystoneAnswer> {
    const { timeoutMs, userAgent } = this.options;
    try {
      const response = await axios.request<string>({
        method: request.method,
        url: request.url,
        headers: new AxiosHeaders({
          accept: 'application/json',
          'user-agent': userAgent,
          ...request.headers,
        }),
        data: request.body,
        httpAgent: this.httpAgent,
        httpsAgent: this.httpsAgent,
        // Credentials go to the configured server, by no proxy and to nobody it may point at.
        proxy: false,
        maxRedirects: 0,
        maxContentLength: MAX_ANSWER_BYTES,
        // Axios' own timeout starts anew with every byte; this one does not.
        signal: AbortSignal.timeout(timeoutMs),
        responseType: 'text',
        transformResponse: (text: string) => text,
        validateStatus: () => true,
      });
      const { status } = response;
      const headers = Object.fromEntries(
        Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
      );
      return { status, headers, body: parsed(response.data, status, request) };
    } catch (error) {
      if (error instanceof KeystoneError) throw error;
      // Without the original: an axios error holds the request, and with it the credentials.
      const reason = axios.isCancel(error)
        ? `no answer within ${timeoutMs} ms`
        : isAxiosError(error)
          ? error.message || (error.code ?? 'no connection')
          : 'no connection';
      throw new KeystoneError('unavailable', `${nameOf(request)}: ${reason}`);
    }
  }
}

function parsed(text: string, status: number, request: KeystoneRequest): unknown {
  // What is tried again, or answered by its status alone, may have a page of a proxy for a body.
  if (status >= 400 || text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new KeystoneError(
      'unexpected',
      `${nameOf(request)}: status ${status} with a body that is no JSON`,
    );
  }
}

function nameOf({ method, url }: KeystoneRequest): string {
  return `${method} ${new URL(url).origin}${new URL(url).pathname}`;
}
