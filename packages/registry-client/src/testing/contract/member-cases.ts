import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ImageMember, MemberStatus } from '@glance/common';
import type { CallContext } from '../../registry';
import { expectRefusal, sorted, type ContractWorld, type NewWorld } from './contract-world';

const NO_QUOTA = { memberQuota: null };

function timeless({ createdAt: _created, updatedAt: _updated, ...member }: ImageMember) {
  return member;
}

export function memberCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const member = (memberId: string, canShare = false, status: MemberStatus = 'pending') => ({
    memberId,
    canShare,
    status,
  });
  const put = async (id: string, memberId: string, canShare?: boolean, caller = world.owner) =>
    timeless(
      await world.registry.putMember(
        id,
        memberId,
        canShare === undefined ? NO_QUOTA : { ...NO_QUOTA, canShare },
        caller,
      ),
    );
  const replace = async (
    id: string,
    members: { memberId: string; canShare?: boolean }[],
    caller = world.owner,
    memberQuota: number | null = null,
  ) => (await world.registry.replaceMembers(id, { members, memberQuota }, caller)).map(timeless);
  const listed = async (id: string, caller = world.admin) =>
    sorted((await world.registry.listMembers(id, caller)).map(timeless));

  const CHANGES: [string, (id: string, caller: CallContext) => Promise<unknown>][] = [
    ['putting a member', (id, caller) => put(id, 'friend', true, caller)],
    ['replacing all members', (id, caller) => replace(id, [{ memberId: 'friend' }], caller)],
    ['deleting a member', (id, caller) => world.registry.deleteMember(id, 'friend', caller)],
  ];

  it('adds a member who may not share unless it is said, and shows the image to it', async () => {
    const { id } = await world.create();
    await expectRefusal(world.registry.getImage(id, world.member), 'image_not_found');
    await expect(put(id, world.memberProject)).resolves.toEqual(member(world.memberProject));
    await put(id, 'friend', true);
    expect(await listed(id)).toEqual(sorted([member(world.memberProject), member('friend', true)]));
    await expect(world.registry.getImage(id, world.member)).resolves.toMatchObject({ id });
    expect(await world.listed({ memberStatus: 'all' }, world.member)).toEqual([id]);
    // Nobody's list grows without consent (OSSN-0005).
    expect(await world.listed({}, world.member)).toEqual([]);
  });

  it('keeps what a member may do unless something is said about it', async () => {
    const { id } = await world.create();
    await put(id, 'friend', true);
    await expect(put(id, 'friend')).resolves.toEqual(member('friend', true));
    await expect(put(id, 'friend', false)).resolves.toEqual(member('friend'));
    expect(await listed(id)).toEqual([member('friend')]);
  });

  it('keeps the answer of a member to the invitation', async () => {
    const { id } = await world.create();
    await world.underTest.addMember(id, 'friend', 'accepted');
    await put(id, 'friend', true);
    expect(await listed(id)).toEqual([member('friend', true, 'accepted')]);
    expect(await replace(id, [{ memberId: 'friend', canShare: false }])).toEqual([
      member('friend', false, 'accepted'),
    ]);
  });

  it('takes members apart by code points', async () => {
    const { id } = await world.create();
    const ids = ['Ab', 'aB', 'é', 'e', 'a/b?c=d#e%', 'a b', '...', '__proto__'];
    for (const memberId of ids) await put(id, memberId);
    expect(await listed(id)).toEqual(sorted(ids.map((memberId) => member(memberId))));
    await replace(id, []);
    expect(await listed(id)).toEqual([]);
  });

  it('removes a member, who does not see the image any more', async () => {
    const { id } = await world.create();
    await put(id, world.memberProject, true);
    const removed = await world.registry.deleteMember(id, world.memberProject, world.owner);
    expect(timeless(removed)).toEqual(member(world.memberProject, true));
    expect(await listed(id)).toEqual([]);
    await expectRefusal(world.registry.getImage(id, world.member), 'image_not_found');
    const again = world.registry.deleteMember(id, world.memberProject, world.owner);
    await expectRefusal(again, 'not_found');
  });

  it('takes a removed member back as a new one', async () => {
    const { id } = await world.create();
    await world.underTest.addMember(id, 'friend', 'accepted');
    await put(id, 'friend', true);
    await world.registry.deleteMember(id, 'friend', world.owner);
    await expect(put(id, 'friend')).resolves.toEqual(member('friend'));
    await replace(id, []);
    expect(await replace(id, [{ memberId: 'friend' }])).toEqual([member('friend')]);
    await replace(id, []);
    await expect(put(id, 'friend', true)).resolves.toEqual(member('friend', true));
  });

  it('replaces all members at once', async () => {
    const { id } = await world.create();
    await put(id, 'stays', true);
    await put(id, 'changes', true);
    await put(id, 'goes', true);
    const after = await replace(id, [
      { memberId: 'stays' },
      { memberId: 'changes', canShare: false },
      { memberId: 'comes' },
      { memberId: 'comes-sharing', canShare: true },
    ]);
    expect(sorted(after)).toEqual(
      sorted([
        member('stays', true),
        member('changes'),
        member('comes'),
        member('comes-sharing', true),
      ]),
    );
    expect(await listed(id)).toEqual(sorted(after));
    expect(await replace(id, [])).toEqual([]);
    expect(await listed(id)).toEqual([]);
  });

  it('takes an id that is named twice for one member', async () => {
    const { id } = await world.create();
    const twice = { memberId: 'twice' };
    const both = [{ ...twice, canShare: true }, twice];
    expect(await replace(id, both, world.owner, 1)).toEqual([member('twice', true)]);
    expect(await replace(id, [twice, { ...twice, canShare: false }])).toEqual([member('twice')]);
  });

  it('limits the members of an image and changes nothing beyond the limit', async () => {
    const { id } = await world.create();
    const { registry, owner } = world;
    const friends = ['a', 'b', 'c'].map((memberId) => ({ memberId }));
    await expectRefusal(registry.putMember(id, 'a', { memberQuota: 0 }, owner), 'quota_exceeded');
    await registry.putMember(id, 'a', { memberQuota: 1 }, owner);
    await expectRefusal(registry.putMember(id, 'b', { memberQuota: 1 }, owner), 'quota_exceeded');
    // Upstream counts a change of a member as one more.
    await expectRefusal(
      registry.putMember(id, 'a', { canShare: true, memberQuota: 1 }, owner),
      'quota_exceeded',
    );
    await expectRefusal(
      registry.replaceMembers(id, { members: friends, memberQuota: 2 }, owner),
      'quota_exceeded',
    );
    expect(await listed(id)).toEqual([member('a')]);
    await registry.replaceMembers(id, { members: friends, memberQuota: 3 }, owner);
    await registry.deleteMember(id, 'a', owner);
    await registry.putMember(id, 'd', { memberQuota: 3 }, owner);
    expect(await listed(id)).toEqual(['b', 'c', 'd'].map((memberId) => member(memberId)));
  });

  it('keeps the limit when many are added at once', async () => {
    const { id } = await world.create();
    const calls = Array.from({ length: 8 }, (_, index) =>
      world.registry.putMember(id, `friend-${index}`, { memberQuota: 3 }, world.owner),
    );
    await Promise.allSettled(calls);
    expect(await listed(id)).toHaveLength(3);
  });

  it('makes one membership of one member that is added many times at once', async () => {
    const { id } = await world.create();
    await Promise.all(Array.from({ length: 6 }, () => put(id, 'friend')));
    expect(await listed(id)).toEqual([member('friend')]);
  });

  it.each(['', '.', '..', 'x'.repeat(256), '\u{1f600}', '\ud800', 'a\0'])(
    'refuses the member id %j',
    async (memberId) => {
      const { id } = await world.create();
      const { registry, owner } = world;
      await expectRefusal(put(id, memberId), 'invalid_request');
      await expectRefusal(replace(id, [{ memberId }]), 'invalid_request');
      await expectRefusal(registry.deleteMember(id, memberId, owner), 'invalid_request');
      await expectRefusal(registry.listSharedImages(memberId, owner), 'invalid_request');
    },
  );

  describe.each(CHANGES)('%s', (_change, apply) => {
    it.each(['public', 'community', 'shared', 'private'] as const)(
      'of a %s image is for admins, the owner and who may share it',
      async (visibility) => {
        const { id } = await world.create({ visibility });
        for (const caller of [world.admin, world.owner]) {
          await put(id, 'friend');
          await apply(id, caller);
        }
        const isOpen = visibility === 'public' || visibility === 'community';
        await expectRefusal(apply(id, world.stranger), isOpen ? 'forbidden' : 'image_not_found');
        await expectRefusal(apply(id, world.projectless), 'project_required');
        await expectRefusal(apply(id, world.anonymous), 'forbidden');
        await put(id, 'friend');
        await put(id, world.memberProject);
        const isSeen = visibility !== 'private';
        await expectRefusal(apply(id, world.member), isSeen ? 'forbidden' : 'image_not_found');
        expect((await listed(id)).map(({ memberId }) => memberId)).toContain('friend');
        await put(id, world.memberProject, true);
        if (isSeen) await apply(id, world.member);
        else await expectRefusal(apply(id, world.member), 'image_not_found');
      },
    );

    it('of an image without owner is for admins', async () => {
      const { id } = await world.create({ owner: null, visibility: 'public' }, world.admin);
      await put(id, 'friend', false, world.admin);
      await expectRefusal(apply(id, world.owner), 'forbidden');
      await expectRefusal(apply(id, world.projectless), 'project_required');
      await expectRefusal(apply(id, world.as({ projectId: '' })), 'project_required');
      await apply(id, world.admin);
    });

    it('of no image, or of one that is deleted, finds none', async () => {
      const { id } = await world.create();
      await put(id, 'friend');
      await world.remove(id);
      for (const caller of [world.owner, world.admin]) {
        await expectRefusal(apply(id, caller), 'image_not_found');
        await expectRefusal(apply('no-such-image', caller), 'image_not_found');
      }
      const asAdmin = apply(id, world.admin);
      await expect(asAdmin).rejects.toThrow(`Image with identifier ${id} has been deleted.`);
    });

    it('of an image whose deletion has begun finds none', async () => {
      const { id } = await world.createActive();
      await put(id, 'friend');
      await world.registry.beginDeletion(id, { delayed: false }, world.owner);
      await expectRefusal(apply(id, world.owner), 'image_not_found');
      await expectRefusal(world.registry.listMembers(id, world.owner), 'image_not_found');
      await world.registry.revertDeletion(id, world.owner);
      expect(await listed(id)).toEqual([member('friend')]);
      await apply(id, world.owner);
    });
  });

  it('lets a member who may share see and change all members', async () => {
    const { id } = await world.create();
    await put(id, world.memberProject, true);
    await put(id, 'friend');
    expect(await listed(id, world.member)).toHaveLength(2);
    await world.registry.deleteMember(id, 'friend', world.member);
    await replace(id, [{ memberId: 'other' }], world.member);
    expect(await listed(id)).toEqual([member('other')]);
    await expectRefusal(world.registry.listMembers(id, world.member), 'image_not_found');
  });

  it('shows all members to who may share the image, to others what names them', async () => {
    const shared = await world.create({ visibility: 'shared' });
    const open = await world.create({ visibility: 'public' });
    for (const { id } of [shared, open]) {
      await put(id, 'friend');
      await put(id, world.memberProject);
      const all = sorted([member('friend'), member(world.memberProject)]);
      expect(await listed(id, world.owner)).toEqual(all);
      expect(await listed(id, world.admin)).toEqual(all);
      expect(await listed(id, world.member)).toEqual([member(world.memberProject)]);
    }
    for (const caller of [world.stranger, world.projectless, world.anonymous]) {
      await expectRefusal(world.registry.listMembers(shared.id, caller), 'image_not_found');
      expect(await listed(open.id, caller)).toEqual([]);
    }
  });

  it('has no members of a deleted image, and says so to admins', async () => {
    const { id } = await world.create();
    await world.remove(id);
    await expectRefusal(world.registry.listMembers(id, world.owner), 'image_not_found');
    const asAdmin = world.registry.listMembers(id, world.admin);
    await expect(asAdmin).rejects.toMatchObject({
      code: 'image_not_found',
      message: `Image with identifier ${id} has been deleted.`,
    });
    await expectRefusal(
      world.registry.listMembers('no-such-image', world.admin),
      'image_not_found',
    );
  });

  it('lists what is shared with a project to whom may know', async () => {
    const { registry, memberProject } = world;
    const first = await world.create();
    const second = await world.create();
    const foreign = await world.create({}, world.stranger);
    const gone = await world.createActive();
    const closed = await world.create({ visibility: 'private' });
    await put(first.id, memberProject, true);
    for (const { id } of [second, gone, closed]) await put(id, memberProject);
    await put(foreign.id, memberProject, false, world.stranger);
    await registry.beginDeletion(gone.id, { delayed: false }, world.owner);

    const sharedFor = async (caller: CallContext, project = memberProject) =>
      sorted((await registry.listSharedImages(project, caller)).map(({ imageId }) => imageId));
    expect(await sharedFor(world.admin)).toEqual(
      sorted([first.id, second.id, foreign.id, closed.id]),
    );
    expect(await sharedFor(world.owner)).toEqual(sorted([first.id, second.id, closed.id]));
    expect(await sharedFor(world.stranger)).toEqual([foreign.id]);
    // What is private again is not there for a membership that is left over.
    expect(await sharedFor(world.member)).toEqual(sorted([first.id, second.id, foreign.id]));
    for (const caller of [world.projectless, world.anonymous]) {
      expect(await sharedFor(caller)).toEqual([]);
    }
    await put(first.id, 'friend');
    await put(second.id, 'friend');
    expect(await sharedFor(world.member, 'friend')).toEqual([first.id]);
    expect(await sharedFor(world.admin, `nobody-${world.mark}`)).toEqual([]);
    const mine = await registry.listSharedImages(memberProject, world.member);
    expect(mine).toContainEqual({ imageId: first.id, canShare: true, status: 'pending' });
    expect(mine).toContainEqual({ imageId: second.id, canShare: false, status: 'pending' });
  });
}
