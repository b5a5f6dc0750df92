import type { EndRemoval, Identity, ListRemovals, LocationRemoval } from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { requireService } from '../http/require-service';
import { Accounts, countedBytes } from '../quota/accounts';
import type { Repositories } from '../repositories';

/** Told of an image whose location is back. */
const LOCATION_KEPT = 'A store refused to remove the data of a location';

/** Locations whose data is still to be removed while their images stay, or are deleted already. */
export class RemovalService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async list(query: ListRemovals, identity: Identity, scope: CallScope) {
    // Locations may carry credentials.
    requireService(identity);
    return await this.transactions.read(
      scope,
      async ({ removals }): Promise<LocationRemoval[]> => await removals.list(query),
    );
  }

  /** @returns false when somebody else has ended it, or will with the deletion of the image. */
  async end(
    imageId: string,
    locationId: number,
    { outcome }: EndRemoval,
    identity: Identity,
    scope: CallScope,
  ): Promise<boolean> {
    requireService(identity);
    return await this.transactions.write(scope, async (repositories) => {
      const { images, locations, removals, usage, events } = repositories;
      const image = await images.lock(imageId, identity);
      if (!image || image.row.status === 'pending_delete') return false;
      const { row, storedLocations } = image;
      if (!(await removals.exists(row.id, locationId))) return false;
      if (outcome === 'refused') {
        // What a failed import or a deleted image left is nobody's data: it is tried again.
        if (row.status !== 'active' && row.status !== 'deactivated') return false;
        await locations.restore(locationId);
        await removals.forget(locationId);
        await images.update(row.id, {});
        await events.record(row.id, [{ kind: 'image.updated', reason: LOCATION_KEPT }]);
        return true;
      }
      const freedBytes =
        countedBytes(row, storedLocations) - countedBytes(row, storedLocations - 1);
      const accounts = await Accounts.open(usage, [row.owner]);
      await locations.markOneDeleted(locationId);
      await removals.forget(locationId);
      await accounts.add(row.owner, { usedBytes: -freedBytes });
      return true;
    });
  }
}
