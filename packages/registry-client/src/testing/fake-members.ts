import {
  DomainError,
  type Identity,
  type ImageMember,
  type ReplaceMembers,
  type SharedImage,
} from '@glance/common';
import { isVisibleTo, readOnly, type FakeImage } from './fake-image';

/** What keeps a caller from sharing any image. */
export function checkMayShareAtAll(identity: Identity): void {
  if (identity.readOnly) throw readOnly();
  if (!identity.isAdmin && !identity.projectId) {
    throw new DomainError('project_required', 'No authenticated user');
  }
}

/** For an admin, who sees deleted images. */
export function checkNotDeleted({ record }: FakeImage): void {
  if (!record.deleted) return;
  throw new DomainError('image_not_found', `Image with identifier ${record.id} has been deleted.`);
}

/** The members of a visible image that the caller may see. */
export function listFakeMembers(image: FakeImage, identity: Identity): ImageMember[] {
  checkNotDeleted(image);
  const all = [...image.members].map(([memberId, row]) => ({ memberId, ...row }));
  return mayShare(identity, image)
    ? all
    : all.filter(({ memberId }) => memberId === identity.projectId);
}

export function replaceFakeMembers(
  image: FakeImage,
  wanted: ReplaceMembers['members'],
  quota: number | null,
  identity: Identity,
  now: string,
): void {
  listFakeMembers(image, identity);
  const before = image.members;
  const after: FakeImage['members'] = new Map();
  for (const { memberId, canShare } of wanted) {
    const row = after.get(memberId) ?? before.get(memberId);
    after.set(memberId, changed(row, canShare, now));
  }
  checkMemberQuota(after.size, quota);
  checkMayShare(identity, image);
  image.members = after;
}

export function putFakeMember(
  image: FakeImage,
  memberId: string,
  canShare: boolean | undefined,
  quota: number | null,
  identity: Identity,
  now: string,
): ImageMember {
  checkMemberQuota(listFakeMembers(image, identity).length + 1, quota);
  checkMayShare(identity, image);
  const row = changed(image.members.get(memberId), canShare, now);
  image.members.set(memberId, row);
  return { memberId, ...row };
}

export function deleteFakeMember(
  image: FakeImage,
  memberId: string,
  identity: Identity,
): ImageMember {
  listFakeMembers(image, identity);
  checkMayShare(identity, image);
  const row = image.members.get(memberId);
  if (row === undefined) throw new DomainError('not_found', 'Membership could not be found.');
  image.members.delete(memberId);
  return { memberId, ...row };
}

export function listFakeSharedImages(
  images: Iterable<FakeImage>,
  memberId: string,
  identity: Identity,
): SharedImage[] {
  return [...images]
    .filter((image) => !image.record.deleted && isVisibleTo(identity, image))
    .flatMap((image) =>
      listFakeMembers(image, identity)
        .filter((member) => member.memberId === memberId)
        .map(({ canShare, status }) => ({ imageId: image.record.id, canShare, status })),
    );
}

function changed(
  row: Omit<ImageMember, 'memberId'> | undefined,
  canShare: boolean | undefined,
  now: string,
): Omit<ImageMember, 'memberId'> {
  const current = row ?? { canShare: false, status: 'pending', createdAt: now, updatedAt: now };
  return canShare === undefined || canShare === current.canShare
    ? { ...current }
    : { ...current, canShare, updatedAt: now };
}

/** Admin, owner, or a member who can share (registry sheet 3.4). */
function mayShare(identity: Identity, { record, members }: FakeImage): boolean {
  if (identity.isAdmin) return true;
  if (!identity.projectId) return false;
  if (record.owner === identity.projectId) return true;
  return members.get(identity.projectId)?.canShare === true;
}

function checkMayShare(identity: Identity, image: FakeImage): void {
  if (mayShare(identity, image)) return;
  throw new DomainError('forbidden', 'No permission to share that image.', {
    details: { imageId: image.record.id },
  });
}

export function checkMemberQuota(attempted: number, quota: number | null): void {
  if (quota === null || attempted <= quota) return;
  throw new DomainError(
    'quota_exceeded',
    `The limit has been exceeded on the number of allowed image members for this image. Attempted: ${attempted}, Maximum: ${quota}`,
    { details: { attempted, maximum: quota } },
  );
}
