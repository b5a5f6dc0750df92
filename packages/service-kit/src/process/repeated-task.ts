import { describeError } from '@glance/common';
import type { Logger } from '../logger';

export interface RepeatedTaskOptions {
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

  constructor(private readonly options: RepeatedTaskOptions) {}

  /** A first run that is late by chance keeps processes that start together apart. */
  start(firstDelayMs = 0): void {
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
    } catch (error) {
      this.options.logger.warn(
        `${this.options.name} failed, the next run tries again: ${describeError(error)}`,
      );
    }
    this.schedule(this.options.intervalMs);
  }
}
