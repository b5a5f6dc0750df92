import { constants } from 'node:fs';
import { copyFile, link, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { failPoint } from '@glance/common';
import { storeDuplicate } from '../../store-errors';
import type { AddRequest, ByteSource, CopyRequest } from '../../store-driver';
import { partDirectory, partName } from './part-directory';
import { finalNames, removeAttempt } from './remove-attempt';
import { syncDirectory } from './sync-directory';
import { errorCodeOf, isAbsent, toWriteError } from './system-errors';
import { WriteBehind } from './write-behind';

const NEW_FILE_MODE = 0o640;

export interface WriteOptions {
  filePermissions: number | undefined;
  thinProvisioning: boolean;
  sync: boolean;
  warn: (message: string) => void;
}

export interface WrittenBlob {
  path: string;
  sizeBytes: number;
}

/**
 * Writes a blob in the order of reliability sheet §11: private temporary file, all bytes, sync,
 * close, link to the final name, sync of the directory. At whatever point it stops, the final name
 * is either absent or holds every byte durably. The temporary name stays until the attempt is
 * settled, so that a sweep finds what a process that dies before leaves at the final one.
 */
export async function writeBlob(
  directory: string,
  request: AddRequest,
  options: WriteOptions,
): Promise<WrittenBlob> {
  const fill: Fill = (file) => copy(request.source, file, options);
  return await storeFile(directory, request, options, fill);
}

/**
 * The same with the bytes of another file of the file system: where that can share them (XFS, Btrfs)
 * it takes no time, elsewhere the kernel copies them.
 */
export async function copyBlob(
  directory: string,
  from: string,
  request: CopyRequest,
  options: WriteOptions,
): Promise<WrittenBlob> {
  const fill: Fill = async (file, temporary) => {
    await copyFile(from, temporary, constants.COPYFILE_FICLONE);
    // The copy has the permissions of its source.
    await file.chmod(options.filePermissions ?? NEW_FILE_MODE);
    return (await file.stat()).size;
  };
  return await storeFile(directory, request, options, fill);
}

/** @returns bytes */
type Fill = (file: FileHandle, temporary: string) => Promise<number>;

async function storeFile(
  directory: string,
  request: CopyRequest,
  options: WriteOptions,
  fill: Fill,
): Promise<WrittenBlob> {
  const { imageId, uploadId } = request;
  const name = partName(imageId, uploadId);
  const { file, temporary } = await createExclusively(directory, name, imageId);
  try {
    // First, while the file is empty: nobody sees the bytes with wider permissions.
    if (options.filePermissions !== undefined) await file.chmod(options.filePermissions);
    failPoint('U2');
    const sizeBytes = await fill(file, temporary);
    request.signal?.throwIfAborted();
    failPoint('U4');
    if (options.sync) await file.datasync();
    await file.close();
    failPoint('U5');
    const path = await linkToFreeName(temporary, directory, request);
    if (options.sync) await syncDirectory(directory);
    return { path, sizeBytes };
  } catch (error) {
    // Not durable on purpose: what a power failure brings back, a sweep finds.
    await attempt(removeAttempt(directory, request, false), options);
    await attempt(file.close(), options);
    throw toWriteError(error);
  }
}

async function createExclusively(
  directory: string,
  name: string,
  imageId: string,
): Promise<{ file: FileHandle; temporary: string }> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    const temporary = join(await partDirectory(directory), name);
    return { file: await open(temporary, flags, NEW_FILE_MODE), temporary };
  } catch (error) {
    throw errorCodeOf(error) === 'EEXIST' ? storeDuplicate(imageId, error) : toWriteError(error);
  }
}

async function copy(source: ByteSource, file: FileHandle, options: WriteOptions): Promise<number> {
  const behind = new WriteBehind(file);
  let position = 0;
  for await (const chunk of source) {
    if (!options.thinProvisioning || !isZero(chunk)) await writeAll(file, chunk, position);
    position += chunk.length;
    failPoint('U3');
    if (options.sync) behind.advance(position);
  }
  await behind.settle();
  if (options.thinProvisioning) await file.truncate(position);
  return position;
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    if (bytesWritten === 0) throw new Error('the file system took no bytes and named no error');
    done += bytesWritten;
  }
}

function isZero(chunk: Uint8Array): boolean {
  // Equal to itself shifted by one and beginning with zero; memcmp is far faster than a loop.
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return bytes[0] === 0 && bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0;
}

/**
 * The name operators know is the image id. When remains of an earlier attempt have it, or may be
 * waiting to be removed from it, the name of this attempt is used instead: whether they may go is
 * for the registry to say (design §5).
 */
async function linkToFreeName(
  temporary: string,
  directory: string,
  request: CopyRequest,
): Promise<string> {
  const [plain, own] = finalNames(request);
  for (const name of request.firstAttempt === true ? [plain, own] : [own]) {
    try {
      await link(temporary, join(directory, name));
      return join(directory, name);
    } catch (error) {
      if (errorCodeOf(error) !== 'EEXIST') throw error;
    }
  }
  throw storeDuplicate(request.imageId);
}

/** One step of cleaning up: the first error is the one to report, this one is for the log. */
async function attempt(step: Promise<unknown>, options: WriteOptions): Promise<void> {
  try {
    await step;
  } catch (error) {
    if (!isAbsent(error)) options.warn(`cleaning up a failed upload: ${String(error)}`);
  }
}
