import type { CompletedPart } from '@aws-sdk/client-s3';
import { someAtATime } from '../../remote/some-at-a-time';
import type { Attempt } from '../../remote/unfinished-marks';
import type { CopyRequest } from '../../store-driver';
import type { S3Bucket } from './s3-bucket';
import { copyUnsupported } from './s3-errors';
import { OutcomeUnknown, settled, storeAttempt } from './write-blob';
import type { AttemptSettings, WrittenBlob } from './write-blob';

const GIB = 1024 ** 3;

export interface CopyLimits {
  /** What the server copies in one request: 5 GiB by the S3 protocol. */
  copyAtOnceBytes: number;
  /** Of a part of what is larger. */
  copyPartBytes: number;
}

/** 10 000 parts of these are as much as an object may have. */
export const COPY_LIMITS: CopyLimits = { copyAtOnceBytes: 5 * GIB, copyPartBytes: GIB / 2 };

export interface CopySettings extends AttemptSettings, CopyLimits {
  partsAtATime: number;
}

/** An object of the same bucket. */
export interface OriginalObject {
  key: string;
  sizeBytes: number;
}

/**
 * Has the server copy an object to a key that is free: in one request, or in parts where it is too
 * large for one. Whoever dies here leaves the mark of the attempt behind.
 */
export async function copyBlob(
  bucket: S3Bucket,
  original: OriginalObject,
  request: CopyRequest,
  settings: CopySettings,
): Promise<WrittenBlob> {
  const { sizeBytes } = original;
  return await storeAttempt(bucket, request, settings, async (attempt) => {
    const copy = sizeBytes <= settings.copyAtOnceBytes ? copyAtOnce : copyInParts;
    await copy(bucket, original, attempt, { ...settings, signal: request.signal });
    const copied = await bucket.find(attempt.key, { action: 'write' });
    // A server that knows no copies may have taken the request for an empty object.
    const isWhole = copied?.sizeBytes === sizeBytes && copied.uploadId === attempt.uploadId;
    if (!isWhole) throw copyUnsupported();
    return sizeBytes;
  });
}

interface CopyOptions extends CopySettings {
  signal?: AbortSignal | undefined;
}

async function copyAtOnce(
  bucket: S3Bucket,
  original: OriginalObject,
  attempt: Attempt,
  { signal }: CopyOptions,
): Promise<void> {
  try {
    await settled(bucket, attempt, original.sizeBytes, () =>
      bucket.copies.whole(original, attempt, signal),
    );
  } catch (error) {
    // The server may go on with what nobody waits for.
    if (signal?.aborted === true) throw new OutcomeUnknown(signal.reason);
    throw error;
  }
  signal?.throwIfAborted();
}

async function copyInParts(
  bucket: S3Bucket,
  original: OriginalObject,
  attempt: Attempt,
  options: CopyOptions,
): Promise<void> {
  const { signal } = options;
  const multipartId = await bucket.beginMultipart(attempt, signal);
  const upload = { key: attempt.key, multipartId };
  const parts = await copyParts(bucket, original, upload, options);
  signal?.throwIfAborted();
  await settled(bucket, attempt, original.sizeBytes, () => bucket.completeMultipart(upload, parts));
}

async function copyParts(
  bucket: S3Bucket,
  { key, sizeBytes }: OriginalObject,
  upload: { key: string; multipartId: string },
  { copyPartBytes, partsAtATime, signal }: CopyOptions,
): Promise<CompletedPart[]> {
  const parts: CompletedPart[] = [];
  const copyPart = async (index: number, stop: AbortSignal): Promise<void> => {
    const offset = index * copyPartBytes;
    const range = { offset, length: Math.min(copyPartBytes, sizeBytes - offset) };
    const etag = await bucket.copies.part({ key, range }, upload, index + 1, stop);
    parts[index] = { PartNumber: index + 1, ETag: etag };
  };
  await someAtATime(Math.ceil(sizeBytes / copyPartBytes), partsAtATime, copyPart, signal);
  return parts;
}
