import { parseBlobName } from '../../../store-driver';
import type { UploadName } from '../../../store-driver';
import { ENOENT, hasErrno, librados, pointerIn, textAt } from './native';
import type { Handle } from './native';

/**
 * The keys of this object's map say which attempts are not settled. The mark of an attempt is there
 * before its image is and goes after all else, so that whoever dies in between is followed by a
 * sweep. Finding them costs one request, however many images there are.
 */
export const MARKS_OBJECT = 'glance_unfinished';
/** Ends the mark of an attempt that writes to the plain name of the image. */
const PLAIN = '.plain';
const PAGE = 1000;

/** An attempt, with the name of the image that it writes to. */
export interface Attempt extends UploadName {
  image: string;
}

export interface MarkedAttempt extends Attempt {
  begun: Date;
}

export function ownName({ imageId, uploadId }: UploadName): string {
  return `${imageId}.${uploadId}`;
}

export async function putMark(io: Handle, attempt: Attempt): Promise<void> {
  const begun = String(Date.now());
  await write(io, (op) => librados.omapSet(op, [markOf(attempt)], [begun], [begun.length], 1));
}

/** The marks of an attempt, under either name; none there is a success. */
export async function removeMarks(io: Handle, name: UploadName): Promise<void> {
  await remove(io, [ownName(name), `${ownName(name)}${PLAIN}`]);
}

/** @param name only those of this attempt. */
export async function listMarks(io: Handle, name?: UploadName): Promise<MarkedAttempt[]> {
  const found: MarkedAttempt[] = [];
  let after = '';
  for (;;) {
    const page = await readPage(io, after, name === undefined ? '' : ownName(name));
    for (const [mark, value] of page.entries) {
      const attempt = parseMark(mark);
      if (attempt) found.push({ ...attempt, begun: new Date(Number(value)) });
      after = mark;
    }
    if (!page.more) return found;
  }
}

function markOf(attempt: Attempt): string {
  return `${ownName(attempt)}${attempt.image === attempt.imageId ? PLAIN : ''}`;
}

function parseMark(mark: string): Attempt | undefined {
  const plain = mark.endsWith(PLAIN);
  const parsed = parseBlobName(plain ? mark.slice(0, -PLAIN.length) : mark);
  if (parsed?.uploadId === undefined) return undefined;
  const { imageId, uploadId } = parsed;
  return { imageId, uploadId, image: plain ? imageId : ownName({ imageId, uploadId }) };
}

async function remove(io: Handle, keys: string[]): Promise<void> {
  try {
    await write(io, (op) => librados.omapRemove(op, keys, keys.length));
  } catch (error) {
    if (!hasErrno(error, ENOENT)) throw error;
  }
}

async function write(io: Handle, fill: (op: Handle) => void): Promise<void> {
  const op = librados.newWrite();
  try {
    fill(op);
    await librados.write(op, io, MARKS_OBJECT, null, 0);
  } finally {
    librados.releaseWrite(op);
  }
}

async function readPage(
  io: Handle,
  after: string,
  prefix: string,
): Promise<{ entries: [string, string][]; more: boolean }> {
  const op = librados.newRead();
  const [iterator, more, result] = [Buffer.alloc(8), Buffer.alloc(1), Buffer.alloc(4)];
  try {
    librados.omapGet(op, after, prefix, PAGE, iterator, more, result);
    await librados.read(op, io, MARKS_OBJECT, 0);
  } catch (error) {
    if (hasErrno(error, ENOENT)) return { entries: [], more: false };
    throw error;
  } finally {
    librados.releaseRead(op);
  }
  const position = pointerIn(iterator);
  try {
    return { entries: readEntries(position), more: more[0] === 1 };
  } finally {
    librados.omapEnd(position);
  }
}

function readEntries(position: Handle): [string, string][] {
  const entries: [string, string][] = [];
  for (;;) {
    const key: (string | null)[] = [null];
    const [value, length]: [unknown[], unknown[]] = [[null], [0]];
    librados.omapNext(position, key, value, length);
    if (typeof key[0] !== 'string') return entries;
    entries.push([key[0], textAt(value[0], Number(length[0]))]);
  }
}
