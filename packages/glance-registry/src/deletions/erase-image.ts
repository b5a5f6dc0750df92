import type { LockedImage } from '../images/image-repository';
import { Accounts, countedBytes } from '../quota/accounts';
import type { Repositories } from '../repositories';

/** The image becomes `deleted`, its children with it, and its id is never used again. */
export async function eraseImage(
  { images, members, deletions, usage }: Repositories,
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
  await deletions.bury(row.id);
  await deletions.forget(row.id);
  await accounts.add(row.owner, { usedBytes: -freedBytes });
}
