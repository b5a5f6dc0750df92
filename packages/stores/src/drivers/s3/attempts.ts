import { ageOf, MARK_PREFIX, ownKey, parseMark } from '../../remote/unfinished-marks';
import type { Attempt } from '../../remote/unfinished-marks';
import { parseBlobName } from '../../store-driver';
import type { UnfinishedBlob, UnfinishedFate, UploadName } from '../../store-driver';
import type { MultipartUpload, S3Bucket } from './s3-bucket';

/** Attempts that are marked, and multipart uploads whose key tells of an attempt without a mark. */
export async function listAttempts(bucket: S3Bucket): Promise<UnfinishedBlob[]> {
  const attempts = new Map<string, Attempt & { begun: Date }>();
  for await (const { key: mark, modified } of bucket.list(MARK_PREFIX)) {
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
  for await (const { key: mark } of bucket.list(`${MARK_PREFIX}${ownKey(name)}`)) {
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
