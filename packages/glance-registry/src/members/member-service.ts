import {
  DomainError,
  imageNotFound,
  type Identity,
  type ImageMember,
  type PutMember,
  type ReplaceMembers,
  type SharedImage,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';
import type { MemberRow } from './member-repository';
import {
  checkLive,
  checkMayShare,
  checkMemberQuota,
  liveMembers,
  lockSharing,
  sharingOf,
  type LockedSharing,
} from './sharing';

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
      const members = liveMembers(await repositories.members.findAll(sharing.imageId));
      const member = members.find((each) => each.memberId === memberId);
      if (!member) throw new Error('a member row vanished inside a transaction that holds it');
      return member;
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

/** What each member may do: undefined for "as it is, or nothing". */
type Grants = Map<string, boolean | undefined>;

/** Makes live members of those named. Others stay as they are. */
async function grant(
  { members, outbox }: Repositories,
  { imageId, rows }: LockedSharing,
  grants: Grants,
): Promise<void> {
  const rowsOf = new Map<string, MemberRow[]>();
  for (const row of rows) {
    const own = rowsOf.get(row.memberId);
    if (own) own.push(row);
    else rowsOf.set(row.memberId, [row]);
  }
  const missing: { memberId: string; canShare: boolean }[] = [];
  const revived = { true: [] as number[], false: [] as number[] };
  const changed = { true: [] as number[], false: [] as number[] };
  const added = new Set<string>();
  const updated = new Set<string>();
  for (const [memberId, canShare] of grants) {
    const own = rowsOf.get(memberId) ?? [];
    const live = own.filter(({ deleted }) => !deleted);
    const newest = own.at(-1);
    if (live.length > 0) {
      const others = live.filter((row) => canShare !== undefined && row.canShare !== canShare);
      changed[`${canShare ?? false}`].push(...others.map(({ id }) => id));
      if (others.length > 0) updated.add(memberId);
    } else {
      if (newest) revived[`${canShare ?? false}`].push(newest.id);
      else missing.push({ memberId, canShare: canShare ?? false });
      added.add(memberId);
    }
  }
  await members.insert(imageId, missing);
  for (const canShare of [true, false]) {
    await members.revive(revived[`${canShare}`], canShare);
    await members.setCanShare(changed[`${canShare}`], canShare);
  }
  const now = liveMembers(await members.findAll(imageId));
  const isIn = (set: Set<string>) => now.filter(({ memberId }) => set.has(memberId));
  await outbox.addMembers('image.member.create', imageId, isIn(added));
  await outbox.addMembers('image.member.update', imageId, isIn(updated));
}

/** @returns the memberships that there were. */
async function remove(
  { members, outbox }: Repositories,
  { imageId, rows, now }: LockedSharing,
  isGone: (row: MemberRow) => boolean,
): Promise<ImageMember[]> {
  const gone = rows.filter((row) => !row.deleted && isGone(row));
  await members.markDeleted(
    imageId,
    gone.map(({ id }) => id),
    now,
  );
  const removed = liveMembers(gone);
  await outbox.addMembers('image.member.delete', imageId, removed);
  return removed;
}
