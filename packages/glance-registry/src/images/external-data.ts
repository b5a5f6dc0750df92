import { DomainError, type ExternalData, type ProjectLimits } from '@glance/common';
import { sqlText } from '../db/sql';
import { Accounts, countedBytes } from '../quota/accounts';
import { checkBytes, checkUploading } from '../quota/check-limits';
import type { Repositories } from '../repositories';

/**
 * Gives a `queued` image that this transaction holds its data: a location that makes it active, or
 * the promise of a copy or a check, which takes the place of one before.
 * @returns whether the image is active now.
 * @throws DomainError `quota_exceeded`; `conflict` when the image is not `queued`.
 */
export async function attachExternalData(
  repositories: Repositories,
  imageId: string,
  owner: string | null,
  { location, copyFrom, register }: ExternalData,
  limits: ProjectLimits | undefined,
): Promise<boolean> {
  const data = location ?? copyFrom ?? register;
  if (!data) return false;
  const { images, locations, copies, usage } = repositories;
  const accounts = await Accounts.open(usage, [owner]);
  checkBytes(accounts.usageOf(owner), data.sizeBytes ?? 0, data.storageQuotaBytes, limits);
  if (copyFrom) {
    await checkUploading(repositories, owner, imageId, limits);
    await copies.put(imageId, copyFrom);
    return false;
  }
  if (register) {
    await copies.putCheck(imageId, register);
    return false;
  }
  if (!location) return false;
  const { sizeBytes, hash } = location;
  const activated = await images.transition(imageId, ['queued'], 'active', {
    columns: {
      size: sizeBytes,
      ...(hash ? { os_hash_algo: hash.algorithm, os_hash_value: hash.value } : {}),
    },
    when: sqlText('images.deleted = 0'),
  });
  if (!activated) {
    throw new DomainError('conflict', 'Image operation conflicts', { details: { imageId } });
  }
  await copies.forget(imageId);
  await locations.insert(imageId, location);
  await accounts.add(owner, { usedBytes: countedBytes({ status: 'active', size: sizeBytes }, 1) });
  return true;
}
