import { randomUUID } from 'node:crypto';
import { describeError } from '@glance/common';
import { RepeatedTask, type Logger } from '@glance/service-kit';
import type { TransactionRunner } from '../../db/transaction';
import type { Repositories } from '../../repositories';
import type { OutboxMessage } from '../outbox-repository';
import { SinkUnavailable, type EventSink } from './event-sink';

export interface SenderOptions {
  transactions: TransactionRunner<Repositories>;
  sink: EventSink;
  logger: Logger;
  pollIntervalMs: number;
  /** Milliseconds; a test may have a clock of its own. */
  now?: () => number;
}

/** Longer than a batch may take: two processes never send at once unless one has slept. */
const LEASE_SECONDS = 30;
const BATCH = 50;
/** After so long no further message of a batch is begun. Each takes 10 s at most. */
const BATCH_MS = 10_000;
const LONGEST_WAIT_SECONDS = 60;
const LONGEST_POSTPONEMENT_SECONDS = 3600;

/**
 * Sends what is in the outbox to one sink: at least once, in order for each image, and by one
 * process at a time. A message that was sent when its process died is sent again by the next, with
 * the same id.
 */
export class OutboxSender {
  private readonly holder = randomUUID();
  readonly task: RepeatedTask;
  private readonly now: () => number;
  private failures = 0;
  private waitUntilMs = 0;
  private heldUntilMs = 0;

  constructor(private readonly options: SenderOptions) {
    this.now = options.now ?? (() => performance.now());
    this.task = new RepeatedTask({
      id: `send_${options.sink.name}`,
      name: `Sending events to ${options.sink.name}`,
      intervalMs: options.pollIntervalMs,
      logger: options.logger,
      work: () => this.run(),
    });
  }

  start(): void {
    this.task.start();
  }

  /** Lets another process go on at once. What is not sent yet stays. */
  async close(): Promise<void> {
    await this.task.close();
    const { transactions, sink, logger } = this.options;
    if (this.heldUntilMs > 0) {
      await transactions
        .write({}, ({ outbox }) => outbox.releaseSink(sink.name, this.holder))
        .catch((error: unknown) => {
          logger.warn(`Another process sends events only in a while: ${describeError(error)}`);
        });
    }
    await sink.close();
  }

  /** Sends all that is due, if this process is the one to do so and the receiver was there last. */
  async run(): Promise<void> {
    while (!this.task.isClosed && this.now() >= this.waitUntilMs) {
      if (!(await this.holdsSink()) || !(await this.sendBatch())) return;
    }
  }

  private async holdsSink(): Promise<boolean> {
    const { transactions, sink } = this.options;
    if (this.now() < this.heldUntilMs - (LEASE_SECONDS * 1000) / 2) return true;
    const askedAt = this.now();
    const held = await transactions.write({}, ({ outbox }) =>
      outbox.claimSink(sink.name, this.holder, LEASE_SECONDS),
    );
    this.heldUntilMs = held ? askedAt + LEASE_SECONDS * 1000 : 0;
    return held;
  }

  /** @returns whether there may be more to send at once */
  private async sendBatch(): Promise<boolean> {
    const { transactions, sink } = this.options;
    const due = await transactions.read({}, ({ outbox }) => outbox.findDue(sink.name, BATCH));
    if (due.length === 0) return false;
    const endMs = this.now() + BATCH_MS;
    const delivered: number[] = [];
    let unavailable: SinkUnavailable | undefined;
    const images = [...groupByImage(due)];
    const sendNext = async (): Promise<void> => {
      for (let messages = images.shift(); messages; messages = images.shift()) {
        for (const message of messages) {
          if (unavailable || this.task.isClosed || this.now() >= endMs) return;
          try {
            await sink.send(message);
          } catch (error) {
            if (error instanceof SinkUnavailable) unavailable = error;
            else await this.postpone(message, error);
            break;
          }
          delivered.push(message.id);
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: sink.concurrency }, sendNext));
    } finally {
      await transactions.write({}, ({ outbox }) => outbox.markDelivered(delivered));
    }
    if (unavailable) {
      this.waitAfter(unavailable);
      return false;
    }
    this.noteThatItAnswers();
    return true;
  }

  private async postpone(message: OutboxMessage, error: unknown): Promise<void> {
    const { transactions, sink, logger } = this.options;
    const seconds = await transactions.write({}, async ({ outbox }) => {
      const refusals = await outbox.countRefusal(message.id);
      const wait = Math.min(2 ** Math.min(refusals, 20), LONGEST_POSTPONEMENT_SECONDS);
      await outbox.postpone(message.id, wait);
      return wait;
    });
    logger.warn(
      `${sink.name} refuses an event; it and later ones of the image are tried again in ${seconds} s: ${describeError(error)}`,
      { image: message.imageId, event: message.type, message: message.messageId },
    );
  }

  private waitAfter(error: SinkUnavailable): void {
    const { sink, logger } = this.options;
    this.failures += 1;
    const seconds = Math.min(2 ** Math.min(this.failures - 1, 10), LONGEST_WAIT_SECONDS);
    this.waitUntilMs = this.now() + seconds * 1000;
    logger.warn(
      `Events cannot be delivered to ${sink.name}; they are kept and tried again in ${seconds} s: ${describeError(error)}`,
      { failures: this.failures },
    );
  }

  private noteThatItAnswers(): void {
    const { sink, logger } = this.options;
    if (this.failures > 0) logger.info(`Events are delivered to ${sink.name} again`);
    this.failures = 0;
  }
}

function groupByImage(messages: readonly OutboxMessage[]): Iterable<OutboxMessage[]> {
  const groups = new Map<string, OutboxMessage[]>();
  for (const message of messages) {
    const group = groups.get(message.imageId);
    if (group) group.push(message);
    else groups.set(message.imageId, [message]);
  }
  return groups.values();
}
