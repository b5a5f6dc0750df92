import { describeError } from '@glance/common';
import type { Logger } from '../logger';

/** Something that is read again while the service runs. */
export interface ReloadStep {
  /** What it reads, for the log. */
  what: string;
  /**
   * @returns false when there is nothing to read.
   * @throws Error that names what cannot be used: then what was in use stays.
   */
  reload(): boolean;
}

/** Reads everything again that can be read; one step that fails keeps no other from its turn. */
export function reloadAll(steps: readonly ReloadStep[], logger: Logger): void {
  const done: string[] = [];
  for (const { what, reload } of steps) {
    try {
      if (reload()) done.push(what);
    } catch (error) {
      logger.error(`SIGHUP: ${what}: what was in use stays: ${describeError(error)}`);
    }
  }
  logger.info(`SIGHUP: read again: ${done.join(', ') || 'nothing'}`);
}
