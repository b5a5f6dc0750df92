import { lstat, writeFile } from 'node:fs/promises';
import { CacheDirectory, ifThere, imageNames, removeFile } from './cache-directory';

/** The images that are to be fetched into the cache: a mark each, as upstream has them. */
export class CacheQueue {
  constructor(private readonly directory: CacheDirectory) {}

  /** Their ids, longest waiting first. */
  async list(): Promise<string[]> {
    const waiting: { imageId: string; sinceMs: number }[] = [];
    for (const imageId of await imageNames(this.directory.queue)) {
      const mark = await ifThere(lstat(this.directory.mark(imageId)));
      if (mark) waiting.push({ imageId, sinceMs: mark.mtimeMs });
    }
    return waiting.sort((a, b) => a.sinceMs - b.sinceMs).map(({ imageId }) => imageId);
  }

  /** One that waits already keeps its place. */
  async add(imageId: string): Promise<void> {
    try {
      await writeFile(this.directory.mark(imageId), '', { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }

  /** @returns whether it was there. */
  remove(imageId: string): Promise<boolean> {
    return removeFile(this.directory.mark(imageId));
  }
}
