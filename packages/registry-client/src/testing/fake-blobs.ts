import { toWireTime, type JudgeBlobs, type UnownedBlob } from '@glance/common';
import type { FakeImage } from './fake-image';
import type { FakeUpload } from './fake-uploads';

const UPLOADING: ReadonlySet<string> = new Set(['saving', 'uploading', 'importing']);

/** Blobs that were seen without an image. */
export class FakeBlobs {
  /** When first, by store and name. */
  private readonly firstSeenMs = new Map<string, number>();

  judge(
    { storeId, confirmAfterSeconds, blobs }: JudgeBlobs,
    images: Iterable<FakeImage>,
    uploads: Iterable<FakeUpload>,
    nowMs: number,
  ): UnownedBlob[] {
    const [allImages, allUploads] = [[...images], [...uploads]];
    const unowned = new Map<string, UnownedBlob>();
    for (const { name, locationUrl } of blobs) {
      const key = `${storeId}/${name}`;
      if (isOwned(name, locationUrl, allImages, allUploads)) {
        this.firstSeenMs.delete(key);
        continue;
      }
      const seenMs = this.firstSeenMs.get(key);
      if (seenMs === undefined) this.firstSeenMs.set(key, nowMs);
      unowned.set(name, {
        name,
        firstSeenAt: toWireTime(new Date(seenMs ?? nowMs)),
        isOrphan: seenMs !== undefined && nowMs - seenMs >= confirmAfterSeconds * 1_000,
      });
    }
    return [...unowned.values()];
  }

  /** Whether a blob of the image is remembered. */
  knows(imageId: string): boolean {
    return [...this.firstSeenMs.keys()].some((key) => key.includes(`/${imageId}`));
  }
}

function isOwned(
  name: string,
  locationUrl: string,
  images: readonly FakeImage[],
  uploads: readonly FakeUpload[],
): boolean {
  const imageId = name.slice(0, 36);
  if (uploads.some((upload) => upload.imageId === imageId && upload.state === 'live')) return true;
  return images.some(({ record, removals }) => {
    const urls = [...record.locations, ...removals.map(({ location }) => location)]
      .filter(({ status }) => status !== 'deleted')
      .map(({ url }) => url);
    if (urls.includes(locationUrl)) return true;
    if (record.id !== imageId) return false;
    if (!record.deleted && UPLOADING.has(record.status)) return true;
    return urls.some((url) => url.endsWith(`/${name}`));
  });
}
