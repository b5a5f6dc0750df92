import type { UnfinishedBlob, UnfinishedFate, UploadName } from '../../../store-driver';
import { SNAPSHOT } from '../protocol';
import { countSnapshots, describe, removeImage, unlessMissing, withImage } from './images';
import { listMarks, removeMarks } from './marks';
import type { Attempt } from './marks';
import { librbd } from './native';
import type { Handle } from './native';

/** Names the attempt that an image under the plain name belongs to. */
export const UPLOAD_KEY = 'glance_upload_id';
const VALUE_BYTES = 256;

/** What is marked, settled or not begun yet. */
export async function listAttempts(io: Handle): Promise<UnfinishedBlob[]> {
  const found: UnfinishedBlob[] = [];
  for (const { image, imageId, uploadId, begun } of await listMarks(io)) {
    const description = await describe(io, { image, snapshot: undefined });
    const markAge = Math.max(0, (Date.now() - begun.getTime()) / 1000);
    found.push({
      imageId,
      uploadId,
      sizeBytes: description?.sizeBytes ?? 0,
      ageSeconds: Math.min(markAge, description?.ageSeconds ?? markAge),
    });
  }
  return found;
}

/** Removes an attempt; its mark is the last to go. Nothing there is a success. */
export async function removeAttempt(
  io: Handle,
  name: UploadName,
  fate: UnfinishedFate,
): Promise<void> {
  const marks = await listMarks(io, name);
  for (const attempt of marks) {
    const found = await unlessMissing(find(io, attempt));
    if (found?.ours === false) continue;
    if (found?.visible === true && fate === 'owned or unknown') continue;
    // Also where nothing can be opened: a creation or a removal may have ended halfway.
    await unlessMissing(removeImage(io, { image: attempt.image, snapshot: SNAPSHOT }));
  }
  if (marks.length > 0) await removeMarks(io, name);
}

/** @throws CephError: ENOENT. */
function find(io: Handle, attempt: Attempt): Promise<{ ours: boolean; visible: boolean }> {
  return withImage(io, { image: attempt.image, snapshot: undefined }, async (image) => {
    const visible = (await countSnapshots(image)) > 0;
    if (attempt.image !== attempt.imageId) return { ours: true, visible };
    const uploadId = await readUploadId(image);
    // Who died between the creation of an image and naming its attempt left one without a snapshot.
    return { ours: uploadId === undefined ? !visible : uploadId === attempt.uploadId, visible };
  });
}

async function readUploadId(image: Handle): Promise<string | undefined> {
  const value = Buffer.alloc(VALUE_BYTES);
  const length: unknown[] = [value.length];
  const found = await unlessMissing(librbd.getMetadata(image, UPLOAD_KEY, value, length));
  return found === undefined ? undefined : value.toString('utf8').split('\0')[0];
}
