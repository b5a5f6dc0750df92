import { setTimeout as pause } from 'node:timers/promises';
import { failPoint } from '@glance/common';
import { SNAPSHOT } from '../protocol';
import type { ImageDescription, RbdPlace } from '../protocol';
import {
  CephError,
  countOf,
  EAGAIN,
  EBUSY,
  EINVAL,
  ENOENT,
  ERANGE,
  given,
  hasErrno,
  librbd,
} from './native';
import type { Handle } from './native';
import { whileRemoving } from './removal-lock';

const ENOSPC = 28;
const ENOTEMPTY = 39;
const TIMESPEC_BYTES = 16;
const NAMES_BYTES = 64 * 1024;
/**
 * Whoever has an image open for so long uses it. Another process that removes it takes its snapshot
 * away sooner.
 */
const IN_USE_MS = 5000;
const LOOK_AGAIN_MS = 200;

/** Works on an image that is open for as long as that takes, without a trace at others. */
export function withImage<T>(
  io: Handle,
  { image, snapshot }: RbdPlace,
  work: (image: Handle) => Promise<T>,
): Promise<T> {
  const opening = given((out) => librbd.openReadOnly(io, image, out, snapshot ?? null));
  return whileOpen(opening, work);
}

/** As {@link withImage}, and others see that somebody is at work. */
function withWritableImage<T>(
  io: Handle,
  image: string,
  work: (image: Handle) => Promise<T>,
): Promise<T> {
  return whileOpen(
    given((out) => librbd.open(io, image, out, null)),
    work,
  );
}

async function whileOpen<T>(
  opening: Promise<Handle>,
  work: (image: Handle) => Promise<T>,
): Promise<T> {
  const handle = await opening;
  try {
    return await work(handle);
  } finally {
    await librbd.close(handle);
  }
}

/** The result, or undefined where there is no such image, snapshot or key. */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasErrno(error, ENOENT)) return undefined;
    throw error;
  }
}

export async function sizeOf(image: Handle): Promise<number> {
  return Number(await given((out) => librbd.size(image, out), 0));
}

export async function countSnapshots(image: Handle): Promise<number> {
  // The list ends with an empty entry, which counts.
  return (await countOf((count) => librbd.listSnapshots(image, null, count))) - 1;
}

/** @returns undefined for an image, or a snapshot, that is not there. */
export function describe(io: Handle, place: RbdPlace): Promise<ImageDescription | undefined> {
  return unlessMissing(
    withImage(io, place, async (image) => {
      const time = Buffer.alloc(TIMESPEC_BYTES);
      await librbd.modified(image, time);
      const ageSeconds = Math.max(0, Date.now() / 1000 - Number(time.readBigInt64LE(0)));
      return { sizeBytes: await sizeOf(image), ageSeconds };
    }),
  );
}

export async function exists(io: Handle, image: string): Promise<boolean> {
  const opening = withImage(io, { image, snapshot: undefined }, () => Promise.resolve(true));
  return (await unlessMissing(opening)) === true;
}

/** Names of all images of the pool. */
export async function listNames(io: Handle): Promise<string[]> {
  let names = Buffer.alloc(NAMES_BYTES);
  for (;;) {
    const size: unknown[] = [names.length];
    try {
      const used = await librbd.list(io, names, size);
      return names
        .toString('utf8', 0, used)
        .split('\0')
        .filter((name) => name !== '');
    } catch (error) {
      if (!hasErrno(error, ERANGE)) throw error;
      names = Buffer.alloc(Math.max(Number(size[0]), 2 * names.length));
    }
  }
}

/**
 * Removes an image with its snapshot. What a removal that was interrupted left is removed too.
 * @throws CephError: EBUSY, with nothing changed, when somebody has the image open for writing, or
 * it has clones or other snapshots; EAGAIN when another process is about to remove it, which must
 * not count as a use: the image would be given back to its owner without its data; ENOENT.
 */
export async function removeImage(io: Handle, place: RbdPlace): Promise<void> {
  await whileRemoving(io, place.image, () => removeAlone(io, place));
}

async function removeAlone(io: Handle, place: RbdPlace): Promise<void> {
  const snapshot = place.snapshot ?? SNAPSHOT;
  const { image } = place;
  await unlessMissing(takeSnapshotAway(io, image, snapshot));
  failPoint('snapshot-gone');
  try {
    await librbd.remove(io, image);
  } catch (error) {
    // A clone was made meanwhile.
    if (hasErrno(error, ENOTEMPTY)) throw new CephError('rbd_remove', EBUSY);
    // Its snapshot is gone: there is no way back, for whoever took it away either.
    if (hasErrno(error, EBUSY)) throw new CephError('rbd_remove', EAGAIN);
    // That is what it says, too, when the pool is full and had no removal before.
    if (hasErrno(error, ENOENT) && (await exists(io, image))) {
      throw new CephError('rbd_remove', ENOSPC);
    }
    throw error;
  }
}

/** As soon as nobody has the image open, if that is soon. */
async function takeSnapshotAway(io: Handle, image: string, snapshot: string): Promise<void> {
  const deadline = performance.now() + IN_USE_MS;
  for (;;) {
    try {
      const here = { image, snapshot: undefined };
      const isThere = await withImage(io, here, (handle) => requireUnused(handle, snapshot));
      if (!isThere) return;
      await withWritableImage(io, image, (handle) => removeSnapshot(handle, snapshot));
      return;
    } catch (error) {
      if (!(error instanceof BusyNow) || performance.now() > deadline) throw error;
    }
    await pause(LOOK_AGAIN_MS);
  }
}

/** Somebody has the image open, who may be about to remove it. */
class BusyNow extends CephError {
  constructor(call: string) {
    super(call, EBUSY);
  }
}

/** @returns whether the snapshot is there, the only one. */
async function requireUnused(image: Handle, snapshot: string): Promise<boolean> {
  const snapshots = await countSnapshots(image);
  const id = await unlessMissing(given((out) => librbd.snapshotId(image, snapshot, out), 0));
  const watchers = await countOf((count) => librbd.listWatchers(image, null, count));
  if (watchers > 0 && id === undefined && snapshots === 0) {
    throw new CephError('rbd_watchers_list of an image that is being removed', EAGAIN);
  }
  if (watchers > 0) throw new BusyNow('rbd_watchers_list');
  if (snapshots > (id === undefined ? 0 : 1)) throw new CephError('rbd_snap_list', EBUSY);
  if (id === undefined) return false;
  await librbd.selectSnapshot(image, snapshot);
  const clones = await countOf((count) => librbd.listClones(image, null, count));
  if (clones > 0) throw new CephError('rbd_list_children3', EBUSY);
  return true;
}

async function removeSnapshot(image: Handle, snapshot: string): Promise<void> {
  try {
    await librbd.unprotectSnapshot(image, snapshot);
  } catch (error) {
    if (hasErrno(error, EBUSY)) throw new BusyNow('rbd_snap_unprotect');
    // That it is not protected.
    if (!hasErrno(error, EINVAL)) throw error;
  }
  try {
    await unlessMissing(librbd.removeSnapshot(image, snapshot));
  } catch (error) {
    throw hasErrno(error, EBUSY) ? new BusyNow('rbd_snap_remove') : error;
  }
}
