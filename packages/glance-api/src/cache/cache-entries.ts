import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, rename, type FileHandle } from 'node:fs/promises';
import { failPoint } from '@glance/common';
import { CacheDirectory, OPEN_FLAGS, ifThere, imageNames, removeFile } from './cache-directory';
import {
  RECORD_BYTES,
  describesData,
  fileIdentity,
  parseRecord,
  recordLine,
  type CacheRecord,
  type VerifiableData,
} from './cache-record';

/** An image in the cache whose data was verified. Times are epoch milliseconds. */
export interface CacheEntry {
  imageId: string;
  sizeBytes: number;
  checksum: string;
  hits: number;
  /** Of the last hit; before the first, when it came into the cache. */
  lastAccessedMs: number;
  lastModifiedMs: number;
  record: CacheRecord;
}

/** A finished file whose data nobody has verified: upstream's, or of a process that died. */
export interface UnverifiedEntry {
  imageId: string;
  sizeBytes: number;
}

const HIT = '.';

/**
 * The finished images of a cache. Data is served only beside a record that tells what this very
 * file was found to be: a file named `records/ID` whose first line is JSON, with a byte after it for
 * each hit, so that counting needs no lock and survives the process; its time is that of the last
 * hit. Whatever else has the name of an image is unverified. Any number of processes may work on
 * the directory: what one does between two steps of another ends as an entry that is unverified
 * or gone.
 */
export class CacheEntries {
  constructor(private readonly directory: CacheDirectory) {}

  /**
   * Opens the data of an image for a download, which counts as a hit. What has the name of the image
   * and is not this data is left to be replaced.
   * @returns the open file, the caller's to close; undefined when the data is not there.
   */
  async open(imageId: string, wanted: VerifiableData): Promise<FileHandle | undefined> {
    const flags = constants.O_RDWR | constants.O_APPEND | OPEN_FLAGS;
    const recordFile = await ifThere(open(this.directory.record(imageId), flags));
    if (!recordFile) return undefined;
    try {
      const found = await readRecord(recordFile);
      if (!found || !describesData(found.record, wanted)) return undefined;
      const data = await this.openData(imageId);
      if (data && fileIdentity(await data.stat({ bigint: true })) === found.record.file) {
        // A full disk is no reason not to serve.
        await recordFile.write(HIT).catch(() => undefined);
        return data;
      }
      await data?.close();
      return undefined;
    } finally {
      await recordFile.close();
    }
  }

  /** The file under the name of an image, verified or not; undefined when there is none. */
  async openData(imageId: string): Promise<FileHandle | undefined> {
    return await ifThere(open(this.directory.data(imageId), constants.O_RDONLY | OPEN_FLAGS));
  }

  /** Whether the data of an image is there, verified. Counts as no hit. */
  async has(imageId: string, wanted: VerifiableData): Promise<boolean> {
    const entry = await this.look(imageId);
    return entry !== undefined && 'record' in entry && describesData(entry.record, wanted);
  }

  /**
   * Gives verified data, which is on stable storage, the name of its image, and then its record.
   * Whoever dies in between leaves unverified data. An entry that was there before is replaced; who
   * reads it goes on.
   * @param file the open file at `attempt`.
   */
  async commit(
    imageId: string,
    attempt: string,
    file: FileHandle,
    found: Omit<CacheRecord, 'file'>,
  ): Promise<void> {
    await rename(attempt, this.directory.data(imageId));
    failPoint('C2');
    await this.writeRecord(imageId, file, found);
    failPoint('C3');
  }

  /** Says that the data in `file`, which has the name of its image, was verified. */
  async writeRecord(
    imageId: string,
    file: FileHandle,
    found: Omit<CacheRecord, 'file'>,
  ): Promise<void> {
    const record = { ...found, file: fileIdentity(await file.stat({ bigint: true })) };
    const draft = this.directory.attempt(imageId, `${randomUUID()}.record`);
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(recordLine(record));
      await handle.datasync();
      await rename(draft, this.directory.record(imageId));
    } catch (error) {
      await removeFile(draft);
      throw error;
    } finally {
      await handle.close();
    }
  }

  /** @returns whether anything was there. */
  async remove(imageId: string): Promise<boolean> {
    // The data last: what is left when the process dies in between is served to nobody.
    const hadRecord = await removeFile(this.directory.record(imageId));
    return (await removeFile(this.directory.data(imageId))) || hadRecord;
  }

  /** What the cache holds, in no order. */
  async list(): Promise<{ entries: CacheEntry[]; unverified: UnverifiedEntry[] }> {
    const entries: CacheEntry[] = [];
    const unverified: UnverifiedEntry[] = [];
    for (const imageId of await imageNames(this.directory.root)) {
      const entry = await this.look(imageId);
      if (entry === undefined) continue;
      if ('record' in entry) entries.push(entry);
      else unverified.push(entry);
    }
    return { entries, unverified };
  }

  /** Removes records that have no data any more. */
  async removeLooseRecords(): Promise<void> {
    for (const imageId of await imageNames(this.directory.records)) {
      const data = await ifThere(lstat(this.directory.data(imageId)));
      if (!data) await removeFile(this.directory.record(imageId));
    }
  }

  private async look(imageId: string): Promise<CacheEntry | UnverifiedEntry | undefined> {
    const data = await ifThere(lstat(this.directory.data(imageId), { bigint: true }));
    if (data?.isFile() !== true) return undefined;
    const sizeBytes = Number(data.size);
    const flags = constants.O_RDONLY | OPEN_FLAGS;
    const recordFile = await ifThere(open(this.directory.record(imageId), flags));
    if (!recordFile) return { imageId, sizeBytes };
    try {
      const found = await readRecord(recordFile);
      if (found?.record.file !== fileIdentity(data)) return { imageId, sizeBytes };
      const { size, mtimeMs } = await recordFile.stat();
      return {
        imageId,
        sizeBytes,
        checksum: found.record.checksum,
        hits: size - found.lineBytes,
        lastAccessedMs: mtimeMs,
        lastModifiedMs: Number(data.mtimeMs),
        record: found.record,
      };
    } finally {
      await recordFile.close();
    }
  }
}

async function readRecord(
  file: FileHandle,
): Promise<{ record: CacheRecord; lineBytes: number } | undefined> {
  const buffer = Buffer.alloc(RECORD_BYTES);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  return parseRecord(buffer.toString('utf8', 0, bytesRead));
}
