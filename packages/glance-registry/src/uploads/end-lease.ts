import { failImportStep } from '../imports/import-steps';
import type { AbandonUpload, ImageStatus } from '@glance/common';
import { Accounts, countedBytes } from '../quota/accounts';
import type { LockedImage } from '../images/image-repository';
import { endPromise } from '../copies/end-promise';
import type { Copy } from '../copies/copy-repository';
import type { Repositories } from '../repositories';
import { LEASE_EVENTS } from './lease-events';
import { STATUS_UNDER_LEASE, type Lease } from './lease-repository';

/**
 * Ends an upload that came to nothing: the image goes to the status of a failed upload, if it is
 * still this upload's, and the reservation is given back. A copy or check is still promised
 * then, unless it has failed for good or used up its attempts. Image and lease are locked; a lease that the image's deletion made void stays so.
 */
export async function endLease(
  repositories: Repositories,
  image: LockedImage | undefined,
  lease: Lease,
  state: 'abandoned' | 'expired',
  how: Pick<AbandonUpload, 'copy' | 'message'> = {},
): Promise<void> {
  const { images, leases, copies, usage, events } = repositories;
  const { copy: copyEnd = 'failed' } = how;
  const accounts = await Accounts.open(usage, [lease.owner, image?.row.owner ?? null]);
  if (lease.state === 'live' && image && isOfImport(lease)) {
    const usedBytes = await failImportStep(repositories, image, lease, state, how);
    await accounts.add(image.row.owner, { usedBytes });
  } else if (lease.state === 'live' && image) {
    const before = countedBytes(image.row, image.storedLocations);
    const isPromised = lease.kind === 'copy' || lease.kind === 'check';
    const copy = isPromised ? await copies.find(image.row.id) : undefined;
    const status = copy ? statusAfterCopy(lease, copyEnd) : lease.failureStatus;
    const columns = copy && status === 'queued' ? { size: copy.sizeBytes } : {};
    const from = [STATUS_UNDER_LEASE[lease.kind]];
    const rolledBack = await images.transition(image.row.id, from, status, { columns });
    if (rolledBack) {
      await accounts.add(image.row.owner, { usedBytes: -before });
      const isOver = status === 'killed' || (copy !== undefined && isCheckOver(copy, copyEnd));
      const reason = failureText(state, how);
      if (isOver) await endPromise(repositories, image.row.id, { failure: reason });
      else if (copy && copyEnd === 'handed_back') await copies.handBack(image.row.id);
      const kind = LEASE_EVENTS[lease.kind][copyEnd === 'handed_back' ? 'interrupted' : 'failed'];
      await events.record(image.row.id, [{ kind, bytes: lease.bytesReceived, reason }]);
    }
  }
  await accounts.add(lease.owner, { reservedBytes: -lease.reservedBytes });
  await leases.finish(lease.uploadId, lease.state === 'live' ? state : lease.state);
}

/** For the timeline, whose readers are users. */
function failureText(
  state: 'abandoned' | 'expired',
  { copy, message }: Pick<AbandonUpload, 'copy' | 'message'>,
): string {
  if (copy === 'handed_back') return 'The service was stopped; it goes on elsewhere';
  if (message !== undefined) return message;
  return state === 'expired'
    ? 'The process that received the data ended, or could not be heard of any more'
    : 'Internal error';
}

/** One store of an import: what its failure means is the import's to say. */
export function isOfImport({ kind }: Lease): boolean {
  return kind === 'import' || kind === 'image_copy';
}

function statusAfterCopy(lease: Lease, end: NonNullable<AbandonUpload['copy']>): ImageStatus {
  if (end === 'handed_back' || lease.kind === 'check') return 'queued';
  return end === 'failed_for_good' ? 'killed' : lease.failureStatus;
}

/** A check never kills its image: it is forgotten. */
function isCheckOver(
  { check, isLastAttempt }: Copy,
  end: NonNullable<AbandonUpload['copy']>,
): boolean {
  if (!check || end === 'handed_back') return false;
  return end === 'failed_for_good' || isLastAttempt;
}
