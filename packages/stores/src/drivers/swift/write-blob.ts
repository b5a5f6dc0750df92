import { setTimeout as pause } from 'node:timers/promises';
import { isDomainError } from '@glance/common';
import { ownKey } from '../../remote/unfinished-marks';
import type { Attempt } from '../../remote/unfinished-marks';
import { storeDuplicate, storeUnavailable } from '../../store-errors';
import type { AddRequest, CopyRequest } from '../../store-driver';
import { removeBlob } from './attempts';
import type { AttemptRecord } from './attempts';
import { heldBack } from '../../remote/held-back';
import type { FoundObject } from './found-object';
import type { SwiftContainer } from './swift-container';
import { statusOf, toStoreError } from './swift-errors';
import { SendProgress } from './swift-http';
import { prefixOf, segmentName, writeSegments } from './write-segments';
import type { SegmentRecord, SegmentSettings } from './write-segments';

/** So often a large object is looked at until the listing behind it has caught up. */
const LOOKS = 8;
const FIRST_PAUSE_MS = 50;
/** Of a request that was whole these do not say whether it came into effect. */
const UNCLEAR: ReadonlySet<number> = new Set([404, 408, 412, 498, 499]);

export interface AttemptSettings {
  warn: (message: string) => void;
}

export interface WriteSettings extends SegmentSettings, AttemptSettings {
  largeObjectBytes: number;
}

export interface WrittenBlob extends Attempt {
  sizeBytes: number;
}

/** A request got no clear answer, and what it was for is not there now: it may be later. */
class OutcomeUnknown extends Error {
  constructor(override readonly cause: unknown) {
    super('outcome unknown');
  }
}

/**
 * Stores a source under a name that is free: as one object when its size is known and below the
 * limit, else in segments with a manifest, which is what makes the blob visible. Whoever dies here
 * leaves the mark of the attempt behind.
 */
export async function writeBlob(
  container: SwiftContainer,
  attempts: AttemptRecord,
  request: AddRequest,
  settings: WriteSettings,
): Promise<WrittenBlob> {
  const { expectedSizeBytes: expected } = request;
  const place = { container, attempts };
  if (expected !== undefined && expected < settings.largeObjectBytes) {
    return await storeAttempt(place, { ...request, isLarge: false }, settings, (attempt) =>
      writeAtOnce(container, attempt, request, expected),
    );
  }
  return await storeAttempt(place, { ...request, isLarge: true }, settings, (attempt, record) =>
    writeLarge(container, attempt, request, settings, record),
  );
}

/** Where an attempt writes to, and how it is told of. */
export interface AttemptPlace {
  container: SwiftContainer;
  attempts: AttemptRecord;
}

/**
 * An attempt under a name that is free, from its mark on; when the work fails it is taken back.
 * @param work resolves with the size of the blob that it made visible.
 */
export async function storeAttempt(
  { container, attempts }: AttemptPlace,
  { isLarge, ...request }: CopyRequest & { isLarge: boolean },
  { warn }: AttemptSettings,
  work: (attempt: Attempt, record: SegmentRecord) => Promise<number>,
): Promise<WrittenBlob> {
  const { imageId, uploadId, signal } = request;
  const attempt = { imageId, uploadId, key: await freeKey(container, request, isLarge) };
  signal?.throwIfAborted();
  await attempts.begin(attempt);
  const record: SegmentRecord = { count: 0, unknown: false };
  try {
    return { ...attempt, sizeBytes: await work(attempt, record) };
  } catch (error) {
    const unknown = record.unknown || error instanceof OutcomeUnknown;
    await takeBack({ container, attempts, attempt }, record.count, unknown, warn);
    throw error instanceof OutcomeUnknown ? error.cause : error;
  }
}

/** @param forSegments a name is not free either when segments of somebody else would be taken for its own. */
async function freeKey(
  container: SwiftContainer,
  request: CopyRequest,
  forSegments: boolean,
): Promise<string> {
  const keys = [...(request.firstAttempt === true ? [request.imageId] : []), ownKey(request)];
  for (const key of keys) {
    if ((await container.find(key, request.signal)) !== undefined) continue;
    if (!forSegments || !(await hasSegments(container, key))) return key;
  }
  throw storeDuplicate(request.imageId);
}

async function hasSegments(container: SwiftContainer, key: string): Promise<boolean> {
  // A container that is missing has none; the mark tells whether it may be made.
  if (!(await container.exists())) return false;
  for await (const _ of container.list(prefixOf(key))) return true;
  return false;
}

async function writeAtOnce(
  container: SwiftContainer,
  attempt: Attempt,
  { source, signal }: AddRequest,
  sizeBytes: number,
): Promise<number> {
  const progress = new SendProgress();
  const chunks = heldBack(source, sizeBytes, { signal });
  const write = async (): Promise<void> => {
    if (sizeBytes > 0) {
      // The signal ends the source, which ends the body. Once that is complete it is too late.
      await container.put(attempt, { chunks, sizeBytes }, progress);
    } else {
      for await (const _ of chunks);
      progress.complete = true;
      await container.putEmpty(attempt);
    }
  };
  await settled(container, attempt, sizeBytes, write, progress);
  return sizeBytes;
}

async function writeLarge(
  container: SwiftContainer,
  attempt: Attempt,
  request: AddRequest,
  settings: WriteSettings,
  record: SegmentRecord,
): Promise<number> {
  const sizeBytes = await writeSegments(container, attempt, request, settings, record);
  await writeManifest(container, attempt, sizeBytes, record);
  return sizeBytes;
}

/** Makes the segments that are stored a blob. */
export async function writeManifest(
  container: SwiftContainer,
  attempt: Attempt,
  sizeBytes: number,
  { count }: SegmentRecord,
): Promise<void> {
  const manifest = count === 0 ? undefined : { prefix: prefixOf(attempt.key), sizeBytes };
  await settled(container, attempt, sizeBytes, () => container.putEmpty(attempt, manifest));
}

/**
 * The request that makes the blob visible. When its answer is lost, or was to a repeated request
 * that met what the first had done, the blob itself tells how it went. So it does when all went
 * well, where somebody else may have written to the name at the same time (the server compares only
 * when a request begins), and where a listing that is behind would show too few segments.
 * @param progress of the body of the request, where it has one.
 */
export async function settled(
  container: SwiftContainer,
  attempt: Attempt,
  sizeBytes: number,
  request: () => Promise<void>,
  progress?: SendProgress,
): Promise<void> {
  let named: unknown;
  try {
    await request();
  } catch (error) {
    named = toStoreError(error, 'write');
    const status = statusOf(error);
    if (isDomainError(error, 'store_blob_missing', 'store_get_unsupported')) throw error;
    const taken = status === 412 ? storeDuplicate(attempt.imageId, named) : undefined;
    const isSent = progress?.complete ?? true;
    if (!isSent || (status !== undefined && !UNCLEAR.has(status) && status < 500)) {
      throw taken ?? named;
    }
    const found = await lookedUp(container, attempt, named);
    if (found?.uploadId !== attempt.uploadId) throw taken ?? new OutcomeUnknown(named);
  }
  for (let look = 1; look <= LOOKS; look += 1) {
    const found = await lookedUp(container, attempt, named);
    if (found !== undefined && found.uploadId !== attempt.uploadId) {
      throw storeDuplicate(attempt.imageId);
    }
    if (found?.sizeBytes === sizeBytes) return;
    await pause(FIRST_PAUSE_MS * 2 ** (look - 1));
  }
  throw storeUnavailable(
    new Error('Swift server: the blob that was stored is not there, or not whole'),
  );
}

async function lookedUp(
  container: SwiftContainer,
  attempt: Attempt,
  named: unknown,
): Promise<FoundObject | undefined> {
  try {
    return await container.find(attempt.key);
  } catch (error) {
    throw isDomainError(error) ? new OutcomeUnknown(named ?? error) : error;
  }
}

/**
 * Removes what the attempt left. The mark stays when that fails, or when a request may still come
 * into effect: then a sweep removes the attempt later.
 */
async function takeBack(
  {
    container,
    attempts,
    attempt,
  }: { container: SwiftContainer; attempts: AttemptRecord; attempt: Attempt },
  segments: number,
  unknown: boolean,
  warn: (message: string) => void,
): Promise<void> {
  try {
    // By name: a listing may be behind.
    for (let number = 1; number <= segments; number += 1) {
      await container.remove(segmentName(attempt.key, number));
    }
    await removeBlob(container, attempt);
    if (!unknown) await attempts.end(attempt, 'removed');
  } catch (error) {
    const reason = (error as Error).cause ?? error;
    warn(
      `what is left of ${ownKey(attempt)} could not be removed, a sweep will: ${String(reason)}`,
    );
  }
}
