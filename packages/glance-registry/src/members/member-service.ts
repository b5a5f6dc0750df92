import {
  DomainError,
  imageNotFound,
  type AddMember,
  type Identity,
  type ImageMember,
  type PutMember,
  type ReplaceMembers,
  type SetMemberStatus,
  type SharedImage,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';
import { grant, remove, type Grants } from './member-changes';
import {
  checkLive,
  checkMayShare,
  checkMemberQuota,
  liveMembers,
  lockSharing,
  sharingOf,
} from './sharing';
import {
  checkIsManager,
  checkMayAnswer,
  lockMemberships,
  memberNotFound,
  membershipsOf,
  requireMember,
} from './shared-image';

/** Sharing of images, as the `Registry` of @glance/registry-client promises. */
export class MemberService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async list(imageId: string, identity: Identity, scope: CallScope): Promise<ImageMember[]> {
    return await this.transactions.read(scope, async ({ images, members }) => {
      const image = await images.findVisible(imageId, identity);
      if (!image) throw imageNotFound(imageId);
      checkLive(image, identity);
      return [...sharingOf(image.owner, await members.findAll(image.id), identity).seen];
    });
  }

  async replace(
    imageId: string,
    request: ReplaceMembers,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageMember[]> {
    const wanted: Grants = new Map();
    for (const { memberId, canShare } of request.members) {
      wanted.set(memberId, canShare ?? wanted.get(memberId));
    }
    return await this.transactions.write(scope, async (repositories) => {
      const sharing = await lockSharing(repositories, imageId, identity);
      checkMemberQuota(wanted.size, request.memberQuota);
      checkMayShare(sharing);
      await remove(repositories, sharing, ({ memberId }) => !wanted.has(memberId));
      await grant(repositories, sharing, wanted);
      return liveMembers(await repositories.members.findAll(sharing.imageId));
    });
  }

  async put(
    imageId: string,
    memberId: string,
    { canShare, memberQuota }: PutMember,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageMember> {
    return await this.transactions.write(scope, async (repositories) => {
      const sharing = await lockSharing(repositories, imageId, identity);
      checkMemberQuota(sharing.seen.length + 1, memberQuota);
      checkMayShare(sharing);
      await grant(repositories, sharing, new Map([[memberId, canShare]]));
      return await findMember(repositories, sharing.imageId, memberId);
    });
  }

  async delete(
    imageId: string,
    memberId: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageMember> {
    return await this.transactions.write(scope, async (repositories) => {
      const sharing = await lockSharing(repositories, imageId, identity);
      checkMayShare(sharing);
      const [removed] = await remove(repositories, sharing, (row) => row.memberId === memberId);
      if (!removed) throw new DomainError('not_found', 'Membership could not be found.');
      return removed;
    });
  }

  async add(
    imageId: string,
    { memberId, memberQuota }: AddMember,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageMember> {
    return await this.transactions.write(scope, async (repositories) => {
      const memberships = await lockMemberships(repositories, imageId, identity);
      checkIsManager(memberships);
      checkMemberQuota(memberships.members.length + 1, memberQuota);
      if (memberships.members.some((member) => member.memberId === memberId)) {
        throw new DomainError(
          'conflict',
          `Project ${memberId} is already associated with image ${memberships.imageId}`,
          { details: { imageId: memberships.imageId, memberId } },
        );
      }
      await grant(repositories, memberships, new Map([[memberId, false]]));
      return await findMember(repositories, memberships.imageId, memberId);
    });
  }

  async get(
    imageId: string,
    memberId: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageMember> {
    return await this.transactions.read(scope, async ({ images, members }) => {
      const image = await images.findVisible(imageId, identity);
      if (!image) throw imageNotFound(imageId);
      checkLive(image, identity);
      if (image.visibility !== 'shared') throw memberNotFound(image.id, memberId);
      const rows = await members.findAll(image.id);
      return requireMember(membershipsOf(image, rows, identity), memberId, identity);
    });
  }

  async setStatus(
    imageId: string,
    memberId: string,
    { status }: SetMemberStatus,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageMember> {
    return await this.transactions.write(scope, async (repositories) => {
      const { members, events } = repositories;
      const memberships = await lockMemberships(repositories, imageId, identity);
      requireMember(memberships, memberId, identity);
      checkMayAnswer(memberships.imageId, memberId, identity);
      const own = memberships.rows.filter((row) => !row.deleted && row.memberId === memberId);
      await members.setStatus(
        own.map(({ id }) => id),
        status,
      );
      const member = await findMember(repositories, memberships.imageId, memberId);
      await events.record(memberships.imageId, [{ kind: 'member.updated', member }]);
      return member;
    });
  }

  /** By the owner, where {@link delete} is for whoever may share. */
  async remove(
    imageId: string,
    memberId: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageMember> {
    return await this.transactions.write(scope, async (repositories) => {
      const memberships = await lockMemberships(repositories, imageId, identity);
      const member = requireMember(memberships, memberId, identity);
      checkIsManager(memberships);
      await remove(repositories, memberships, (row) => row.memberId === memberId);
      return member;
    });
  }

  async listSharedImages(
    memberId: string,
    identity: Identity,
    scope: CallScope,
  ): Promise<SharedImage[]> {
    return await this.transactions.read(scope, ({ members }) =>
      members.findSharedImages(memberId, identity),
    );
  }
}

/** The member as this transaction leaves it. */
async function findMember(
  { members }: Repositories,
  imageId: string,
  memberId: string,
): Promise<ImageMember> {
  const all = liveMembers(await members.findAll(imageId));
  const member = all.find((each) => each.memberId === memberId);
  if (!member) throw new Error('a member row vanished inside a transaction that holds it');
  return member;
}
