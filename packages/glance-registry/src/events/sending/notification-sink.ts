import type { Logger } from '@glance/service-kit';
import type { OutboxMessage } from '../outbox-repository';
import type { EventSink } from './event-sink';
import { toNotification, toWire } from './notification';
import { RabbitConnection, type RabbitOptions } from './rabbit-connection';

export const NOTIFICATION_DRIVERS = ['messaging', 'messagingv2', 'log', 'noop'] as const;
export type NotificationDriver = (typeof NOTIFICATION_DRIVERS)[number];

export interface NotificationSettings {
  /** `noop` alone is as none. */
  drivers: readonly NotificationDriver[];
  publisherId: string;
  topics: readonly string[];
  /** For the drivers that need a broker. */
  rabbit?: Omit<RabbitOptions, 'routingKeys'> | undefined;
}

const VERSIONS = { messaging: '1.0', messagingv2: '2.0' } as const;
const PRIORITIES = ['info', 'error'];

/** Notifications as upstream emits them, by any of its drivers (api-v2 sheet §15). */
export class NotificationSink implements EventSink {
  static readonly sinkName = 'notifications';
  readonly name = NotificationSink.sinkName;
  readonly concurrency = 8;
  private readonly rabbit: RabbitConnection | undefined;

  constructor(
    private readonly settings: NotificationSettings,
    private readonly logger: Logger,
  ) {
    const { rabbit, topics } = settings;
    const routingKeys = topics.flatMap((topic) => PRIORITIES.map((each) => `${topic}.${each}`));
    this.rabbit = rabbit && new RabbitConnection({ ...rabbit, routingKeys });
  }

  async send(message: OutboxMessage): Promise<void> {
    const { drivers, topics, publisherId } = this.settings;
    const notification = toNotification(message, publisherId);
    for (const driver of drivers) {
      if (driver === 'noop' || driver === 'log') continue;
      const body = toWire(notification, VERSIONS[driver]);
      for (const topic of topics) {
        const key = `${topic}.${message.priority.toLowerCase()}`;
        await this.rabbit?.publish(key, body, message.messageId);
      }
    }
    // Last, so that what the broker does not take is not in the log again and again.
    if (drivers.includes('log')) {
      this.logger.info(`Notification ${message.type}`, {
        notification: JSON.stringify(notification),
      });
    }
  }

  async close(): Promise<void> {
    await this.rabbit?.close();
  }
}
