import { describeError } from '@glance/common';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { SinkUnavailable } from './event-sink';
import type { RabbitUrl } from './transport-url';

export interface RabbitOptions {
  url: RabbitUrl;
  /** Undefined: plain TCP. */
  tls: { ca?: string; cert?: string; key?: string } | undefined;
  exchange: string;
  /** Each is the name of a queue, too, which is made so that nothing is lost before its consumer comes. */
  routingKeys: readonly string[];
  /** Of exchange and queues: must be as consumers declare them. */
  durable: boolean;
  autoDelete: boolean;
  heartbeatSeconds: number;
}

const TIMEOUT_MS = 10_000;
const NAME = 'glance-registry';

/** A channel with publisher confirms, made when it is needed and again after it broke. */
export class RabbitConnection {
  private channel: Promise<ConfirmChannel> | undefined;
  private model: ChannelModel | undefined;
  private nextHost = 0;

  constructor(private readonly options: RabbitOptions) {}

  /**
   * Resolves once the broker has taken responsibility for the message.
   * @throws SinkUnavailable
   */
  async publish(routingKey: string, body: string, messageId: string): Promise<void> {
    this.channel ??= this.connect();
    const attempt = this.channel;
    try {
      const channel = await attempt;
      await withinTime(
        new Promise<void>((resolve, reject) => {
          channel.publish(
            this.options.exchange,
            routingKey,
            Buffer.from(body),
            {
              contentType: 'application/json',
              contentEncoding: 'utf-8',
              persistent: true,
              priority: 0,
              messageId,
            },
            (error: unknown) => {
              if (error === null || error === undefined) resolve();
              else reject(new Error('the broker did not take the message', { cause: error }));
            },
          );
        }),
      );
    } catch (error) {
      if (this.channel === attempt) await this.close();
      throw error instanceof SinkUnavailable
        ? error
        : new SinkUnavailable(`RabbitMQ: ${describeError(error)}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    const { model } = this;
    this.model = undefined;
    this.channel = undefined;
    await model?.close().catch(() => undefined);
  }

  private async connect(): Promise<ConfirmChannel> {
    // Only where it is configured.
    const { connect } = await import('amqplib');
    const { url, tls, heartbeatSeconds } = this.options;
    const at = url.hosts[this.nextHost % url.hosts.length];
    if (!at) throw new Error('the transport URL names no host');
    // Another one next time, should this one fail.
    this.nextHost += 1;
    try {
      const model = await connect(
        {
          protocol: tls ? 'amqps' : 'amqp',
          hostname: at.host,
          port: at.port,
          username: at.user,
          password: at.password,
          vhost: url.virtualHost,
          heartbeat: heartbeatSeconds,
        },
        {
          timeout: TIMEOUT_MS,
          servername: at.host,
          clientProperties: { connection_name: NAME },
          ...tls,
        },
      );
      this.model = model;
      const gone = (): void => {
        if (this.model === model) {
          this.model = undefined;
          this.channel = undefined;
        }
      };
      model.on('error', gone);
      model.on('close', gone);
      const channel = await model.createConfirmChannel();
      // What it says is in the rejection of whoever uses the channel.
      channel.on('error', () => undefined);
      await withinTime(this.declare(channel));
      this.nextHost -= 1;
      return channel;
    } catch (error) {
      throw new SinkUnavailable(`RabbitMQ at ${at.host}:${at.port}: ${describeError(error)}`, {
        cause: error,
      });
    }
  }

  /** As oslo.messaging declares them: whoever comes first makes them. */
  private async declare(channel: ConfirmChannel): Promise<void> {
    const { exchange, routingKeys, durable, autoDelete } = this.options;
    try {
      await channel.assertExchange(exchange, 'topic', { durable, autoDelete });
      for (const key of routingKeys) {
        await channel.assertQueue(key, { durable, autoDelete, exclusive: false });
        await channel.bindQueue(key, exchange, key);
      }
    } catch (error) {
      if (!/PRECONDITION_FAILED/.test(describeError(error))) throw error;
      throw new Error(
        '[oslo_messaging_rabbit] amqp_durable_queues or amqp_auto_delete is not what the exchange or queue was made with',
        { cause: error },
      );
    }
  }
}

async function withinTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)),
      TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
