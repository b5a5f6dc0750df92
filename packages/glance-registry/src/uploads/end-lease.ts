import type { AbandonUpload, ImageStatus } from '@glance/common';
import { Accounts, countedBytes } from '../quota/accounts';
import type { LockedImage } from '../images/image-repository';
import type { Repositories } from '../repositories';
import type { Lease } from './lease-repository';

/**
 * Ends an upload that came to nothing: the image goes to the status of a failed upload, if it is
 * still this upload's, and the reservation is given back. A copy is still promised then, unless the
 * image is killed. Image and lease are locked; a lease that the image's deletion made void stays so.
 */
export async function endLease(
  { images, leases, copies, usage }: Repositories,
  image: LockedImage | undefined,
  lease: Lease,
  state: 'abandoned' | 'expired',
  copyEnd: AbandonUpload['copy'] = 'failed',
): Promise<void> {
  const accounts = await Accounts.open(usage, [lease.owner, image?.row.owner ?? null]);
  if (lease.state === 'live' && image) {
    const before = countedBytes(image.row, image.storedLocations);
    const copy = lease.kind === 'copy' ? await copies.find(image.row.id) : undefined;
    const status = copy ? statusAfterCopy(lease, copyEnd) : lease.failureStatus;
    const columns = copy && status === 'queued' ? { size: copy.sizeBytes } : {};
    const rolledBack = await images.transition(image.row.id, ['saving'], status, { columns });
    if (rolledBack) {
      await accounts.add(image.row.owner, { usedBytes: -before });
      if (status === 'killed') await copies.forget(image.row.id);
      else if (copy && copyEnd === 'handed_back') await copies.handBack(image.row.id);
    }
  }
  await accounts.add(lease.owner, { reservedBytes: -lease.reservedBytes });
  await leases.finish(lease.uploadId, lease.state === 'live' ? state : lease.state);
}

function statusAfterCopy(lease: Lease, end: NonNullable<AbandonUpload['copy']>): ImageStatus {
  if (end === 'handed_back') return 'queued';
  return end === 'failed_for_good' ? 'killed' : lease.failureStatus;
}
