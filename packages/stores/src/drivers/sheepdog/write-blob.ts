import { ownKey } from '../../remote/unfinished-marks';
import type { AddRequest } from '../../store-driver';
import { storeDuplicate, storeUnavailable } from '../../store-errors';
import { clearIndex, removeVdi } from './remove-vdi';
import type { SheepCluster } from './sheep-cluster';
import { SheepSilence, toStoreError } from './sheep-errors';
import { attemptPart, MAX_IMAGE_BYTES } from './vdi';
import type { VdiAttempt } from './vdi';
import { imageTooLarge, ObjectWriter } from './write-objects';

export interface WriteSettings {
  objectsAtATime: number;
  warn: (message: string) => void;
}

export interface WrittenBlob {
  name: string;
  sizeBytes: number;
}

/**
 * Stores a source as an image under a name that is free. The image says that it is being written
 * until all is there, and that it is not settled from then on; so whoever dies here is followed by a
 * sweep. Before it says so it is empty, and a sweep of blobs without an image finds it.
 */
export async function writeBlob(
  cluster: SheepCluster,
  request: AddRequest,
  settings: WriteSettings,
): Promise<WrittenBlob> {
  const { source, expectedSizeBytes, uploadId, signal } = request;
  signal?.throwIfAborted();
  if ((expectedSizeBytes ?? 0) > MAX_IMAGE_BYTES) throw imageTooLarge();
  const { name, vid } = await createVdi(cluster, request);
  const sizeBytes = expectedSizeBytes ?? 0;
  const say = (state: VdiAttempt['state'], size: number): Promise<void> =>
    cluster.writeInode(vid, attemptPart({ state, uploadId }, size));
  const { objectsAtATime } = settings;
  const writer = new ObjectWriter(cluster, vid, {
    sizeBytes,
    expectedSizeBytes,
    objectsAtATime,
    signal,
  });
  try {
    await say('writing', sizeBytes);
    const writtenBytes = await writer.write(source);
    signal?.throwIfAborted();
    await say('unsettled', writtenBytes);
    await requireUntouched(cluster, vid, name);
    return { name, sizeBytes: writtenBytes };
  } catch (error) {
    const warn = (reason: unknown): void => {
      settings.warn(
        `what is left of ${ownKey(request)} was not removed, a sweep will: ${String(reason)}`,
      );
    };
    // What got no answer may still be done, after a removal.
    const unclear = [error, ...writer.failed].find((failure) => failure instanceof SheepSilence);
    if (unclear !== undefined) warn(unclear);
    else await takeBack(cluster, vid, name).catch(warn);
    throw toStoreError(error, 'write');
  }
}

async function createVdi(
  cluster: SheepCluster,
  request: AddRequest,
): Promise<{ name: string; vid: number }> {
  const names = [...(request.firstAttempt === true ? [request.imageId] : []), ownKey(request)];
  for (const name of names) {
    const vid = await cluster.create(name).catch((error: unknown) => {
      throw toStoreError(error, 'write');
    });
    if (vid !== undefined) return { name, vid };
  }
  throw storeDuplicate(request.imageId);
}

/** Whoever slept for too long may find that a sweep has removed what it then went on with. */
async function requireUntouched(cluster: SheepCluster, vid: number, name: string): Promise<void> {
  const vdi = await cluster.read(vid);
  if (vdi?.name === name && !vdi.removing) return;
  throw storeUnavailable(new Error('Sheepdog: the image was removed while it was written'));
}

async function takeBack(cluster: SheepCluster, vid: number, name: string): Promise<void> {
  const vdi = await cluster.read(vid);
  if (vdi?.name === name) await removeVdi(cluster, vdi);
  else if (vdi?.name === '') await clearIndex(cluster, vdi);
}
