import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { link, lstat, open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { storeDuplicate } from '../../store-errors';
import type { AddRequest, ByteSource, UploadName } from '../../store-driver';
import { partDirectory, partName, removePart } from './part-directory';
import { syncDirectory } from './sync-directory';
import { errorCodeOf, isAbsent, toDeleteError, toWriteError } from './system-errors';
import { WriteBehind } from './write-behind';

export interface WriteOptions {
  filePermissions: number | undefined;
  thinProvisioning: boolean;
  sync: boolean;
  warn: (message: string) => void;
}

/** Tells a file from any other that may have its name later, even with its inode used again. */
type FileIdentity = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs'>;

export interface WrittenBlob {
  path: string;
  sizeBytes: number;
  identity: FileIdentity;
}

/**
 * Writes a blob in the order of reliability sheet §11: private temporary file, all bytes, sync,
 * close, link to the final name, sync of the directory. At whatever point it stops, the final name
 * is either absent or holds every byte durably.
 */
export async function writeBlob(
  directory: string,
  request: AddRequest,
  options: WriteOptions,
): Promise<WrittenBlob> {
  const { imageId, uploadId } = request;
  const name = partName(imageId, uploadId);
  const { file, temporary } = await createExclusively(directory, name, imageId);
  let identity: FileIdentity | undefined;
  let path: string | undefined;
  try {
    // First, while the file is empty: nobody sees the bytes with wider permissions.
    if (options.filePermissions !== undefined) await file.chmod(options.filePermissions);
    const sizeBytes = await copy(request.source, file, options);
    request.signal?.throwIfAborted();
    if (options.sync) await file.datasync();
    identity = await file.stat({ bigint: true });
    await file.close();
    path = await linkToFreeName(temporary, directory, request);
    if (options.sync) await syncDirectory(directory);
    await unlink(temporary).catch((error: unknown) => {
      options.warn(
        `cannot remove ${temporary} (${errorCodeOf(error) ?? 'error'}), left to sweepers`,
      );
    });
    return { path, sizeBytes, identity };
  } catch (error) {
    // Nobody was told of the final name yet. It goes first: while the temporary name holds the
    // inode, no other file can have its number.
    if (path !== undefined && identity !== undefined) {
      await attempt(removeIfSame(path, identity), options);
    }
    await attempt(unlink(temporary), options);
    await attempt(file.close(), options);
    throw toWriteError(error);
  }
}

/** Removes the blob unless another file has taken its name. Gone already is a success. */
export async function discardBlob(
  directory: string,
  upload: UploadName,
  blob: WrittenBlob,
  sync: boolean,
): Promise<void> {
  try {
    await removePart(directory, upload);
    const removed = await removeIfSame(blob.path, blob.identity);
    if (removed && sync) await syncDirectory(directory);
  } catch (error) {
    throw toDeleteError(error);
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
    return { file: await open(temporary, flags, 0o640), temporary };
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
 * The name operators know is the image id. When remains of an earlier attempt have it, the name of
 * this attempt is used instead: whether they may go is for the registry to say (design §5).
 */
async function linkToFreeName(
  temporary: string,
  directory: string,
  { imageId, uploadId }: AddRequest,
): Promise<string> {
  for (const name of [imageId, `${imageId}.${uploadId}`]) {
    try {
      await link(temporary, join(directory, name));
      return join(directory, name);
    } catch (error) {
      if (errorCodeOf(error) !== 'EEXIST') throw error;
    }
  }
  throw storeDuplicate(imageId);
}

async function removeIfSame(path: string, identity: FileIdentity): Promise<boolean> {
  try {
    const found = await lstat(path, { bigint: true });
    const same =
      found.dev === identity.dev &&
      found.ino === identity.ino &&
      found.size === identity.size &&
      found.mtimeNs === identity.mtimeNs;
    if (same) await unlink(path);
    return same;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** One step of cleaning up: the first error is the one to report, this one is for the log. */
async function attempt(step: Promise<unknown>, options: WriteOptions): Promise<void> {
  try {
    await step;
  } catch (error) {
    if (!isAbsent(error)) options.warn(`cleaning up a failed upload: ${String(error)}`);
  }
}
