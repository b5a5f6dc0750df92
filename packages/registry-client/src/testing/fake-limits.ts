import { checkProjectLimit, type ProjectLimits, type ProjectUsage } from '@glance/common';
import type { FakeImage } from './fake-image';

const UPLOADING: readonly string[] = ['saving', 'uploading', 'importing'];
const STAGED: readonly string[] = ['uploading', 'importing'];
const GONE: readonly string[] = ['killed', 'pending_delete', 'deleted'];
const COPYING_PROPERTY = 'os_glance_importing_to_stores';

/** What the images of a project take, as `Registry.getUsage` says. */
export function fakeUsageOf(owner: string, images: Iterable<FakeImage>): ProjectUsage {
  const usage = {
    imageSizeTotalBytes: 0,
    imageStageTotalBytes: 0,
    imageCountTotal: 0,
    imageCountUploading: 0,
  };
  for (const { record, copy, beforeDeletion, removals } of images) {
    const stored = beforeDeletion ?? record;
    if (stored.owner !== owner || record.status === 'deleted') continue;
    const places = stored.locations.length + removals.length;
    usage.imageSizeTotalBytes += (stored.sizeBytes ?? 0) * places;
    if (GONE.includes(record.status)) continue;
    const properties = new Map(record.properties);
    const isCopied = (properties.get(COPYING_PROPERTY) ?? '') !== '';
    const isStaged = STAGED.includes(record.status) || isCopied;
    const isPromised = record.status === 'queued' && copy !== null && copy.check === undefined;
    usage.imageStageTotalBytes += isStaged ? (record.sizeBytes ?? 0) : 0;
    usage.imageCountTotal += 1;
    usage.imageCountUploading +=
      UPLOADING.includes(record.status) || isPromised || isCopied ? 1 : 0;
  }
  return usage;
}

/** @param others all images but the one that is to be created. */
export function checkFakeImageCount(
  owner: string | null,
  limits: ProjectLimits | undefined,
  others: Iterable<FakeImage>,
): void {
  if (owner === null) return;
  checkProjectLimit('imageCountTotal', limits, fakeUsageOf(owner, others).imageCountTotal, 1);
}

/** @param others all images but the one whose data is to come. */
export function checkFakeUploading(
  owner: string | null,
  limits: ProjectLimits | undefined,
  others: Iterable<FakeImage>,
): void {
  if (owner === null) return;
  const uploading = fakeUsageOf(owner, others).imageCountUploading + 1;
  checkProjectLimit('imageCountUploading', limits, uploading, 0);
}

export function checkFakeStaged(
  owner: string | null,
  requestedBytes: number,
  limits: ProjectLimits | undefined,
  others: Iterable<FakeImage>,
): void {
  if (owner === null) return;
  const stagedBytes = fakeUsageOf(owner, others).imageStageTotalBytes;
  checkProjectLimit('imageStageTotalBytes', limits, stagedBytes, requestedBytes);
}
