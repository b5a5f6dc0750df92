import { ageOf, MARK_PREFIX, markOf, ownKey, parseMark } from '../../remote/unfinished-marks';
import type { Attempt } from '../../remote/unfinished-marks';
import type { UnfinishedBlob, UnfinishedFate, UploadName } from '../../store-driver';
import { removeAll, removeObject } from './remove-object';
import type { SwiftContainer } from './swift-container';
import { prefixOf } from './write-segments';

/** Tells of attempts, so that a sweep finds what the process of one left behind. */
export interface AttemptRecord {
  /** Before any of its bytes are written. */
  begin(attempt: Attempt): Promise<void>;
  /** It is over: its blob stays, or nothing of it does. */
  end(attempt: Attempt, outcome: 'kept' | 'removed'): Promise<void>;
}

/** Finds the container of an attempt by its mark; undefined when there is none to look into. */
export type FindContainer = (mark: string, attempt: Attempt) => Promise<SwiftContainer | undefined>;

/** Marks attempts in the container that they write to. */
export function marksIn(container: SwiftContainer): AttemptRecord {
  return {
    begin: (attempt) => container.putMark(markOf(attempt)),
    end: (attempt) => container.remove(markOf(attempt)),
  };
}

/** The attempts that are marked in a container. */
export async function* listAttempts(
  marks: SwiftContainer,
  containerOf: FindContainer,
): AsyncGenerator<UnfinishedBlob, undefined> {
  for await (const { key: mark, modified } of marks.list(MARK_PREFIX)) {
    const attempt = parseMark(mark);
    const container = attempt && (await containerOf(mark, attempt));
    if (container === undefined || attempt === undefined) continue;
    const { sizeBytes, latest } = await measure(container, attempt);
    const last = new Date(Math.max(modified.getTime(), latest.getTime()));
    const { imageId, uploadId } = attempt;
    yield { imageId, uploadId, sizeBytes, ageSeconds: ageOf(last) };
  }
}

/** Removes an attempt; its mark is the last to go. Nothing there is a success. */
export async function removeAttempt(
  marks: SwiftContainer,
  name: UploadName,
  fate: UnfinishedFate,
  containerOf: FindContainer,
  record: AttemptRecord,
): Promise<void> {
  for await (const { key: mark } of marks.list(`${MARK_PREFIX}${ownKey(name)}`)) {
    const attempt = parseMark(mark);
    const container = attempt && (await containerOf(mark, attempt));
    if (container === undefined || attempt === undefined) continue;
    // Segments without a manifest are nobody's, whatever became of the attempt.
    if (fate === 'abandoned') await removeBlob(container, attempt);
    else await removeStraySegments(container, attempt);
    await record.end(attempt, fate === 'abandoned' ? 'removed' : 'kept');
  }
}

/** Removes what this attempt wrote, never what took its name later. */
export async function removeBlob(container: SwiftContainer, attempt: Attempt): Promise<void> {
  const found = await container.find(attempt.key);
  if (found?.uploadId === attempt.uploadId) await removeObject(container, attempt.key, found);
  await removeStraySegments(container, attempt);
}

async function removeStraySegments(container: SwiftContainer, attempt: Attempt): Promise<void> {
  const { key, imageId, uploadId } = attempt;
  const found = await container.find(key);
  if (found?.uploadId === uploadId) return;
  const segments: string[] = [];
  for await (const segment of container.list(prefixOf(key))) {
    // The plain name may be somebody else's by now, and so are its segments.
    const isOwn = key !== imageId || (await container.find(segment.key))?.uploadId === uploadId;
    if (isOwn) segments.push(segment.key);
  }
  await removeAll(container, segments);
}

async function measure(
  container: SwiftContainer,
  { key, uploadId }: Attempt,
): Promise<{ sizeBytes: number; latest: Date }> {
  const found = await container.find(key);
  if (found?.uploadId === uploadId) return { sizeBytes: found.sizeBytes, latest: found.modified };
  let sizeBytes = 0;
  let latest = new Date(0);
  if (found !== undefined) return { sizeBytes, latest };
  for await (const segment of container.list(prefixOf(key))) {
    sizeBytes += segment.sizeBytes;
    if (segment.modified > latest) latest = segment.modified;
  }
  return { sizeBytes, latest };
}
