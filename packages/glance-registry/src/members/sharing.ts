import {
  checkCountQuota,
  DomainError,
  imageNotFound,
  type Identity,
  type ImageMember,
} from '@glance/common';
import { mayOnlyRead, projectOf } from '../images/visibility';
import type { Repositories } from '../repositories';
import type { MemberRow } from './member-repository';

/** The memberships of one image, as one caller may see and change them. */
export interface Sharing {
  /** Every row, removed ones included. */
  rows: readonly MemberRow[];
  /** One entry for each member that the caller may see. */
  seen: readonly ImageMember[];
  /** Admin, owner, or a member who can share (registry sheet §3.4). */
  mayShare: boolean;
}

/** An image whose memberships nobody else can change until the transaction ends. */
export interface LockedSharing extends Sharing {
  imageId: string;
  /** This moment by the database's clock, as DATETIME columns hold it. */
  now: string;
}

/**
 * @throws DomainError `forbidden` for a caller who only reads; `project_required`;
 * `image_not_found` for an image that is not seen, or deleted.
 */
export async function lockSharing(
  { images, members }: Repositories,
  imageId: string,
  identity: Identity,
): Promise<LockedSharing> {
  if (identity.readOnly) throw mayOnlyRead();
  if (!identity.isAdmin && projectOf(identity) === null) {
    throw new DomainError('project_required', 'No authenticated user');
  }
  const image = await images.lock(imageId, identity);
  if (!image?.visible) throw imageNotFound(imageId);
  const { id, owner, deleted } = image.row;
  checkLive({ id, deleted: deleted !== 0 }, identity);
  return {
    imageId: id,
    now: image.now,
    ...sharingOf(owner, await members.findAll(id), identity),
  };
}

/** An admin is told that the image was there; to everybody else it does not exist. */
export function checkLive(image: { id: string; deleted: boolean }, identity: Identity): void {
  if (!image.deleted) return;
  if (!identity.isAdmin) throw imageNotFound(image.id);
  throw new DomainError('image_not_found', `Image with identifier ${image.id} has been deleted.`, {
    details: { imageId: image.id },
  });
}

export function sharingOf(
  owner: string | null,
  rows: readonly MemberRow[],
  identity: Identity,
): Sharing {
  const members = liveMembers(rows);
  const project = projectOf(identity);
  const isOwn = (member: ImageMember) => member.memberId === project;
  const mayShare =
    identity.isAdmin ||
    (project !== null && owner === project) ||
    members.some((member) => isOwn(member) && member.canShare);
  return { rows, seen: mayShare ? members : members.filter(isOwn), mayShare };
}

/** Of several live rows of a member the first counts. */
export function liveMembers(rows: readonly MemberRow[]): ImageMember[] {
  const members = new Map<string, ImageMember>();
  for (const { id: _row, deleted, ...member } of rows) {
    if (!deleted && !members.has(member.memberId)) members.set(member.memberId, member);
  }
  return [...members.values()];
}

export function checkMemberQuota(attempted: number, maximum: number | null): void {
  checkCountQuota('image members for this image', attempted, maximum);
}

export function checkMayShare({ imageId, mayShare }: LockedSharing): void {
  if (mayShare) return;
  throw new DomainError('forbidden', 'No permission to share that image.', {
    details: { imageId },
  });
}
