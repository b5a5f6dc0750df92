import { parseBlobName } from '../store-driver';
import type { UploadName } from '../store-driver';

/**
 * An empty object below this prefix says that an attempt is not settled. Object stores rename
 * nothing, so an attempt writes to its final name; the mark is there before any of its bytes and
 * goes after all else, so that whoever dies in between is followed by a sweep.
 */
export const MARK_PREFIX = 'glance-unfinished/';
/** Marks an attempt that writes to the plain name of the image. */
const PLAIN = '.plain';

/** An attempt, with the name of the object that it writes to. */
export interface Attempt extends UploadName {
  key: string;
}

export function ownKey({ imageId, uploadId }: UploadName): string {
  return `${imageId}.${uploadId}`;
}

export function markOf(attempt: Attempt): string {
  return `${MARK_PREFIX}${ownKey(attempt)}${attempt.key === attempt.imageId ? PLAIN : ''}`;
}

/** @returns undefined for what is no mark. */
export function parseMark(mark: string): Attempt | undefined {
  const name = mark.slice(MARK_PREFIX.length);
  const plain = name.endsWith(PLAIN);
  const parsed = parseBlobName(plain ? name.slice(0, -PLAIN.length) : name);
  if (parsed?.uploadId === undefined) return undefined;
  const { imageId, uploadId } = parsed;
  return { imageId, uploadId, key: plain ? imageId : ownKey({ imageId, uploadId }) };
}

/** Seconds since then; none when the clock of the server is ahead. */
export function ageOf(time: Date): number {
  return Math.max(0, (Date.now() - time.getTime()) / 1000);
}
