import { beforeEach, describe, expect, it } from '@jest/globals';
import { MEMBER_STATUSES, type MemberStatus } from '@glance/common';
import type { CallContext } from '../../registry';
import {
  countWinners,
  expectRefusal,
  sorted,
  type ContractWorld,
  type NewWorld,
} from './contract-world';

/** Members as API v2 has them (sheet §7). */
export function sharedImageCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let id: string;

  beforeEach(async () => {
    world = newWorld();
    id = (await world.create({ visibility: 'shared' })).id;
  });

  const add = (memberId: string, caller = world.owner, memberQuota: number | null = null) =>
    world.registry.addMember(id, { memberId, memberQuota }, caller);
  const get = (memberId: string, caller = world.owner) =>
    world.registry.getMember(id, memberId, caller);
  const answer = (memberId: string, status: MemberStatus, caller = world.member) =>
    world.registry.setMemberStatus(id, memberId, { status }, caller);
  const remove = (memberId: string, caller = world.owner) =>
    world.registry.removeMember(id, memberId, caller);
  const mayShare = (memberId: string) =>
    world.registry.putMember(id, memberId, { canShare: true, memberQuota: null }, world.owner);
  const memberIds = async () =>
    sorted((await world.registry.listMembers(id, world.admin)).map(({ memberId }) => memberId));

  /** `friend` is a member, and so is the caller `member`. */
  const CALLS: [string, (caller: CallContext) => Promise<unknown>][] = [
    ['adding', (caller) => add('another', caller)],
    ['showing', (caller) => get('friend', caller)],
    ['answering', (caller) => answer('friend', 'accepted', caller)],
    ['removing', (caller) => remove('friend', caller)],
  ];

  it('adds a member who has not answered, and shows the image to it', async () => {
    const member = await add(world.memberProject);
    expect(member).toEqual({
      memberId: world.memberProject,
      canShare: false,
      status: 'pending',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/),
      updatedAt: member.createdAt,
    });
    expect(await get(world.memberProject)).toEqual(member);
    expect(await world.registry.listMembers(id, world.owner)).toEqual([member]);
    expect(await world.registry.getImage(id, world.member)).toMatchObject({ id });
    expect(await world.listed({}, world.member)).toEqual([]);
    expect(await world.listed({ memberStatus: 'pending' }, world.member)).toEqual([id]);
  });

  it('refuses to add a member again', async () => {
    await add('friend');
    await answer('friend', 'accepted', world.admin);
    await expect(add('friend')).rejects.toMatchObject({
      code: 'conflict',
      message: `Project friend is already associated with image ${id}`,
    });
    expect(await get('friend')).toMatchObject({ status: 'accepted' });
    await add('Friend');
    expect(await memberIds()).toEqual(['Friend', 'friend']);
  });

  it('adds a member once when that is asked many times at once', async () => {
    const calls = Array.from({ length: 6 }, () => add('friend'));
    expect(await countWinners(calls, 'conflict')).toBe(1);
  });

  it('looks at the quota before it looks who is a member', async () => {
    await add('friend', world.owner, 1);
    await expect(add('friend', world.owner, 1)).rejects.toMatchObject({
      code: 'quota_exceeded',
      details: { attempted: 2, maximum: 1 },
    });
    await expectRefusal(add('another', world.owner, 1), 'quota_exceeded');
    expect(await memberIds()).toEqual(['friend']);
    const calls = Array.from({ length: 6 }, (_, index) => add(`m${index}`, world.owner, 4));
    expect(await countWinners(calls, 'quota_exceeded')).toBe(3);
  });

  it.each(['', '.', '..', 'x'.repeat(256), '\u{1f600}', 'a\0'])(
    'knows no member %j',
    async (memberId) => {
      await expectRefusal(add(memberId), 'invalid_request');
      await expectRefusal(get(memberId), 'invalid_request');
      await expectRefusal(answer(memberId, 'accepted'), 'invalid_request');
      await expectRefusal(remove(memberId), 'invalid_request');
    },
  );

  it('lets a member change its answer as often as it likes', async () => {
    await add(world.memberProject);
    for (const status of [...MEMBER_STATUSES, ...MEMBER_STATUSES]) {
      const answered = await answer(world.memberProject, status);
      expect(answered).toMatchObject({ memberId: world.memberProject, status });
      expect(await get(world.memberProject, world.member)).toEqual(answered);
      expect(await world.listed({ memberStatus: status }, world.member)).toEqual([id]);
    }
    expect(await answer(world.memberProject, 'accepted', world.admin)).toMatchObject({
      status: 'accepted',
    });
  });

  it('knows three answers', async () => {
    await add(world.memberProject);
    const call = answer(world.memberProject, 'perhaps' as MemberStatus);
    await expectRefusal(call, 'invalid_request');
  });

  it('keeps the owner from answering for a member, unless it is one itself', async () => {
    await add(world.memberProject);
    await expectRefusal(answer(world.memberProject, 'accepted', world.owner), 'forbidden');
    await expectRefusal(answer('nobody', 'accepted', world.owner), 'not_found');
    await add(world.project);
    expect(await answer(world.project, 'rejected', world.owner)).toMatchObject({
      status: 'rejected',
    });
    expect(await get(world.memberProject)).toMatchObject({ status: 'pending' });
  });

  it('shows a member itself only, also one who may share by API v1', async () => {
    await add(world.memberProject);
    await add('friend');
    await mayShare(world.memberProject);
    expect(await get(world.memberProject, world.member)).toMatchObject({ canShare: true });
    await expectRefusal(get('friend', world.member), 'not_found');
    await expectRefusal(answer('friend', 'accepted'), 'not_found');
    await expectRefusal(remove('friend', world.member), 'not_found');
    await expectRefusal(remove(world.memberProject, world.member), 'forbidden');
    await expectRefusal(add('another', world.member), 'forbidden');
    expect(await memberIds()).toEqual(sorted(['friend', world.memberProject]));
  });

  it('takes projects apart by code points', async () => {
    const upper = world.as({ projectId: world.memberProject.toUpperCase() });
    await add(world.memberProject);
    await expectRefusal(get(world.memberProject, upper), 'image_not_found');
    await expectRefusal(answer(world.memberProject, 'accepted', upper), 'image_not_found');
    await expectRefusal(get(world.memberProject.toUpperCase()), 'not_found');
    await add(world.memberProject.toUpperCase());
    await expectRefusal(get(world.memberProject, upper), 'not_found');
    await expectRefusal(answer(world.memberProject, 'accepted', upper), 'not_found');
  });

  it('removes a member, who does not see the image any more', async () => {
    const member = await add(world.memberProject);
    expect(await remove(world.memberProject)).toEqual(member);
    expect(await memberIds()).toEqual([]);
    await expectRefusal(get(world.memberProject), 'not_found');
    await expectRefusal(remove(world.memberProject), 'not_found');
    await expectRefusal(get(world.memberProject, world.member), 'image_not_found');
    await add('friend');
    expect(await remove('friend', world.admin)).toMatchObject({ memberId: 'friend' });
  });

  it('takes a removed member back as a new one', async () => {
    await world.underTest.addMember(id, world.memberProject, 'accepted');
    await mayShare(world.memberProject);
    await remove(world.memberProject);
    const again = await add(world.memberProject);
    expect(again).toMatchObject({ canShare: false, status: 'pending' });
    expect(again.updatedAt).toBe(again.createdAt);
  });

  it('keeps memberships while the image is not shared', async () => {
    await add(world.memberProject);
    const accepted = await answer(world.memberProject, 'accepted');
    for (const visibility of ['private', 'public', 'community'] as const) {
      await world.registry.updateImage(id, { fields: { visibility } }, world.owner);
      await expectRefusal(get(world.memberProject, world.admin), 'not_found');
      expect(await world.listed({ visibility: ['shared'] }, world.member)).toEqual([]);
    }
    await world.registry.updateImage(id, { fields: { visibility: 'shared' } }, world.owner);
    expect(await get(world.memberProject, world.member)).toEqual(accepted);
    expect(await world.listed({}, world.member)).toEqual([id]);
  });

  describe.each(CALLS)('%s', (name, call) => {
    beforeEach(async () => {
      await add('friend');
      await add(world.memberProject);
    });

    it('is nothing for whom the image is hidden from', async () => {
      for (const caller of [world.stranger, world.projectless, world.anonymous]) {
        await expectRefusal(call(caller), 'image_not_found');
      }
    });

    it('changes nothing for a caller who only reads', async () => {
      const reader = world.as({ projectId: world.project, readOnly: true });
      const outcome = call(reader);
      if (name === 'showing') await outcome;
      else await expectRefusal(outcome, 'forbidden');
    });

    it.each(['public', 'community', 'private'] as const)(
      'is not for %s images',
      async (visibility) => {
        await world.registry.updateImage(id, { fields: { visibility } }, world.owner);
        const code = name === 'showing' ? 'not_found' : 'forbidden';
        const isOpen = visibility !== 'private';
        for (const caller of [world.owner, world.admin]) {
          await expectRefusal(call(caller), code);
        }
        for (const caller of [world.stranger, world.member]) {
          await expectRefusal(call(caller), isOpen ? code : 'image_not_found');
        }
        if (name === 'showing') return;
        await expect(call(world.owner)).rejects.toThrow('Only shared images have members.');
      },
    );

    it('of a deleted image, or none, finds no image', async () => {
      await world.remove(id);
      for (const caller of [world.owner, world.admin]) {
        await expectRefusal(call(caller), 'image_not_found');
      }
      id = 'no-such-image';
      await expectRefusal(call(world.owner), 'image_not_found');
    });

    it('of an image without owner is for admins', async () => {
      const image = await world.create({ owner: null, visibility: 'shared' }, world.admin);
      id = image.id;
      await add('friend', world.admin);
      for (const caller of [world.owner, world.projectless, world.as({ projectId: '' })]) {
        await expectRefusal(call(caller), name === 'adding' ? 'forbidden' : 'not_found');
      }
      await call(world.admin);
    });
  });
}
