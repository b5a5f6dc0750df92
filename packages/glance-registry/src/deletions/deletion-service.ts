import {
  DomainError,
  canTransition,
  imageNotFound,
  type BeginDeletion,
  type DeletionPlan,
  type Identity,
  type ImageRecord,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { cancelImport } from '../imports/import-steps';
import type { LockedImage } from '../images/image-repository';
import { present, requireFound } from '../images/image-rights';
import { checkMayChange } from '../images/visibility';
import { Accounts, countedBytes } from '../quota/accounts';
import type { Repositories } from '../repositories';

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
      const { images, locations, leases, copies, deletions, outbox } = repositories;
      const image = requireDeletable(await images.lock(imageId, identity), imageId, identity);
      const { row, now } = image;
      await leases.voidLive(row.id);
      await copies.forget(row.id);
      await cancelImport(repositories, row.id);
      const data = await locations.findStored(row.id);
      await locations.markPendingDelete(row.id, now);
      if (data.length > 0 && canTransition(row.status, 'pending_delete')) {
        await images.transition(row.id, [row.status], 'pending_delete', {
          columns: { deleted: 1, deleted_at: now },
        });
        await deletions.begin(row.id, row.status, delayed);
      } else {
        await erase(repositories, image, now);
      }
      const record = requireFound(await images.find(row.id));
      await outbox.add('image.delete', record);
      return { image: present(record, identity), locations: data };
    });
  }

  /** D4 */
  async finish(imageId: string, identity: Identity, scope: CallScope): Promise<ImageRecord> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, locations } = repositories;
      const image = await requireBegun(repositories, imageId, identity);
      if (image.row.status === 'pending_delete') {
        await erase(repositories, image, image.row.deleted_at ?? image.now);
      } else if (image.row.status !== 'deleted') {
        throw notBegun(image);
      }
      await locations.markDeleted(image.row.id);
      return present(requireFound(await images.find(image.row.id)), identity);
    });
  }

  /** A deactivated image is deactivated again: a failed deletion must not hand it out. */
  async revert(imageId: string, identity: Identity, scope: CallScope): Promise<ImageRecord> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, locations, deletions, outbox } = repositories;
      const image = await requireBegun(repositories, imageId, identity);
      const { id, status, deleted_at: deletedAt } = image.row;
      if (status !== 'pending_delete') throw notBegun(image);
      const previous = await deletions.previousStatus(id);
      const revived = await locations.revive(id, previous === undefined ? null : deletedAt);
      // An image is never active without data.
      if (revived === 0) throw notBegun(image);
      await images.transition(id, ['pending_delete'], 'active', {
        columns: { deleted: 0, deleted_at: null },
      });
      if (previous === 'deactivated') await images.transition(id, ['active'], 'deactivated');
      await deletions.forget(id);
      const record = requireFound(await images.find(id));
      await outbox.add('image.update', record);
      return present(record, identity);
    });
  }
}

/** The image becomes `deleted`, its children with it, and its id is never used again. */
async function erase(
  { images, members, removals, deletions, usage }: Repositories,
  { row, storedLocations }: LockedImage,
  at: string,
): Promise<void> {
  const freedBytes = countedBytes(row, storedLocations);
  const accounts = await Accounts.open(usage, freedBytes === 0 ? [] : [row.owner]);
  const columns = { deleted: 1, deleted_at: at };
  if (!(await images.transition(row.id, [row.status], 'deleted', { columns }))) {
    throw new Error(`an image cannot become deleted from ${row.status}`);
  }
  await deletions.markChildrenDeleted(row.id, at);
  await members.markAllDeleted(row.id, at);
  await removals.forgetAllOf(row.id);
  await deletions.bury(row.id);
  await deletions.forget(row.id);
  await accounts.add(row.owner, { usedBytes: -freedBytes });
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
