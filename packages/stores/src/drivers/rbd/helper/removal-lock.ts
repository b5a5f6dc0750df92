import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { CephError, EAGAIN, EBUSY, ENOENT, hasErrno, librados } from './native';
import type { Handle } from './native';

const PREFIX = 'glance_removing.';
const NAME = 'removal';
/** Of a holder that does not renew it: its process has died. */
const LOCK_SECONDS = 10;
const RENEW_MS = 3000;
const WAIT_MS = 5000;
const LOOK_AGAIN_MS = 100;
const MAY_RENEW = 1;
const MUST_RENEW = 2;
const ENOSPC = 28;
const EDQUOT = 122;

/**
 * Removes an image as the only process that does: two `rbd_remove` of one image may leave objects
 * of it that have no name. An object of its own in the pool has the lock, and goes with it; a dead
 * process leaves it to the next removal of the image.
 * @throws CephError EAGAIN while somebody else removes the image.
 */
export async function whileRemoving<T>(
  io: Handle,
  image: string,
  work: () => Promise<T>,
): Promise<T> {
  const object = PREFIX + image;
  const cookie = randomUUID();
  if (!(await lock(io, object, cookie))) return await work();
  const renewal = setInterval(() => {
    // Whoever cannot renew it goes on: nobody else does before its end.
    acquire(io, object, cookie, MAY_RENEW).catch(() => undefined);
  }, RENEW_MS);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await release(io, object, cookie);
  }
}

/** @returns false where the pool is too full even for that: removals are what it needs then. */
async function lock(io: Handle, object: string, cookie: string): Promise<boolean> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    try {
      await acquire(io, object, cookie, 0);
      return true;
    } catch (error) {
      if (hasErrno(error, ENOSPC) || hasErrno(error, EDQUOT)) return false;
      if (!hasErrno(error, EBUSY)) throw error;
      if (performance.now() > deadline) throw new CephError('rados_lock_exclusive', EAGAIN);
    }
    await pause(LOOK_AGAIN_MS);
  }
}

/** Unless it has ended meanwhile, and is somebody else's now. */
async function release(io: Handle, object: string, cookie: string): Promise<void> {
  try {
    await acquire(io, object, cookie, MUST_RENEW);
    await librados.removeObject(io, object);
  } catch (error) {
    if (!hasErrno(error, ENOENT) && !hasErrno(error, EBUSY)) throw error;
  }
}

function acquire(io: Handle, object: string, cookie: string, flags: number): Promise<number> {
  const duration = Buffer.alloc(16);
  duration.writeBigInt64LE(BigInt(LOCK_SECONDS), 0);
  return librados.lock(io, object, NAME, cookie, '', duration, flags);
}
