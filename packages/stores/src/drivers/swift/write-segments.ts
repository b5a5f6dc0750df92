import type { AddRequest } from '../../store-driver';
import type { Attempt } from '../../remote/unfinished-marks';
import { SegmentSpool } from './segment-spool';
import { SourcePieces } from './source-pieces';
import type { SwiftContainer } from './swift-container';
import { isPassing, toStoreError } from './swift-errors';
import { SendProgress } from './swift-http';

/** More of them a server lists no more at once, and so does not say how large the blob is. */
export const MAX_SEGMENTS = 10_000;
/** Of a source of unknown size: after so many segments they become twice as large. */
const SEGMENTS_OF_A_SIZE = 1_000;
/** Of a segment that was buffered. */
const TRIES = 3;

export interface SegmentSettings {
  segmentBytes: number;
  bufferDirectory: string | undefined;
}

/** What was sent of an attempt, also when it failed. */
export interface SegmentRecord {
  /** Segments that may be there. */
  count: number;
  /** One was sent whole and not answered: it may still come into effect. */
  unknown: boolean;
}

/** As upstream names them (stores sheet §6): what `prefixOf` finds, in order. */
export function segmentName(key: string, number: number): string {
  return `${prefixOf(key)}${String(number).padStart(5, '0')}`;
}

export function prefixOf(key: string): string {
  return `${key}-`;
}

/** The size of a segment, so that their number suffices whatever comes. */
export function segmentBytesAt(index: number, baseBytes: number, expectedBytes?: number): number {
  if (expectedBytes !== undefined) {
    return Math.max(baseBytes, Math.ceil(expectedBytes / MAX_SEGMENTS));
  }
  return baseBytes * 2 ** Math.floor(index / SEGMENTS_OF_A_SIZE);
}

/**
 * Sends a source as segments, one after the other and as it comes; with a directory for them each
 * is kept there until it is stored, and sent again when that fails.
 * @returns the bytes of all segments.
 * @throws errors of the store family; what the source throws.
 */
export async function writeSegments(
  container: SwiftContainer,
  attempt: Attempt,
  { source, expectedSizeBytes, signal }: AddRequest,
  settings: SegmentSettings,
  record: SegmentRecord,
): Promise<number> {
  const pieces = new SourcePieces(source);
  try {
    for (let index = 0; !(await pieces.isEnded()); index += 1) {
      signal?.throwIfAborted();
      const limit = segmentBytesAt(index, settings.segmentBytes, expectedSizeBytes);
      const name = { key: segmentName(attempt.key, index + 1), uploadId: attempt.uploadId };
      record.count = index + 1;
      if (settings.bufferDirectory === undefined) {
        const left =
          expectedSizeBytes === undefined ? undefined : expectedSizeBytes - pieces.sizeBytes;
        const body = {
          chunks: pieces.piece(limit),
          sizeBytes: left === undefined ? undefined : Math.min(limit, left),
        };
        await sendOnce(container, name, body, record, signal);
      } else {
        const spool = await SegmentSpool.fill(settings.bufferDirectory, pieces.piece(limit));
        try {
          await sendBuffered(container, name, spool, record, signal);
        } finally {
          await spool.close();
        }
      }
    }
    signal?.throwIfAborted();
    return pieces.sizeBytes;
  } catch (error) {
    pieces.stop();
    throw error;
  }
}

async function sendOnce(
  container: SwiftContainer,
  name: { key: string; uploadId: string },
  body: { chunks: AsyncIterable<Uint8Array>; sizeBytes: number | undefined },
  record: SegmentRecord,
  signal?: AbortSignal,
): Promise<void> {
  const progress = new SendProgress();
  try {
    await container.put(name, body, progress, { signal });
  } catch (error) {
    if (progress.complete && isPassing(error)) record.unknown = true;
    signal?.throwIfAborted();
    throw toStoreError(error, 'write');
  }
}

async function sendBuffered(
  container: SwiftContainer,
  name: { key: string; uploadId: string },
  spool: SegmentSpool,
  record: SegmentRecord,
  signal?: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const progress = new SendProgress();
    const body = { chunks: spool.chunks(), sizeBytes: spool.sizeBytes };
    try {
      await container.put(name, body, progress, { signal, replace: attempt > 1 });
      return;
    } catch (error) {
      if (progress.complete && isPassing(error)) record.unknown = true;
      signal?.throwIfAborted();
      if (attempt >= TRIES || !isPassing(error)) throw toStoreError(error, 'write');
    }
  }
}
