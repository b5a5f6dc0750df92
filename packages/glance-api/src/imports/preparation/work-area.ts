import { mkdir, readdir, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { DomainError, isCanonicalUuid } from '@glance/common';
import type { UnfinishedBlob, UploadName } from '@glance/stores';

const WRITABLE_BY_ALL = 0o002;

/**
 * A directory for the files that one step of an import needs while it runs. Their names tell the
 * attempt that they belong to, so that those of a process that died are found, by any process.
 */
export class WorkArea {
  readonly id = 'work area';

  constructor(
    readonly directory: string,
    /** For the operator's log: what names the directory. */
    private readonly option: string,
    private readonly warn: (message: string) => void,
  ) {}

  /**
   * The path of a file of an attempt, which is not there yet.
   * @throws DomainError `store_write_denied`
   */
  async fileFor({ imageId, uploadId }: UploadName, use: string): Promise<string> {
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
      if (((await stat(this.directory)).mode & WRITABLE_BY_ALL) !== 0) {
        throw new Error('everybody on this machine may write it');
      }
    } catch (cause) {
      this.warn(
        `The work area ${this.directory} cannot be used: ${(cause as Error).message}; set ${this.option} to a directory that this service, and nobody else, may write`,
      );
      throw new DomainError('store_write_denied', 'The work area cannot be written', { cause });
    }
    return path.join(this.directory, `${imageId}.${uploadId}.${use}`);
  }

  /** Of attempts that run, or have died. */
  async listUnfinished(): Promise<UnfinishedBlob[]> {
    const found: UnfinishedBlob[] = [];
    for (const name of await this.names()) {
      const [imageId = '', uploadId = '', use] = name.split('.');
      if (!isCanonicalUuid(imageId) || !isCanonicalUuid(uploadId) || use === undefined) continue;
      const file = await stat(path.join(this.directory, name)).catch(() => undefined);
      if (!file) continue;
      const ageSeconds = (Date.now() - file.mtimeMs) / 1000;
      found.push({ imageId, uploadId, ageSeconds, sizeBytes: file.size });
    }
    return found;
  }

  /** All files of an attempt; those that are not there do not matter. */
  async removeUnfinished({ imageId, uploadId }: UploadName): Promise<void> {
    const prefix = `${imageId}.${uploadId}.`;
    for (const name of await this.names()) {
      if (name.startsWith(prefix)) await removeFile(path.join(this.directory, name));
    }
  }

  private async names(): Promise<string[]> {
    try {
      return await readdir(this.directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}

/** Whether it was there or not. */
export async function removeFile(file: string): Promise<void> {
  await unlink(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
}
