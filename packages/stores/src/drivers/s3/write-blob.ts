import { isDomainError } from '@glance/common';
import { markOf, ownKey } from '../../remote/unfinished-marks';
import type { Attempt } from '../../remote/unfinished-marks';
import { storeDuplicate } from '../../store-errors';
import type { AddRequest, CopyRequest } from '../../store-driver';
import { abortMultiparts, removeBlob } from './attempts';
import { partBytesAt, uploadParts } from './multipart-upload';
import type { PartMemory } from './part-memory';
import { PartReader } from './part-reader';
import type { S3Bucket } from './s3-bucket';
import { isTaken, statusOf, toStoreError } from './s3-errors';
import { StreamedBody } from './streamed-body';

export interface AttemptSettings {
  warn: (message: string) => void;
}

export interface WriteSettings extends AttemptSettings {
  largeObjectBytes: number;
  partBytes: number;
  partsAtATime: number;
  memory: PartMemory;
}

export interface WrittenBlob extends Attempt {
  sizeBytes: number;
}

/** The request that makes a blob visible got no clear answer, and the blob is not there now. */
export class OutcomeUnknown extends Error {
  constructor(override readonly cause: unknown) {
    super('outcome unknown');
  }
}

/**
 * Stores a source under a key that is free: in one request when its size is known and below the
 * limit, else in parts, else, when it ends within its first part, in one request again. Whoever
 * dies here leaves the mark of the attempt behind.
 */
export async function writeBlob(
  bucket: S3Bucket,
  request: AddRequest,
  settings: WriteSettings,
): Promise<WrittenBlob> {
  const expected = request.expectedSizeBytes;
  return await storeAttempt(bucket, request, settings, (attempt) =>
    expected !== undefined && expected < settings.largeObjectBytes
      ? writeAtOnce(bucket, attempt, request, expected)
      : writeInParts(bucket, attempt, request, settings),
  );
}

/**
 * An attempt under a key that is free, from its mark on; when the work fails it is taken back.
 * @param work resolves with the size of the blob that it made visible.
 */
export async function storeAttempt(
  bucket: S3Bucket,
  request: CopyRequest,
  settings: AttemptSettings,
  work: (attempt: Attempt) => Promise<number>,
): Promise<WrittenBlob> {
  const { imageId, uploadId, signal } = request;
  const attempt = { imageId, uploadId, key: await freeKey(bucket, request) };
  signal?.throwIfAborted();
  await bucket.putMark(markOf(attempt));
  try {
    return { ...attempt, sizeBytes: await work(attempt) };
  } catch (error) {
    await takeBack(bucket, attempt, settings, error instanceof OutcomeUnknown);
    throw error instanceof OutcomeUnknown ? error.cause : error;
  }
}

async function freeKey(bucket: S3Bucket, request: CopyRequest): Promise<string> {
  const keys = [...(request.firstAttempt === true ? [request.imageId] : []), ownKey(request)];
  for (const key of keys) {
    const found = await bucket.find(key, { signal: request.signal, action: 'write' });
    if (found === undefined) return key;
  }
  throw storeDuplicate(request.imageId);
}

async function writeAtOnce(
  bucket: S3Bucket,
  attempt: Attempt,
  { source, signal }: AddRequest,
  sizeBytes: number,
): Promise<number> {
  const body = new StreamedBody(source, sizeBytes, signal);
  // The signal ends the source, which ends the body. Once that is complete it is too late.
  await settled(bucket, attempt, sizeBytes, () => bucket.put(attempt, body, sizeBytes), body);
  return sizeBytes;
}

async function writeInParts(
  bucket: S3Bucket,
  attempt: Attempt,
  { source, expectedSizeBytes, signal }: AddRequest,
  { memory, partBytes, partsAtATime }: WriteSettings,
): Promise<number> {
  const bytesOfPart = (index: number): number => partBytesAt(index, partBytes, expectedSizeBytes);
  const reader = new PartReader(source);
  const first = await memory.take(bytesOfPart(0), signal).catch((error: unknown) => {
    reader.stop();
    throw error;
  });
  let filled: number;
  try {
    filled = await reader.fill(first);
    signal?.throwIfAborted();
  } catch (error) {
    memory.giveBack(first);
    reader.stop();
    throw error;
  }
  if (filled < first.length) {
    const body = first.subarray(0, filled);
    let reusable = false;
    try {
      await settled(bucket, attempt, filled, () => bucket.put(attempt, body, filled));
      reusable = true;
    } finally {
      memory.giveBack(first, reusable);
    }
    return filled;
  }
  let multipartId: string;
  try {
    multipartId = await bucket.beginMultipart(attempt, signal);
  } catch (error) {
    memory.giveBack(first);
    reader.stop();
    throw error;
  }
  const upload = { key: attempt.key, multipartId };
  try {
    const options = { memory, partsAtATime, bytesOfPart, signal };
    const parts = await uploadParts(bucket, upload, first, reader, options);
    signal?.throwIfAborted();
    await settled(bucket, attempt, reader.sizeBytes, () => bucket.completeMultipart(upload, parts));
    return reader.sizeBytes;
  } catch (error) {
    reader.stop();
    throw error;
  }
}

/**
 * The request that makes the blob visible. When its answer is lost, or was to a repeated request
 * that met what the first had done, the blob itself tells how it went.
 */
export async function settled(
  bucket: S3Bucket,
  attempt: Attempt,
  sizeBytes: number,
  request: () => Promise<void>,
  body?: StreamedBody,
): Promise<void> {
  try {
    await request();
  } catch (error) {
    if (body?.failure && !body.complete) throw body.failure;
    const named = toStoreError(error, 'write');
    if (body && !body.complete) throw named;
    if (isDomainError(error, 'store_blob_missing', 'store_get_unsupported')) throw error;
    const status = statusOf(error);
    const refused =
      status !== undefined && status < 500 && status !== 404 && status !== 408 && !isTaken(error);
    if (refused || isDomainError(named, 'store_full')) throw named;
    const found = await bucket.find(attempt.key).catch((failure: unknown) => {
      if (isDomainError(failure)) throw new OutcomeUnknown(named);
      throw failure;
    });
    if (found?.uploadId === attempt.uploadId && found.sizeBytes === sizeBytes) return;
    if (isTaken(error)) throw storeDuplicate(attempt.imageId, named);
    throw new OutcomeUnknown(named);
  }
}

/**
 * Removes what the attempt left. The mark stays when that fails, or when a request may still come
 * into effect: then a sweep removes the attempt later.
 */
async function takeBack(
  bucket: S3Bucket,
  attempt: Attempt,
  { warn }: AttemptSettings,
  unknown: boolean,
): Promise<void> {
  try {
    await abortMultiparts(bucket, attempt.key);
    await removeBlob(bucket, attempt);
    if (!unknown) await bucket.remove(markOf(attempt));
  } catch (error) {
    const reason = (error as Error).cause ?? error;
    warn(
      `what is left of ${ownKey(attempt)} could not be removed, a sweep will: ${String(reason)}`,
    );
  }
}
