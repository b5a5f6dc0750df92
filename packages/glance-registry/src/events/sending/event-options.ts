import {
  booleanOption,
  integerOption,
  listOption,
  readOptionFile,
  repeatableOption,
  secondsOption,
  textOption,
  type ConfigOf,
} from '@glance/service-kit';
import type { Announcing } from '../event-log';
import {
  NOTIFICATION_DRIVERS,
  NotificationSink,
  type NotificationDriver,
  type NotificationSettings,
} from './notification-sink';
import type { RabbitOptions } from './rabbit-connection';
import { parseTransportUrl, type RabbitUrl } from './transport-url';
import { WebhookSink, type WebhookSettings } from './webhook-sink';

/** Upstream's options of notifications (api-v2 sheet §15), and those of our webhook. */
export const EVENT_OPTIONS = {
  DEFAULT: {
    transport_url: textOption({
      help: 'RabbitMQ brokers that notifications go to, any of them: rabbit://USER:PASSWORD@HOST:PORT,USER:PASSWORD@HOST:PORT/VHOST, with ?ssl=1 by TLS.',
      secret: true,
    }),
    control_exchange: textOption({
      help: 'Exchange that notifications are published to.',
      default: 'glance',
    }),
    default_publisher_id: textOption({
      help: 'Who is said to have published a notification, by convention image.HOST.',
      default: 'image.localhost',
    }),
    disabled_notifications: listOption({
      help: 'Event types that are announced neither by notifications nor to the webhook: image.update, or image for all that begin so, image.member.create too.',
      default: [],
    }),
  },
  oslo_messaging_notifications: {
    driver: repeatableOption({
      help: `How notifications are sent; may be given several times: ${NOTIFICATION_DRIVERS.join(', ')}. messagingv2 and messaging publish to RabbitMQ, with and without an envelope; log writes them to the log. Unset: not at all.`,
    }),
    transport_url: textOption({
      help: 'As [DEFAULT] transport_url, which it replaces.',
      secret: true,
    }),
    topics: listOption({
      help: 'Topics; the routing key is TOPIC.info or TOPIC.error, and so is the name of the queue.',
      default: ['notifications'],
    }),
  },
  oslo_messaging_rabbit: {
    ssl: booleanOption({
      help: 'Connect to RabbitMQ by TLS.',
      default: false,
      deprecatedName: 'rabbit_use_ssl',
    }),
    ssl_ca_file: textOption({ help: "Authorities that sign the brokers' certificates (PEM)." }),
    ssl_cert_file: textOption({ help: 'Certificate shown to the brokers (PEM).' }),
    ssl_key_file: textOption({ help: 'Its key.' }),
    amqp_durable_queues: booleanOption({
      help: 'Exchange and queues outlive a restart of the broker, and so do notifications in them that nobody has read. It must be the same for all who declare them, consumers included.',
      default: false,
    }),
    amqp_auto_delete: booleanOption({
      help: 'Queues go with their last consumer.',
      default: false,
    }),
    heartbeat_timeout_threshold: integerOption({
      help: 'Seconds of silence after which a broker counts as gone.',
      default: 60,
      min: 2,
      max: 65_535,
    }),
  },
  webhook: {
    url: textOption({
      help: 'Where each event is posted, as JSON, signed. Unset: nowhere. Redirects are not followed.',
      // It may hold a token.
      secret: true,
    }),
    secret: textOption({
      help: 'Key of the signatures, at least 16 characters: X-Glance-Signature is t=SECONDS,v1=HMAC-SHA256 of "SECONDS.BODY".',
      secret: true,
    }),
    secret_file: textOption({ help: 'File that holds the key, instead of the key itself.' }),
    ca_file: textOption({ help: "Authorities that sign the receiver's certificate (PEM)." }),
    timeout: secondsOption({
      help: 'Seconds that the receiver has to answer.',
      default: 10,
      min: 0.1,
      max: 10,
    }),
  },
  outbox: {
    retention: secondsOption({
      help: 'Seconds for which events are kept for a broker or webhook that does not take them; then they are dropped, and the log says so.',
      default: 7 * 86_400,
      min: 60,
    }),
    poll_interval: secondsOption({
      help: 'Seconds between two looks for events to send.',
      default: 1,
      min: 0.05,
      max: 60,
    }),
  },
};

type EventConfig = ConfigOf<typeof EVENT_OPTIONS>;

export interface EventSettings {
  announcing: Announcing;
  notifications: NotificationSettings | undefined;
  webhook: WebhookSettings | undefined;
  pollIntervalMs: number;
  retentionSeconds: number;
}

const SHORTEST_SECRET = 16;

/** @throws Error that names the option that cannot be used. */
export function readEventSettings(config: EventConfig): EventSettings {
  const notifications = readNotifications(config);
  const webhook = readWebhook(config);
  const sinks = [
    ...(notifications ? [NotificationSink.sinkName] : []),
    ...(webhook ? [WebhookSink.sinkName] : []),
  ];
  return {
    announcing: { sinks, disabled: config.DEFAULT.disabled_notifications },
    notifications,
    webhook,
    pollIntervalMs: config.outbox.poll_interval * 1000,
    retentionSeconds: Math.ceil(config.outbox.retention),
  };
}

function readNotifications(config: EventConfig): NotificationSettings | undefined {
  const { driver, topics, transport_url: ownUrl } = config.oslo_messaging_notifications;
  const drivers = driver.flatMap((each) => each.split(',')).map(asDriver);
  const speaking = drivers.filter((each) => each !== 'noop');
  if (speaking.length === 0) return undefined;
  const needsBroker = speaking.some((each) => each !== 'log');
  const { DEFAULT: options } = config;
  return {
    drivers: speaking,
    topics,
    publisherId: options.default_publisher_id,
    rabbit: needsBroker ? readRabbit(config, ownUrl ?? options.transport_url) : undefined,
  };
}

function asDriver(text: string): NotificationDriver {
  const driver = NOTIFICATION_DRIVERS.find((each) => each === text.trim());
  if (driver) return driver;
  throw new Error(
    `[oslo_messaging_notifications] driver = ${text}: must be one of ${NOTIFICATION_DRIVERS.join(', ')}`,
  );
}

function readRabbit(
  { oslo_messaging_rabbit: options, DEFAULT: { control_exchange: exchange } }: EventConfig,
  transportUrl: string | undefined,
): Omit<RabbitOptions, 'routingKeys'> {
  if (transportUrl === undefined) {
    throw new Error(
      '[oslo_messaging_notifications] driver needs a broker: set transport_url there or in [DEFAULT]',
    );
  }
  let url: RabbitUrl;
  try {
    url = parseTransportUrl(transportUrl);
  } catch (error) {
    throw new Error('transport_url cannot be used', { cause: error });
  }
  const read = (name: 'ssl_ca_file' | 'ssl_cert_file' | 'ssl_key_file'): string | undefined => {
    const file = options[name];
    return file === undefined ? undefined : readText(`[oslo_messaging_rabbit] ${name}`, file);
  };
  const [ca, cert, key] = [read('ssl_ca_file'), read('ssl_cert_file'), read('ssl_key_file')];
  return {
    url,
    tls:
      (url.tls ?? options.ssl)
        ? { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) }
        : undefined,
    exchange,
    durable: options.amqp_durable_queues,
    autoDelete: options.amqp_auto_delete,
    heartbeatSeconds: options.heartbeat_timeout_threshold,
  };
}

function readWebhook({ webhook, DEFAULT: options }: EventConfig): WebhookSettings | undefined {
  if (webhook.url === undefined) return undefined;
  if (!URL.canParse(webhook.url) || !/^https?:$/.test(new URL(webhook.url).protocol)) {
    throw new Error('[webhook] url must be an http or https URL');
  }
  if ((webhook.secret === undefined) === (webhook.secret_file === undefined)) {
    throw new Error(
      '[webhook] url needs one of secret and secret_file, with which events are signed',
    );
  }
  const secret =
    webhook.secret_file === undefined
      ? (webhook.secret ?? '')
      : readText('[webhook] secret_file', webhook.secret_file).trim();
  if (secret.length < SHORTEST_SECRET) {
    throw new Error(`[webhook] secret must have at least ${SHORTEST_SECRET} characters`);
  }
  return {
    url: new URL(webhook.url),
    secret,
    publisherId: options.default_publisher_id,
    timeoutMs: webhook.timeout * 1000,
    ca: webhook.ca_file === undefined ? undefined : readText('[webhook] ca_file', webhook.ca_file),
  };
}

function readText(option: string, file: string): string {
  return readOptionFile(option, file).toString('utf8');
}
