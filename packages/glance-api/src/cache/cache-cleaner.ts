import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { CacheDirectory, ifThere, removeFile } from './cache-directory';
import type { CacheEntries } from './cache-entries';

/** Removes what can never be served: a clean of upstream's (lifecycle sheet §4.3). */
export class CacheCleaner {
  constructor(
    private readonly directory: CacheDirectory,
    private readonly entries: CacheEntries,
    private readonly stallSeconds: number,
  ) {}

  /**
   * Whoever still writes one of these files cannot give it its name any more; his readers go on.
   * @returns files removed.
   */
  async clean(): Promise<number> {
    const { invalid, incomplete } = this.directory;
    await this.entries.removeLooseRecords();
    return (await removeOlder(invalid, 0)) + (await removeOlder(incomplete, this.stallSeconds));
  }
}

async function removeOlder(folder: string, seconds: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    const found = await ifThere(lstat(file));
    if (found?.isDirectory() !== false || Date.now() - found.mtimeMs < seconds * 1000) continue;
    if (await removeFile(file)) removed += 1;
  }
  return removed;
}
