import {
  DomainError,
  canTransition,
  imageNotFound,
  type BeginDeletion,
  type ClaimDeletion,
  type DeletionPlan,
  type Identity,
  type ImageLocation,
  type ImageRecord,
} from '@glance/common';
import { endPromise } from '../copies/end-promise';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { cancelImport, DELETED } from '../imports/import-steps';
import type { LockedImage } from '../images/image-repository';
import { present, requireFound } from '../images/image-rights';
import { checkMayChange } from '../images/visibility';
import type { Repositories } from '../repositories';
import { requireService } from '../http/require-service';
import { eraseImage } from './erase-image';
import { deletionOf, takeBack } from './take-back';

/** Deletion in the order of reliability.md §4: first the row, then the data, then the rest. */
export class DeletionService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  /** D1 */
  async begin(
    imageId: string,
    { delayed }: BeginDeletion,
    identity: Identity,
    scope: CallScope,
  ): Promise<DeletionPlan> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, locations, leases, events } = repositories;
      const image = requireDeletable(await images.lock(imageId, identity), imageId, identity);
      const { row, now } = image;
      await leases.voidLive(row.id);
      await endPromise(repositories, row.id, { failure: DELETED });
      await cancelImport(repositories, row.id);
      const data = await locations.findStored(row.id);
      await locations.markPendingDelete(row.id, now);
      if (data.length > 0 && canTransition(row.status, 'pending_delete')) {
        await hide(repositories, image, delayed);
      } else {
        await eraseImage(repositories, image, now);
        await leaveToSweeper(repositories, row.id, data);
      }
      const record = requireFound(await images.find(row.id));
      await events.record(row.id, [{ kind: 'image.deleted' }], record);
      return { image: present(record, identity), locations: data };
    });
  }

  /** D4 */
  async finish(imageId: string, identity: Identity, scope: CallScope): Promise<ImageRecord> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, locations, removals, events } = repositories;
      const image = await requireBegun(repositories, imageId, identity);
      if (image.row.status === 'pending_delete') {
        await eraseImage(repositories, image, image.row.deleted_at ?? image.now);
        await events.record(image.row.id, [{ kind: 'image.erased' }]);
      } else if (image.row.status !== 'deleted') {
        throw notBegun(image);
      }
      await locations.markDeleted(image.row.id);
      await removals.forgetAllOf(image.row.id);
      return present(requireFound(await images.find(image.row.id)), identity);
    });
  }

  /** Takes D1 back for the process that carried it out, and whose store refuses. */
  async revert(imageId: string, identity: Identity, scope: CallScope): Promise<ImageRecord> {
    return await this.transactions.write(scope, async (repositories) => {
      const image = await requireBegun(repositories, imageId, identity);
      if (image.row.status !== 'pending_delete') throw notBegun(image);
      const key = deletionOf(image.row);
      const begun = await repositories.deletions.find(key);
      // Its own removal of the data is the first.
      if (begun !== undefined && begun.scrubs > 1) throw dataGone(imageId);
      await takeBack(repositories, key, begun);
      return present(await announce(repositories, imageId), identity);
    });
  }

  /** The next deletion for a scrubber, of whatever process or release it was. */
  async claim(
    request: ClaimDeletion,
    identity: Identity,
    scope: CallScope,
  ): Promise<DeletionPlan | null> {
    requireService(identity);
    return await this.transactions.write(scope, async (repositories) => {
      const { images, locations, deletions } = repositories;
      for (let { after } = request; ;) {
        const due = await deletions.findDue({ ...request, ...(after ? { after } : {}) });
        if (due === undefined) return null;
        after = due.imageId;
        const image = await images.lock(due.imageId, identity, { skipLocked: true });
        // Somebody works on it, or has finished it or taken it back.
        if (image?.row.status !== 'pending_delete' || image.row.deleted_at !== due.at) continue;
        const data = await locations.findStored(due.imageId);
        await locations.markPendingDelete(due.imageId, due.at);
        await deletions.addScrub(due);
        const record = requireFound(await images.find(due.imageId));
        return { image: present(record, identity), locations: data };
      }
    });
  }

  /** The data of a claimed deletion is all there still. */
  async release(imageId: string, identity: Identity, scope: CallScope): Promise<boolean> {
    requireService(identity);
    return await this.transactions.write(scope, async (repositories) => {
      const image = await requireBegun(repositories, imageId, identity);
      if (image.row.status !== 'pending_delete') throw notBegun(image);
      return await repositories.deletions.dropScrub(deletionOf(image.row));
    });
  }

  /** An operator brings back what nobody has begun to remove (lifecycle sheet §2). */
  async restore(imageId: string, identity: Identity, scope: CallScope): Promise<ImageRecord> {
    requireService(identity);
    return await this.transactions.write(scope, async (repositories) => {
      const image = await requireBegun(repositories, imageId, identity);
      if (image.row.status !== 'pending_delete') throw notBegun(image);
      const key = deletionOf(image.row);
      const begun = await repositories.deletions.find(key);
      const isTouched = begun !== undefined && begun.scrubs > 0;
      if (isTouched || (await repositories.locations.wereRemovedAfter(imageId, key.at))) {
        throw dataGone(imageId);
      }
      await takeBack(repositories, key, begun);
      return present(await announce(repositories, imageId), identity);
    });
  }
}

async function announce({ images, events }: Repositories, imageId: string): Promise<ImageRecord> {
  const record = requireFound(await images.find(imageId));
  await events.record(imageId, [{ kind: 'image.restored' }], record);
  return record;
}

/** The image becomes `pending_delete`, and what goes with it has its time. */
async function hide(
  { images, members, deletions }: Repositories,
  { row, now }: LockedImage,
  delayed: boolean,
): Promise<void> {
  const key = { imageId: row.id, at: now };
  await images.transition(row.id, [row.status], 'pending_delete', {
    columns: { deleted: 1, deleted_at: now },
  });
  await deletions.dropChildrenDeletedAt(key);
  await deletions.markChildrenDeleted(row.id, now);
  await members.markAllDeleted(row.id, now);
  // Whoever does not delay goes on and removes the data.
  await deletions.begin(key, { previousStatus: row.status, delayed, scrubs: delayed ? 0 : 1 });
}

/** Data of an image that never was active, or is so no more: its locations wait one by one. */
async function leaveToSweeper(
  { removals }: Repositories,
  imageId: string,
  data: readonly ImageLocation[],
): Promise<void> {
  for (const { id } of data) {
    if (!(await removals.exists(imageId, id))) await removals.begin(imageId, id);
  }
}

function requireDeletable(
  image: LockedImage | undefined,
  imageId: string,
  identity: Identity,
): LockedImage {
  // To everybody but an admin a deleted image does not exist.
  if (!image?.visible || (image.row.deleted !== 0 && !identity.isAdmin)) {
    throw imageNotFound(imageId);
  }
  checkMayChange(identity, image.row);
  const { row } = image;
  if (row.status === 'pending_delete') {
    throw new DomainError('image_pending_delete', `Image ${row.id} is being deleted`, {
      details: { imageId: row.id },
    });
  }
  if (row.deleted !== 0) throw imageNotFound(imageId);
  if (row.protected !== 0) {
    throw new DomainError(
      'image_protected',
      `Image ${row.id} is protected and cannot be deleted.`,
      { details: { imageId: row.id } },
    );
  }
  return image;
}

async function requireBegun(
  { images }: Repositories,
  imageId: string,
  identity: Identity,
): Promise<LockedImage> {
  const image = await images.lock(imageId, identity);
  if (!image?.visible) throw imageNotFound(imageId);
  checkMayChange(identity, image.row);
  return image;
}

function notBegun({ row }: LockedImage): DomainError {
  return new DomainError('conflict', `Image ${row.id} is ${row.status}, not being deleted`, {
    details: { imageId: row.id, status: row.status },
  });
}

function dataGone(imageId: string): DomainError {
  const text = `The data of image ${imageId} is being removed or gone, at least in part`;
  return new DomainError('conflict', text, { details: { imageId } });
}
