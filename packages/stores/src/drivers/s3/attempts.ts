import { parseBlobName } from '../../store-driver';
import type { UnfinishedBlob, UnfinishedFate, UploadName } from '../../store-driver';
import type { MultipartUpload, S3Bucket } from './s3-bucket';

/**
 * An empty object below this prefix says that an attempt is not settled. S3 renames nothing, so an
 * attempt writes to its final key; the mark is there before any of its bytes and goes after all else,
 * so that whoever dies in between is followed by a sweep.
 */
const PREFIX = 'glance-unfinished/';
/** Marks an attempt that writes to the plain key of the image. */
const PLAIN = '.plain';

/** An attempt, with the key that it writes to. */
export interface Attempt extends UploadName {
  key: string;
}

export function ownKey({ imageId, uploadId }: UploadName): string {
  return `${imageId}.${uploadId}`;
}

export function markOf(attempt: Attempt): string {
  return `${PREFIX}${ownKey(attempt)}${attempt.key === attempt.imageId ? PLAIN : ''}`;
}

function parseMark(mark: string): Attempt | undefined {
  const name = mark.slice(PREFIX.length);
  const plain = name.endsWith(PLAIN);
  const parsed = parseBlobName(plain ? name.slice(0, -PLAIN.length) : name);
  if (parsed?.uploadId === undefined) return undefined;
  const { imageId, uploadId } = parsed;
  return { imageId, uploadId, key: plain ? imageId : ownKey({ imageId, uploadId }) };
}

/** Attempts that are marked, and multipart uploads whose key tells of an attempt without a mark. */
export async function listAttempts(bucket: S3Bucket): Promise<UnfinishedBlob[]> {
  const attempts = new Map<string, Attempt & { begun: Date }>();
  for await (const { key: mark, modified } of bucket.list(PREFIX)) {
    const attempt = parseMark(mark);
    if (attempt) attempts.set(ownKey(attempt), { ...attempt, begun: modified });
  }
  const multiparts = await bucket.listMultiparts();
  for (const { key, begun } of multiparts) {
    const parsed = parseBlobName(key);
    if (parsed?.uploadId === undefined || attempts.has(key)) continue;
    attempts.set(key, { imageId: parsed.imageId, uploadId: parsed.uploadId, key, begun });
  }
  const found: UnfinishedBlob[] = [];
  for (const attempt of attempts.values()) {
    const { sizeBytes, modified } = await measure(bucket, attempt, multiparts);
    const last = Math.max(attempt.begun.getTime(), modified.getTime());
    const { imageId, uploadId } = attempt;
    found.push({ imageId, uploadId, sizeBytes, ageSeconds: ageOf(new Date(last)) });
  }
  return found;
}

/** Removes an attempt; its mark is the last to go. Nothing there is a success. */
export async function removeAttempt(
  bucket: S3Bucket,
  name: UploadName,
  fate: UnfinishedFate,
): Promise<void> {
  const marks: { mark: string; attempt: Attempt }[] = [];
  for await (const { key: mark } of bucket.list(`${PREFIX}${ownKey(name)}`)) {
    const attempt = parseMark(mark);
    if (attempt) marks.push({ mark, attempt });
  }
  const keys = new Set([ownKey(name), ...marks.map(({ attempt }) => attempt.key)]);
  for (const key of keys) await abortMultiparts(bucket, key);
  for (const { mark, attempt } of marks) {
    if (fate === 'abandoned') await removeBlob(bucket, attempt);
    await bucket.remove(mark);
  }
}

/** Removes the object of this attempt, never one that took its key later. */
export async function removeBlob(bucket: S3Bucket, { key, uploadId }: Attempt): Promise<void> {
  const found = await bucket.find(key);
  if (found?.uploadId === uploadId) await bucket.remove(key);
}

export async function abortMultiparts(bucket: S3Bucket, key: string): Promise<void> {
  // The prefix finds more: the plain key is how the others of an image begin.
  for (const multipart of await bucket.listMultiparts(key)) {
    if (multipart.key === key) await bucket.abortMultipart(multipart);
  }
}

export function ageOf(time: Date): number {
  return Math.max(0, (Date.now() - time.getTime()) / 1000);
}

async function measure(
  bucket: S3Bucket,
  { key, uploadId }: Attempt,
  multiparts: readonly MultipartUpload[],
): Promise<{ sizeBytes: number; modified: Date }> {
  const found = await bucket.find(key);
  if (found?.uploadId === uploadId) return found;
  const multipart = multiparts.find((each) => each.key === key);
  return multipart ? bucket.measureParts(multipart) : { sizeBytes: 0, modified: new Date(0) };
}
