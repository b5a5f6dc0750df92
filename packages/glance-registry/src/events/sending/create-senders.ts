import type { Logger } from '@glance/service-kit';
import type { TransactionRunner } from '../../db/transaction';
import type { Repositories } from '../../repositories';
import type { EventSettings } from './event-options';
import type { EventSink } from './event-sink';
import { NotificationSink } from './notification-sink';
import { OutboxSender } from './outbox-sender';
import { WebhookSink } from './webhook-sink';

/** A sender for each sink that is configured. */
export function createSenders(
  settings: EventSettings | undefined,
  transactions: TransactionRunner<Repositories>,
  logger: Logger,
): OutboxSender[] {
  if (!settings) return [];
  const { notifications, webhook, pollIntervalMs } = settings;
  const sinks: EventSink[] = [
    ...(notifications ? [new NotificationSink(notifications, logger)] : []),
    ...(webhook ? [new WebhookSink(webhook)] : []),
  ];
  return sinks.map((sink) => new OutboxSender({ transactions, sink, logger, pollIntervalMs }));
}
