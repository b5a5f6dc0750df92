import { DomainError, imageNotFound, type Identity, type ImageMember } from '@glance/common';
import { mayOnlyRead, projectOf } from '../images/visibility';
import type { Repositories } from '../repositories';
import type { MemberRow } from './member-repository';
import { checkLive, liveMembers } from './sharing';

/**
 * The memberships of an image as API v2 has them (sheet §7): only `shared` images have members, the
 * owner manages them and each of them answers for itself. Whether one may share means nothing here.
 */
export interface Memberships {
  imageId: string;
  /** One entry for each member. */
  members: readonly ImageMember[];
  /** The caller manages them: an admin, or the owner. */
  isManager: boolean;
}

/** Memberships that nobody else can change until the transaction ends. */
export interface LockedMemberships extends Memberships {
  /** Every row, removed ones included. */
  rows: readonly MemberRow[];
  /** This moment by the database's clock, as DATETIME columns hold it. */
  now: string;
}

/**
 * @throws DomainError `image_not_found` for an image that is not seen, or deleted; `forbidden` for
 * a caller who only reads, and for an image that is not shared.
 */
export async function lockMemberships(
  { images, members }: Repositories,
  imageId: string,
  identity: Identity,
): Promise<LockedMemberships> {
  const image = await images.lock(imageId, identity);
  if (!image?.visible) throw imageNotFound(imageId);
  const { id, owner, deleted, visibility } = image.row;
  checkLive({ id, deleted: deleted !== 0 }, identity);
  if (identity.readOnly) throw mayOnlyRead();
  if (visibility !== 'shared') {
    throw new DomainError('forbidden', 'Only shared images have members.', {
      details: { imageId: id },
    });
  }
  const rows = await members.findAll(id);
  return { ...membershipsOf({ id, owner }, rows, identity), rows, now: image.now };
}

export function membershipsOf(
  { id, owner }: { id: string; owner: string | null },
  rows: readonly MemberRow[],
  identity: Identity,
): Memberships {
  const isManager = identity.isAdmin || (owner !== null && owner === projectOf(identity));
  return { imageId: id, members: liveMembers(rows), isManager };
}

/** @throws DomainError `not_found` unless there is one that the caller manages or is. */
export function requireMember(
  { imageId, members, isManager }: Memberships,
  memberId: string,
  identity: Identity,
): ImageMember {
  const isSeen = isManager || memberId === projectOf(identity);
  const member = members.find((each) => each.memberId === memberId);
  if (!member || !isSeen) throw memberNotFound(imageId, memberId);
  return member;
}

export function memberNotFound(imageId: string, memberId: string): DomainError {
  return new DomainError(
    'not_found',
    `${memberId} not found in the member list of the image ${imageId}.`,
    { details: { imageId, memberId } },
  );
}

/** @throws DomainError `forbidden` */
export function checkIsManager({ imageId, isManager }: Memberships): void {
  if (isManager) return;
  throw new DomainError('forbidden', 'Only the owner of the image may add or remove members.', {
    details: { imageId },
  });
}

/** @throws DomainError `forbidden`: nobody answers for somebody else, except for an admin. */
export function checkMayAnswer(imageId: string, memberId: string, identity: Identity): void {
  if (identity.isAdmin || memberId === projectOf(identity)) return;
  throw new DomainError('forbidden', 'Only the member itself may accept or reject the image.', {
    details: { imageId, memberId },
  });
}
