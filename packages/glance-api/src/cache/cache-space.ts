import { randomUUID } from 'node:crypto';
import { lstat, open, readdir, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { CacheDirectory, ifThere, removeFile } from './cache-directory';
import type { CacheEntries } from './cache-entries';

/** A file that grows, and is as long as it will be from its beginning on. */
export interface CacheAttempt {
  path: string;
  file: FileHandle;
  /** Closes and removes it. */
  discard(): Promise<void>;
}

/** What a prune removed. */
export interface Pruned {
  files: number;
  bytes: number;
}

interface Attempts {
  bytes: number;
  /** Some process works on one of this image. */
  isFetching: boolean;
}

/** Whoever fetches writes at least so often, or it is taken for dead. */
const ALIVE_MS = 60_000;

/**
 * Keeps a cache within its size: what was used longest ago makes room. What is being fetched, by
 * whatever process, counts as large as it will be, since its file has that length.
 */
export class CacheSpace {
  /** One at a time takes room, so that no two count on the same. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly directory: CacheDirectory,
    private readonly entries: CacheEntries,
    readonly maxBytes: number,
  ) {}

  /**
   * Makes room for an image and the file that its data will grow in.
   * @returns undefined when it is too large, or another process is fetching it.
   */
  take(imageId: string, sizeBytes: number): Promise<CacheAttempt | undefined> {
    const taken = this.turn.then(() => this.takeNow(imageId, sizeBytes));
    this.turn = taken.catch(() => undefined);
    return taken;
  }

  /** Removes what was used longest ago until the finished images are within the size. */
  async prune(): Promise<Pruned> {
    return await this.shrink(this.maxBytes);
  }

  private async takeNow(imageId: string, sizeBytes: number): Promise<CacheAttempt | undefined> {
    const attempts = await this.attempts(imageId);
    const room = this.maxBytes - attempts.bytes - sizeBytes;
    if (attempts.isFetching || room < 0) return undefined;
    await this.shrink(room);
    const attempt = this.directory.attempt(imageId, randomUUID());
    const file = await open(attempt, 'wx+', 0o600);
    const discard = async (): Promise<void> => {
      await file.close();
      await removeFile(attempt);
    };
    try {
      await file.truncate(sizeBytes);
      // Two that began in one moment see each other here: neither goes on.
      if (!(await this.attempts(imageId, attempt)).isFetching)
        return { path: attempt, file, discard };
      await discard();
      return undefined;
    } catch (error) {
      await discard();
      throw error;
    }
  }

  private async shrink(maxBytes: number): Promise<Pruned> {
    const { entries, unverified } = await this.entries.list();
    const found = [
      // Nobody can be using them.
      ...unverified.map((each) => ({ ...each, lastAccessedMs: 0 })),
      ...entries.sort((a, b) => a.lastAccessedMs - b.lastAccessedMs),
    ];
    let bytes = found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const pruned: Pruned = { files: 0, bytes: 0 };
    for (const { imageId, sizeBytes } of found) {
      if (bytes <= maxBytes) break;
      await this.entries.remove(imageId);
      bytes -= sizeBytes;
      pruned.files += 1;
      pruned.bytes += sizeBytes;
    }
    return pruned;
  }

  /** @param own path of the attempt that does not count. */
  private async attempts(imageId: string, own?: string): Promise<Attempts> {
    const found: Attempts = { bytes: 0, isFetching: false };
    for (const name of await readdir(this.directory.incomplete)) {
      const attempt = path.join(this.directory.incomplete, name);
      const stat = attempt === own ? undefined : await ifThere(lstat(attempt));
      if (!stat) continue;
      found.bytes += stat.size;
      if (name.startsWith(imageId) && Date.now() - stat.mtimeMs < ALIVE_MS) found.isFetching = true;
    }
    return found;
  }
}
