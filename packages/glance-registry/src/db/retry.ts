import { setTimeout as delay } from 'node:timers/promises';
import { DomainError } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import { RETRIED, toDomainError, type FailureKind } from './database-failure';
import type { Dialect } from './dialect';

const MAX_TRIES = 8;
const MAX_TOTAL_MS = 10_000;
const FIRST_DELAY_MS = 20;
const MAX_DELAY_MS = 1000;

/** How long somebody waits for an answer: work that nobody waits for is not done. */
export class Deadline {
  /** @param at milliseconds of `performance.now()` */
  constructor(private readonly at: number) {}

  static in(milliseconds: number): Deadline {
    return new Deadline(performance.now() + milliseconds);
  }

  get remainingMs(): number {
    return this.at - performance.now();
  }

  /** @throws DomainError `database_unavailable` when the time is over. */
  check(cause?: unknown): void {
    if (this.remainingMs > 0) return;
    throw new DomainError('database_unavailable', 'The database did not answer in time', {
      cause,
    });
  }
}

export interface RetryOptions {
  dialect: Dialect;
  logger: Logger;
  deadline: Deadline | undefined;
}

/**
 * Runs work against the database until it succeeds, fails for good, or the time is over: at most
 * 8 tries with full jitter from 20 ms to 1 s, 10 s in all (reliability sheet §7).
 * @throws DomainError; errors of the database that mean nothing to a caller are thrown as they are.
 */
export async function withRetries<T>(options: RetryOptions, work: () => Promise<T>): Promise<T> {
  const { dialect, logger, deadline } = options;
  const ours = Deadline.in(MAX_TOTAL_MS);
  for (let tries = 1; ; tries += 1) {
    deadline?.check();
    try {
      return await work();
    } catch (error) {
      if (error instanceof DomainError) throw error;
      const kind: FailureKind = dialect.classify(error);
      const pauseMs = Math.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** tries);
      if (!RETRIED.has(kind) || tries >= MAX_TRIES || ours.remainingMs < pauseMs) {
        throw toDomainError(kind, error);
      }
      logger.info(`The database answered ${kind}: trying again`, { tries });
      if (deadline && deadline.remainingMs < pauseMs) throw toDomainError(kind, error);
      await delay(pauseMs);
    }
  }
}
