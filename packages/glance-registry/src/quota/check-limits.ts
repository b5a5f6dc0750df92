import { checkProjectLimit, type ProjectLimits } from '@glance/common';
import type { Lease } from '../uploads/lease-repository';
import type { Repositories } from '../repositories';
import { Accounts } from './accounts';
import { checkQuota, type Usage } from './usage-repository';

/**
 * Refuses bytes that are over the storage quota or over the project's limit of data.
 * @param usage without what the upload itself has reserved so far; undefined for nobody's.
 * @throws DomainError `quota_exceeded`
 */
export function checkBytes(
  usage: Usage | undefined,
  requestedBytes: number,
  storageQuotaBytes: number | null,
  limits: ProjectLimits | undefined,
): void {
  if (!usage) return;
  checkQuota(usage, requestedBytes, storageQuotaBytes);
  const takenBytes = usage.usedBytes + usage.reservedBytes;
  checkProjectLimit('imageSizeTotalBytes', limits, takenBytes, requestedBytes);
}

/**
 * Refuses an image that this transaction has inserted. The account stays locked until the image is
 * there for everybody to count.
 * @throws DomainError `quota_exceeded`
 */
export async function checkImageCount(
  { usage, projects }: Repositories,
  owner: string | null,
  limits: ProjectLimits | undefined,
): Promise<void> {
  if (owner === null || (limits?.imageCountTotal ?? null) === null) return;
  await Accounts.open(usage, [owner]);
  checkProjectLimit('imageCountTotal', limits, (await projects.countImages(owner)) - 1, 1);
}

/**
 * Refuses data for an image beside that of others. It counts as uploading already, so that nothing
 * is added to it (api-v2 sheet §14).
 * @throws DomainError `quota_exceeded`
 */
export async function checkUploading(
  { usage, projects }: Repositories,
  owner: string | null,
  imageId: string,
  limits: ProjectLimits | undefined,
): Promise<void> {
  if (owner === null || (limits?.imageCountUploading ?? null) === null) return;
  await Accounts.open(usage, [owner]);
  const uploading = (await projects.countUploading(owner, imageId)) + 1;
  checkProjectLimit('imageCountUploading', limits, uploading, 0);
}

/**
 * Refuses bytes that are to be staged.
 * @throws DomainError `quota_exceeded`
 */
export async function checkStaged(
  { usage, projects }: Repositories,
  owner: string | null,
  requestedBytes: number,
  limits: ProjectLimits | undefined,
): Promise<void> {
  if (owner === null || (limits?.imageStageTotalBytes ?? null) === null) return;
  await Accounts.open(usage, [owner]);
  const stagedBytes = await projects.sumStaged(owner);
  checkProjectLimit('imageStageTotalBytes', limits, stagedBytes, requestedBytes);
}

export function checkLeaseQuota(
  accounts: Accounts,
  lease: Lease,
  bytes: number,
  limits: ProjectLimits | undefined,
): void {
  const usage = accounts.usageOf(lease.owner);
  if (!usage) return;
  const others = { ...usage, reservedBytes: usage.reservedBytes - lease.reservedBytes };
  checkBytes(others, bytes, lease.quotaLimitBytes, limits);
}
