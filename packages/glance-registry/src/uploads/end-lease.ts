import { Accounts, countedBytes } from '../quota/accounts';
import type { LockedImage } from '../images/image-repository';
import type { Repositories } from '../repositories';
import type { Lease } from './lease-repository';

/**
 * Ends an upload that came to nothing: the image goes to the status of a failed upload, if it is
 * still this upload's, and the reservation is given back. Image and lease are locked; a lease that
 * the image's deletion made void stays so.
 */
export async function endLease(
  { images, leases, usage }: Repositories,
  image: LockedImage | undefined,
  lease: Lease,
  state: 'abandoned' | 'expired',
): Promise<void> {
  const accounts = await Accounts.open(usage, [lease.owner, image?.row.owner ?? null]);
  if (lease.state === 'live' && image) {
    const before = countedBytes(image.row, image.storedLocations);
    const rolledBack = await images.transition(image.row.id, ['saving'], lease.failureStatus);
    if (rolledBack) await accounts.add(image.row.owner, { usedBytes: -before });
  }
  await accounts.add(lease.owner, { reservedBytes: -lease.reservedBytes });
  await leases.finish(lease.uploadId, lease.state === 'live' ? state : lease.state);
}
