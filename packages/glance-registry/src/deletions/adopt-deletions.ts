import { SERVICE_IDENTITY } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { TransactionRunner } from '../db/transaction';
import type { LockedImage } from '../images/image-repository';
import { Accounts, countedBytes } from '../quota/accounts';
import type { Repositories } from '../repositories';
import { deletionOf, reviveWithImage } from './take-back';

const BATCH = 100;

/**
 * Takes over what upstream began to delete and would never finish (lifecycle sheet §2, §3), so that
 * it waits for its removal as if it had been begun here: images whose deletion ended between its two
 * statements, and single locations, which its scrubber never visits. Any number of registries may do
 * so at once.
 * @returns how many
 */
export async function adoptDeletions(
  transactions: TransactionRunner<Repositories>,
  logger: Logger,
): Promise<number> {
  let adopted = 0;
  for (const imageId of await transactions.read({}, ({ deletions }) =>
    deletions.findHalfBegun(BATCH),
  )) {
    if (!(await transactions.write({}, (repositories) => hideHalfDeleted(repositories, imageId)))) {
      continue;
    }
    adopted += 1;
    logger.warn('An image that upstream was deleting when it died is deleted', { image: imageId });
  }
  const met = new Set<number>();
  for (;;) {
    const strays = await transactions.read({}, ({ locations }) => locations.findStray(BATCH));
    const fresh = strays.filter(({ id }) => !met.has(id));
    // Those met before are held by somebody else and left to the next run.
    if (fresh.length === 0) return adopted;
    for (const { id, imageId } of fresh) {
      met.add(id);
      const outcome = await transactions.write({}, (repositories) =>
        adoptLocation(repositories, imageId, id),
      );
      if (outcome === undefined) continue;
      adopted += 1;
      logger.info(outcome, { image: imageId, location: id });
    }
  }
}

/** Upstream says `pending_delete` in one transaction and deletes in the next. */
async function hideHalfDeleted(repositories: Repositories, imageId: string): Promise<boolean> {
  const { images, locations, members, deletions } = repositories;
  const image = await images.lock(imageId, SERVICE_IDENTITY, { skipLocked: true });
  if (image?.row.status !== 'pending_delete' || image.row.deleted !== 0) return false;
  const { at } = deletionOf(image.row);
  await images.update(imageId, { deleted: 1, deleted_at: at });
  await locations.markPendingDelete(imageId, at);
  await deletions.markChildrenDeleted(imageId, at);
  await members.markAllDeleted(imageId, at);
  return true;
}

/** @returns what became of it, for the log. */
async function adoptLocation(
  repositories: Repositories,
  imageId: string,
  locationId: number,
): Promise<string | undefined> {
  const { images, locations, removals, usage } = repositories;
  const image = await images.lock(imageId, SERVICE_IDENTITY, { skipLocked: true });
  if (!image || image.row.status === 'pending_delete') return undefined;
  const pending = await locations.findPending(imageId, locationId);
  if (!pending || (await removals.exists(imageId, locationId))) return undefined;
  if (await isHalfRestored(repositories, image)) {
    await finishRestoration(repositories, image);
    return 'An image that upstream has restored has its data again';
  }
  const { row, storedLocations } = image;
  const accounts = await Accounts.open(usage, [row.owner]);
  await locations.markOneDeleted(locationId);
  if (await locations.isInUse(pending.url)) {
    const freedBytes = countedBytes(row, storedLocations) - countedBytes(row, storedLocations - 1);
    await accounts.add(row.owner, { usedBytes: -freedBytes });
    return 'A location that upstream took away is forgotten: another one counts on its data';
  }
  await locations.markOnePendingDelete(locationId);
  await removals.begin(imageId, locationId, { delayed: true, begunAt: pending.deletedAt });
  return 'The data of a location that upstream took away waits to be removed';
}

/** `glance-scrubber --restore` of upstream brings back nothing but the image's own row. */
async function isHalfRestored({ locations }: Repositories, { row }: LockedImage): Promise<boolean> {
  if (row.deleted !== 0 || row.deleted_at === null || row.status !== 'active') return false;
  return (await locations.findActive(row.id)).length === 0;
}

async function finishRestoration(repositories: Repositories, { row }: LockedImage): Promise<void> {
  const key = deletionOf(row);
  await reviveWithImage(repositories, key, await repositories.deletions.find(key));
  await repositories.images.update(row.id, { deleted_at: null });
  await repositories.deletions.forget(row.id);
}
