import { SERVICE_IDENTITY } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';
import { endLease } from './end-lease';

const BATCH = 100;

/**
 * Rolls back uploads whose time is over and gives back what void ones still hold. Any number of
 * registries may do so at once: each lease is ended by one of them.
 * @returns how many were ended.
 */
export async function expireLeases(
  transactions: TransactionRunner<Repositories>,
  logger: Logger,
): Promise<number> {
  let ended = 0;
  const seen = new Set<string>();
  for (;;) {
    const overdue = await transactions.read({}, ({ leases }) => leases.findOverdue(BATCH));
    const fresh = overdue.filter(({ uploadId }) => !seen.has(uploadId));
    // Those met before are held by somebody else and left to the next run.
    if (fresh.length === 0) return ended;
    for (const { imageId, uploadId } of fresh) {
      seen.add(uploadId);
      const done = await transactions.write({}, (repositories) =>
        expire(repositories, imageId, uploadId),
      );
      if (!done) continue;
      ended += 1;
      logger.warn('An upload was given up after missed heartbeats', {
        image: imageId,
        upload: uploadId,
      });
    }
  }
}

async function expire(
  repositories: Repositories,
  imageId: string,
  uploadId: string,
): Promise<boolean> {
  const { images, leases } = repositories;
  const image = await images.lock(imageId, SERVICE_IDENTITY, { skipLocked: true });
  if (!image && (await images.exists(imageId))) return false;
  const lease = await leases.lock(imageId, uploadId);
  if (!lease || lease.finished || lease.inTime) return false;
  await endLease(repositories, image, lease, 'expired');
  return true;
}
