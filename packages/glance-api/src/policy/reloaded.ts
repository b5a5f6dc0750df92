import { stat, type BigIntStats } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { describeError } from '@glance/common';
import type { Logger } from '@glance/service-kit';

/** Files that say something together, and what they say. */
export interface ReloadedSource<T> {
  /** For the log, as the subject of a sentence in the plural: "The policy rules". */
  name: string;
  /**
   * The files that count now, and every path whose appearance, change or end may change that.
   * @throws Error when a file that must be there is not.
   */
  locate(): Promise<{ files: string[]; watched: string[] }>;
  /** @throws Error that names file, line and reason. */
  load(files: readonly string[]): Promise<T>;
  /** What in the files can be used but is hardly meant; for the log. */
  warningsOf?(value: T): readonly string[];
}

/** Files that changed are read when they have been left alone for this long. */
const SETTLE_MS = 50;
/** Longest that a request waits for files, which may lie on a file system that hangs. */
const PATIENCE_MS = 1000;

/**
 * What a set of files says, read again whenever they change. Files that cannot be used change
 * nothing: what was read before goes on, and the log says why.
 */
export class Reloaded<T> {
  private running: Promise<void> = Promise.resolve();
  private queued: Promise<void> | undefined;
  private hanging = false;

  private constructor(
    private readonly source: ReloadedSource<T>,
    private readonly logger: Logger,
    private value: T,
    private watched: readonly string[],
    private seen: string,
  ) {}

  /** @throws Error of the source: without anything that was read before, nothing can go on. */
  static async read<T>(source: ReloadedSource<T>, logger: Logger): Promise<Reloaded<T>> {
    const { files, watched } = await source.locate();
    const seen = await fingerprint(watched);
    const value = await source.load(files);
    const reloaded = new Reloaded(source, logger, value, watched, seen);
    reloaded.warn();
    return reloaded;
  }

  get current(): T {
    return this.value;
  }

  /** Every path whose change may change `current`. */
  get paths(): readonly string[] {
    return this.watched;
  }

  /**
   * Resolves when `current` is what the files said at the time of the call, or something later.
   * Does not wait for a file system that hangs or for a file that is never left alone.
   */
  refresh(): Promise<void> {
    if (this.hanging) return Promise.resolve();
    // Whoever asks while files are looked at may have changed them after that look.
    this.queued ??= this.running.then(() => {
      this.queued = undefined;
      this.running = this.look();
      return this.running;
    });
    return this.queued;
  }

  /** Never rejects. */
  private look(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.hanging = true;
        this.logger.warn(`${this.source.name} could not be read in time; the ones before go on`);
        resolve();
      }, PATIENCE_MS);
      void this.readWhenChanged()
        .catch((error: unknown) => this.refuse(error))
        .finally(() => {
          clearTimeout(timer);
          this.hanging = false;
          resolve();
        });
    });
  }

  private async readWhenChanged(): Promise<void> {
    let before = await fingerprint(this.watched);
    if (before === this.seen) return;
    for (;;) {
      await pause(SETTLE_MS);
      // Noted before anything can fail: what cannot be used is not tried again until it changes.
      this.seen = before;
      const { files, watched } = await this.source.locate();
      this.watched = watched;
      this.seen = await fingerprint(watched);
      if (this.seen === before) {
        const value = await this.source.load(files);
        if ((await fingerprint(watched)) === before) {
          this.value = value;
          this.logger.info(`${this.source.name} have been read again`, { files: files.join(' ') });
          this.warn();
          return;
        }
      }
      before = this.seen;
    }
  }

  private warn(): void {
    for (const warning of this.source.warningsOf?.(this.value) ?? []) this.logger.warn(warning);
  }

  private refuse(error: unknown): void {
    this.logger.error(
      `${this.source.name} cannot be read again, the ones before go on: ${describeError(error)}`,
    );
  }
}

/**
 * Changes with every change of what stands at the paths. Callbacks and one promise: most paths have
 * no file, and a promise for each would cost a stack trace for each.
 */
function fingerprint(paths: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const parts = new Array<string>(paths.length);
    let missing = paths.length;
    if (missing === 0) resolve('');
    paths.forEach((path, index) => {
      stat(path, { bigint: true }, (error, found) => {
        parts[index] = error ? (error.code ?? 'unreadable') : stamp(found);
        missing -= 1;
        if (missing === 0) resolve(parts.join('\n'));
      });
    });
  });
}

function stamp({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}
