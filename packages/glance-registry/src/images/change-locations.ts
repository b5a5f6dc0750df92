import {
  DomainError,
  areSamePlaces,
  isSamePlace,
  type ChangeLocations,
  type DataPlace,
  type ImageLocation,
  type ProjectLimits,
} from '@glance/common';
import { endPromise, SUPERSEDED } from '../copies/end-promise';
import { sqlText } from '../db/sql';
import { Accounts, countedBytes } from '../quota/accounts';
import { checkBytes } from '../quota/check-limits';
import type { Repositories } from '../repositories';
import type { LockedImage } from './image-repository';

/**
 * Makes the places of an image that this transaction holds those that are wanted. The rows keep
 * their ids, which order them, and places move between them.
 * @throws DomainError `conflict` for an image that is neither `queued` nor `active`, and when its
 * places are not those that the caller saw; `quota_exceeded`.
 */
export async function changeLocations(
  repositories: Repositories,
  { row, storedLocations }: LockedImage,
  change: ChangeLocations,
  limits: ProjectLimits | undefined,
): Promise<void> {
  const { images, locations, usage } = repositories;
  const rows = await locations.findActive(row.id);
  const isCurrent = areSamePlaces(rows, change.seen);
  if (!isCurrent || (row.status !== 'queued' && row.status !== 'active')) {
    throw new DomainError('conflict', 'The locations of the image have changed meanwhile', {
      details: { imageId: row.id, status: row.status },
    });
  }
  const { kept, removed } = sortOut(rows, change.wanted);
  const added = change.wanted.slice(kept.length);
  const size = row.status === 'queued' ? change.sizeBytes : row.size;
  const addedBytes = countedBytes({ status: 'active', size }, added.length);
  const accounts = await Accounts.open(usage, [row.owner]);
  if (addedBytes > 0) {
    checkBytes(accounts.usageOf(row.owner), addedBytes, change.storageQuotaBytes, limits);
  }

  if (row.status === 'queued') {
    const { checksum, hash } = change;
    await images.transition(row.id, ['queued'], 'active', {
      columns: {
        size: change.sizeBytes,
        ...(checksum === undefined ? {} : { checksum }),
        ...(hash ? { os_hash_algo: hash.algorithm, os_hash_value: hash.value } : {}),
      },
      when: sqlText('images.deleted = 0'),
    });
    await endPromise(repositories, row.id, SUPERSEDED);
  }
  for (const [index, before] of kept.entries()) {
    const place = change.wanted[index];
    if (place && !isSamePlace(before, place)) {
      await locations.rewrite(before.id, place);
    }
  }
  for (const place of added) await locations.insert(row.id, place);
  const released = await takeAway(repositories, row.id, removed, change.delayed === true);
  const releasedBytes =
    countedBytes(row, storedLocations) - countedBytes(row, storedLocations - released);
  await accounts.add(row.owner, { usedBytes: addedBytes - releasedBytes });
}

/** The rows that go on with a place, by URL and in their order, and those whose place is gone. */
function sortOut(rows: readonly ImageLocation[], wanted: readonly DataPlace[]) {
  const open = wanted.map(({ url }) => url);
  const kept: ImageLocation[] = [];
  const removed: ImageLocation[] = [];
  for (const row of rows) {
    const index = open.indexOf(row.url);
    if (index === -1) removed.push(row);
    else {
      open.splice(index, 1);
      kept.push(row);
    }
  }
  return { kept, removed };
}

/**
 * Nobody sees these any more. Their data is to be removed, but not what another location counts on.
 * @returns how many were forgotten at once, for that reason.
 */
async function takeAway(
  { locations, removals }: Repositories,
  imageId: string,
  removed: readonly ImageLocation[],
  delayed: boolean,
): Promise<number> {
  let released = 0;
  for (const { id, url } of removed) {
    await locations.markOneDeleted(id);
    if (await locations.isInUse(url)) {
      released += 1;
      continue;
    }
    await locations.markOnePendingDelete(id);
    await removals.begin(imageId, id, { delayed });
  }
  return released;
}
