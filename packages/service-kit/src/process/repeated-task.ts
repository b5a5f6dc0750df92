import { describeError } from '@glance/common';
import type { Logger } from '../logger';

export interface RepeatedTaskOptions {
  /** For metrics: "unfinished", unique in the service. */
  id: string;
  /** For the log: "Sweeping the stores". */
  name: string;
  intervalMs: number;
  logger: Logger;
  work(): Promise<unknown>;
}

/** Work that runs beside the requests again and again, one run at a time, until it is closed. */
export class RepeatedTask {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private closed = false;
  private startedAt: number | undefined;
  private succeededAt: number | undefined;
  /** Since the process began, runs that have ended. */
  runs = 0;
  /** Of these, those that failed. */
  failures = 0;

  constructor(private readonly options: RepeatedTaskOptions) {}

  /** A first run that is late by chance keeps processes that start together apart. */
  start(firstDelayMs = 0): void {
    this.startedAt = Date.now() / 1000;
    this.schedule(firstDelayMs);
  }

  /** Waits for a run that is under way; its work should ask {@link isClosed} where it takes long. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.running;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  get id(): string {
    return this.options.id;
  }

  get intervalSeconds(): number {
    return this.options.intervalMs / 1000;
  }

  /** Seconds since 1970: the end of the last run that did not fail, or else the start of the first. */
  get lastSuccessAt(): number | undefined {
    return this.succeededAt ?? this.startedAt;
  }

  private schedule(delayMs: number): void {
    if (this.closed) return;
    this.timer = setTimeout(() => {
      this.running = this.runOnce();
    }, delayMs);
    this.timer.unref();
  }

  private async runOnce(): Promise<void> {
    try {
      await this.options.work();
      this.succeededAt = Date.now() / 1000;
    } catch (error) {
      this.failures += 1;
      this.options.logger.warn(
        `${this.options.name} failed, the next run tries again: ${describeError(error)}`,
      );
    }
    this.runs += 1;
    this.schedule(this.options.intervalMs);
  }
}
