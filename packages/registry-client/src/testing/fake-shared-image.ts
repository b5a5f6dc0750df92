import {
  DomainError,
  type AddMember,
  type Identity,
  type ImageMember,
  type MemberStatus,
} from '@glance/common';
import { readOnly, type FakeImage } from './fake-image';
import { checkMemberQuota, checkNotDeleted } from './fake-members';

/*
 * Members as API v2 has them: of `shared` images only, in the hands of the owner, and each answers
 * for itself. What a member may share means nothing here.
 */

export function addFakeMember(
  image: FakeImage,
  { memberId, memberQuota }: AddMember,
  identity: Identity,
  now: string,
): ImageMember {
  checkMayChangeMembers(image, identity);
  checkIsManager(image, identity);
  checkMemberQuota(image.members.size + 1, memberQuota);
  if (image.members.has(memberId)) {
    throw new DomainError(
      'conflict',
      `Project ${memberId} is already associated with image ${image.record.id}`,
      { details: { imageId: image.record.id, memberId } },
    );
  }
  const row = { canShare: false, status: 'pending', createdAt: now, updatedAt: now } as const;
  image.members.set(memberId, row);
  return { memberId, ...row };
}

export function getFakeMember(image: FakeImage, memberId: string, identity: Identity): ImageMember {
  checkNotDeleted(image);
  const row = image.members.get(memberId);
  const isSeen = isManager(image, identity) || memberId === identity.projectId;
  if (!row || !isSeen || image.record.visibility !== 'shared') {
    throw new DomainError('not_found', `The image has no member ${memberId}.`);
  }
  return { memberId, ...row };
}

export function setFakeMemberStatus(
  image: FakeImage,
  memberId: string,
  status: MemberStatus,
  identity: Identity,
  now: string,
): ImageMember {
  checkMayChangeMembers(image, identity);
  const { memberId: _id, ...row } = getFakeMember(image, memberId, identity);
  if (!identity.isAdmin && memberId !== identity.projectId) throw notPermitted(image);
  const answered = { ...row, status, updatedAt: now };
  image.members.set(memberId, answered);
  return { memberId, ...answered };
}

export function removeFakeMember(
  image: FakeImage,
  memberId: string,
  identity: Identity,
): ImageMember {
  checkMayChangeMembers(image, identity);
  const member = getFakeMember(image, memberId, identity);
  checkIsManager(image, identity);
  image.members.delete(memberId);
  return member;
}

function isManager({ record }: FakeImage, identity: Identity): boolean {
  return identity.isAdmin || (record.owner !== null && record.owner === identity.projectId);
}

function checkMayChangeMembers(image: FakeImage, identity: Identity): void {
  checkNotDeleted(image);
  if (identity.readOnly) throw readOnly();
  if (image.record.visibility !== 'shared') {
    throw new DomainError('forbidden', 'Only shared images have members.');
  }
}

function checkIsManager(image: FakeImage, identity: Identity): void {
  if (!isManager(image, identity)) throw notPermitted(image);
}

function notPermitted({ record }: FakeImage): DomainError {
  return new DomainError('forbidden', 'You are not permitted to change this member.', {
    details: { imageId: record.id },
  });
}
