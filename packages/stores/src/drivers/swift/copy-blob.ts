import { someAtATime } from '../../remote/some-at-a-time';
import type { Attempt } from '../../remote/unfinished-marks';
import type { CopyRequest } from '../../store-driver';
import { copyUnsupported, isPassing, toStoreError } from './swift-errors';
import type { FoundObject } from './found-object';
import type { ObjectPlace } from './read-object';
import { requireWhole } from './read-object';
import { findSegments } from './find-segments';
import type { Segment } from './find-segments';
import type { SwiftContainer } from './swift-container';
import { settled, storeAttempt, writeManifest } from './write-blob';
import type { AttemptPlace, AttemptSettings, WrittenBlob } from './write-blob';
import { segmentName } from './write-segments';
import type { SegmentRecord } from './write-segments';

const SEGMENTS_AT_A_TIME = 4;

/**
 * Has the server copy an object of the same account to a name that is free, a large one segment by
 * segment. Whoever dies here leaves the mark of the attempt behind.
 * @throws as StoreDriver.copy
 */
export async function copyBlob(
  place: AttemptPlace,
  original: ObjectPlace,
  found: FoundObject,
  request: CopyRequest,
  settings: AttemptSettings,
): Promise<WrittenBlob> {
  const sizeBytes = requireWhole(found);
  const segments = await findSegments(original, found);
  const isLarge = segments !== undefined;
  const { container } = place;
  const { signal } = request;
  return await storeAttempt(place, { ...request, isLarge }, settings, async (attempt, record) => {
    if (isLarge) {
      await copySegments(container, segments, attempt, record, signal);
      await writeManifest(container, attempt, sizeBytes, record);
    } else if (sizeBytes === 0) {
      await settled(container, attempt, 0, () => container.putEmpty(attempt));
    } else {
      const whole = { container: original.container.name, key: original.object, sizeBytes };
      await copyAtOnce(container, whole, attempt, record, signal);
    }
    signal?.throwIfAborted();
    return sizeBytes;
  });
}

async function copyAtOnce(
  container: SwiftContainer,
  original: Segment,
  attempt: Attempt,
  record: SegmentRecord,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await settled(container, attempt, original.sizeBytes, () =>
      container.copy(original, attempt, signal),
    );
  } catch (error) {
    rethrowAborted(record, signal);
    throw error;
  }
}

async function copySegments(
  container: SwiftContainer,
  segments: readonly Segment[],
  { key, uploadId }: Attempt,
  record: SegmentRecord,
  signal?: AbortSignal,
): Promise<void> {
  const copySegment = async (index: number, stop: AbortSignal): Promise<void> => {
    const segment = segments[index];
    if (segment === undefined) return;
    record.count = Math.max(record.count, index + 1);
    const name = { key: segmentName(key, index + 1), uploadId };
    try {
      await container.copy(segment, name, stop);
    } catch (error) {
      rethrowAborted(record, stop);
      if (isPassing(error)) record.unknown = true;
      throw toStoreError(error, 'write');
    }
    const copied = await container.find(name.key, stop);
    const isWhole = copied?.sizeBytes === segment.sizeBytes && copied.uploadId === uploadId;
    if (!isWhole) throw copyUnsupported();
  };
  await someAtATime(segments.length, SEGMENTS_AT_A_TIME, copySegment, signal);
}

/** The server may go on with what nobody waits for. */
function rethrowAborted(record: SegmentRecord, signal?: AbortSignal): void {
  if (signal?.aborted !== true) return;
  record.unknown = true;
  throw signal.reason;
}
