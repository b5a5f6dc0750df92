import { ageOf, MARK_PREFIX, markOf, ownKey, parseMark } from '../../remote/unfinished-marks';
import type { Attempt } from '../../remote/unfinished-marks';
import type { UnfinishedBlob, UnfinishedFate, UploadName } from '../../store-driver';
import { removeAll, removeObject } from './remove-object';
import type { SwiftContainer } from './swift-container';
import { prefixOf } from './write-segments';

/** The attempts that are marked in a container. */
export async function* listAttempts(
  container: SwiftContainer,
): AsyncGenerator<UnfinishedBlob, undefined> {
  for await (const { key: mark, modified } of container.list(MARK_PREFIX)) {
    const attempt = parseMark(mark);
    if (attempt === undefined) continue;
    const { sizeBytes, latest } = await measure(container, attempt);
    const last = new Date(Math.max(modified.getTime(), latest.getTime()));
    const { imageId, uploadId } = attempt;
    yield { imageId, uploadId, sizeBytes, ageSeconds: ageOf(last) };
  }
}

/** Removes an attempt; its mark is the last to go. Nothing there is a success. */
export async function removeAttempt(
  container: SwiftContainer,
  name: UploadName,
  fate: UnfinishedFate,
): Promise<void> {
  for await (const { key: mark } of container.list(`${MARK_PREFIX}${ownKey(name)}`)) {
    const attempt = parseMark(mark);
    if (attempt === undefined) continue;
    // Segments without a manifest are nobody's, whatever became of the attempt.
    if (fate === 'abandoned') await removeBlob(container, attempt);
    else await removeStraySegments(container, attempt);
    await container.remove(mark);
  }
}

/** The attempt is over and its blob stays. */
export async function settleAttempt(container: SwiftContainer, attempt: Attempt): Promise<void> {
  await container.remove(markOf(attempt));
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
