import { isDomainError } from '@glance/common';
import {
  accessDenied,
  blobCorrupt,
  blobMissing,
  storeFull,
  storeUnavailable,
  type StoreAction,
} from '../../store-errors';
import { Result } from './protocol';

const MEANING: Readonly<Record<number, string>> = {
  [Result.noObject]: 'no such object',
  [Result.ioError]: 'I/O error',
  [Result.vdiExists]: 'the image exists already',
  [Result.systemError]: 'system error',
  [Result.noVdi]: 'no such image',
  [Result.vdiUnreadable]: 'the image cannot be read',
  [Result.vdiUnwritable]: 'the image cannot be written; perhaps there is no space left',
  [Result.startup]: 'the cluster is starting',
  [Result.shutdown]: 'the cluster is shutting down',
  [Result.noMemory]: 'the server has no memory left',
  [Result.noVdiLeft]: 'the cluster has as many images as it can ever have',
  [Result.noSpace]: 'no space left',
  [Result.waitForFormat]: 'the cluster is not formatted: run `dog cluster format`',
  [Result.waitForJoin]: 'the cluster waits for its other nodes to join',
  [Result.halt]: 'the cluster has stopped I/O: too few nodes are there',
  [Result.readOnly]: 'the object is read-only',
};

/** The server answered, and refused. */
export class SheepRefusal extends Error {
  constructor(
    what: string,
    readonly result: number,
  ) {
    const code = `result 0x${result.toString(16)}`;
    super(`Sheepdog: ${what}: ${MEANING[result] ?? 'it failed'} (${code})`);
    this.name = 'SheepRefusal';
  }
}

/** There was no answer, or none that can be used: what was asked for may have been done, or may still be. */
export class SheepSilence extends Error {
  /** @param broken the connection ended; else nobody said anything for too long. */
  constructor(
    message: string,
    readonly broken: boolean,
    cause?: unknown,
  ) {
    super(`Sheepdog: ${message}`, { cause });
    this.name = 'SheepSilence';
  }
}

export function hasResult(error: unknown, result: number): boolean {
  return error instanceof SheepRefusal && error.result === result;
}

/** A failure of a request as one of the store family (stores sheet §8, §11). */
export function toStoreError(error: unknown, action: StoreAction): unknown {
  if (isDomainError(error)) return error;
  if (error instanceof SheepSilence) return storeUnavailable(error);
  if (!(error instanceof SheepRefusal)) return error;
  switch (error.result) {
    case Result.noVdi:
    case Result.noObject:
      return action === 'write' ? storeUnavailable(error) : blobMissing(error);
    case Result.noSpace:
    case Result.noVdiLeft:
      return action === 'write' ? storeFull(error) : storeUnavailable(error);
    case Result.readOnly:
      return accessDenied(action, error);
    case Result.ioError:
    case Result.systemError:
    case Result.vdiUnreadable:
    case Result.vdiUnwritable:
    case Result.startup:
    case Result.shutdown:
    case Result.noMemory:
    case Result.waitForFormat:
    case Result.waitForJoin:
    case Result.halt:
      return storeUnavailable(error);
    default:
      return error;
  }
}

/** While a stream is read: what is gone now was there at its beginning. */
export function toStreamError(error: unknown): unknown {
  return hasResult(error, Result.noObject) ? removedWhileRead(error) : toStoreError(error, 'read');
}

export function removedWhileRead(cause?: unknown): Error {
  return blobCorrupt('The image data was removed while it was read', cause);
}
