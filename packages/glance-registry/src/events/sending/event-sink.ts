import type { OutboxMessage } from '../outbox-repository';

/** Whoever gets announcements. */
export interface EventSink {
  /** In the outbox and in the log. */
  readonly name: string;
  /** Messages, each about another image, that may be under way at once. */
  readonly concurrency: number;
  /**
   * Resolves once the receiver has taken the message: it is not sent again.
   * @throws SinkUnavailable when no message can be delivered now; any other error is about this
   * message, and about those that come after it for the same image.
   */
  send(message: OutboxMessage): Promise<void>;
  close(): Promise<void>;
}

/** The receiver does not answer: everything waits. */
export class SinkUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SinkUnavailable';
  }
}
