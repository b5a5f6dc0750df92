import type { Identity } from '@glance/common';
import { ADMIN, RegistryWorld, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';

const OWNER = memberOf('sharing-project');
const SOME_TIME = '2026-01-01 00:00:00';

interface StoredMember {
  id: number;
  member: string;
  can_share: number;
  status: string;
  deleted: number;
  deleted_at: string | null;
}

describeEachDatabase('the member service', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const rows = async (imageId: string): Promise<StoredMember[]> =>
    (await world.database
      .knex('image_members')
      .where({ image_id: imageId })
      .orderBy('id')) as StoredMember[];
  const put = (id: string, memberId: string, canShare?: boolean, identity: Identity = OWNER) =>
    world.members.put(
      id,
      memberId,
      { memberQuota: null, ...(canShare === undefined ? {} : { canShare }) },
      identity,
      {},
    );
  const replace = (id: string, ...ids: string[]) =>
    world.members.replace(
      id,
      { members: ids.map((memberId) => ({ memberId })), memberQuota: null },
      OWNER,
      {},
    );
  const remove = (id: string, memberId: string) => world.members.delete(id, memberId, OWNER, {});

  it('takes a removed member back in its own row, safe from a purge', async () => {
    const { id } = await world.create({}, OWNER);
    await put(id, 'friend', true);
    await world.database
      .knex('image_members')
      .where({ image_id: id })
      .update({ status: 'accepted' });
    await remove(id, 'friend');
    const [removed] = await rows(id);
    expect(removed).toMatchObject({ deleted: 1, deleted_at: expect.any(String) });
    await put(id, 'friend');
    const asNew = { id: removed?.id, deleted: 0, deleted_at: null, can_share: 0 };
    expect(await rows(id)).toEqual([expect.objectContaining({ ...asNew, status: 'pending' })]);
    await replace(id);
    await replace(id, 'friend');
    expect(await rows(id)).toEqual([expect.objectContaining(asNew)]);
  });

  it('removes a member again that was removed a moment ago', async () => {
    const { id } = await world.create({}, OWNER);
    for (let round = 0; round < 3; round += 1) {
      await replace(id, 'friend', 'Friend');
      await replace(id);
    }
    await put(id, 'friend');
    await remove(id, 'friend');
    expect(await world.members.list(id, OWNER, {})).toEqual([]);
  });

  it('treats the rows that upstream wrote twice as one member', async () => {
    const { id } = await world.create({}, OWNER);
    for (let count = 0; count < 3; count += 1) await world.share(id, 'twice');
    await world.share(id, 'once');
    expect(await world.members.list(id, OWNER, {})).toHaveLength(2);
    await put(id, 'twice', true);
    const twins = (await rows(id)).filter(({ member }) => member === 'twice');
    expect(twins.map(({ can_share: canShare }) => canShare)).toEqual([1, 1, 1]);
    expect(await world.members.listSharedImages('twice', OWNER, {})).toHaveLength(1);
    await remove(id, 'twice');
    expect(await world.members.list(id, OWNER, {})).toEqual([
      {
        memberId: 'once',
        canShare: false,
        status: 'accepted',
        createdAt: '2026-01-01T00:00:00',
        updatedAt: '2026-01-01T00:00:00',
      },
    ]);
    await expect(remove(id, 'twice')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('removes a row that upstream revived without clearing its time of removal', async () => {
    const { id } = await world.create({}, OWNER);
    await world.share(id, 'friend');
    await world.share(id, 'friend');
    const [first] = await rows(id);
    await world.database
      .knex('image_members')
      .where({ id: first?.id })
      .update({ deleted_at: SOME_TIME });
    await remove(id, 'friend');
    expect((await rows(id)).map(({ deleted }) => deleted)).toEqual([1]);
  });

  it('is in the hands of the new owner after the image changed hands', async () => {
    const { id } = await world.create({}, OWNER);
    await put(id, 'friend');
    await world.images.update(id, { fields: { owner: 'friend' } }, ADMIN, {});
    await expect(put(id, 'other')).rejects.toMatchObject({ code: 'image_not_found' });
    await put(id, 'other', false, memberOf('friend'));
  });

  it('announces each change of a member once, and nothing for what stays', async () => {
    const { id } = await world.create({}, OWNER);
    await put(id, 'a', true);
    await put(id, 'a', true);
    await put(id, 'a', false);
    await replace(id, 'a', 'b');
    await replace(id, 'b');
    await put(id, 'a');
    const refused = world.members.put(id, 'c', { memberQuota: 1 }, OWNER, {});
    await expect(refused).rejects.toMatchObject({ code: 'quota_exceeded' });
    const events = (await world.database
      .knex('registry_outbox')
      .where({ image_id: id })
      .andWhere('event', 'like', 'image.member.%')
      .orderBy('id')) as { event: string; payload: string }[];
    const about = (memberId: string, canShare = false) =>
      expect.objectContaining({
        image_id: id,
        member_id: memberId,
        can_share: canShare,
        status: 'pending',
      }) as unknown;
    expect(events.map(({ event, payload }) => [event, JSON.parse(payload) as unknown])).toEqual([
      ['image.member.create', about('a', true)],
      ['image.member.update', about('a')],
      ['image.member.create', about('b')],
      ['image.member.delete', about('a')],
      ['image.member.create', about('a')],
    ]);
  });

  it('announces a member that is added, answers and goes', async () => {
    const { id } = await world.create({}, OWNER);
    const friend = memberOf('friend');
    await world.members.add(id, { memberId: 'friend', memberQuota: null }, OWNER, {});
    const twice = world.members.add(id, { memberId: 'friend', memberQuota: null }, OWNER, {});
    await expect(twice).rejects.toMatchObject({ code: 'conflict' });
    await world.members.setStatus(id, 'friend', { status: 'accepted' }, friend, {});
    await world.members.remove(id, 'friend', OWNER, {});
    const events = (await world.database
      .knex('registry_outbox')
      .where({ image_id: id })
      .andWhere('event', 'like', 'image.member.%')
      .orderBy('id')) as { event: string; payload: string }[];
    const statusOf = (payload: string) => (JSON.parse(payload) as { status: string }).status;
    expect(events.map(({ event, payload }) => [event, statusOf(payload)])).toEqual([
      ['image.member.create', 'pending'],
      ['image.member.update', 'accepted'],
      ['image.member.delete', 'accepted'],
    ]);
  });

  it('takes an answer for all rows that upstream wrote of a member', async () => {
    const { id } = await world.create({}, OWNER);
    for (let count = 0; count < 2; count += 1) await world.share(id, 'twice', 'pending');
    await world.share(id, 'Twice', 'pending');
    await world.members.setStatus(id, 'twice', { status: 'rejected' }, memberOf('twice'), {});
    const statuses = (await rows(id)).map(({ member, status }) => [member, status]);
    expect(statuses).toEqual([
      ['twice', 'rejected'],
      ['twice', 'rejected'],
      ['Twice', 'pending'],
    ]);
    await world.members.remove(id, 'twice', OWNER, {});
    expect(await world.members.list(id, OWNER, {})).toHaveLength(1);
  });

  it('dates a member who comes back from then, in the row it had', async () => {
    const { id } = await world.create({}, OWNER);
    await world.share(id, 'friend');
    await world.members.remove(id, 'friend', OWNER, {});
    const again = { memberId: 'friend', memberQuota: null };
    const { createdAt, updatedAt } = await world.members.add(id, again, OWNER, {});
    expect(createdAt > '2026-01-01T00:00:00').toBe(true);
    expect(updatedAt).toBe(createdAt);
    expect(await rows(id)).toHaveLength(1);
  });

  it('replaces the longest list that a request can hold', async () => {
    const { id } = await world.create({}, OWNER);
    const many = Array.from({ length: 5000 }, (_, index) => `member-${index}`);
    expect(await replace(id, ...many)).toHaveLength(5000);
    expect(await replace(id, ...many.slice(1).reverse())).toHaveLength(4999);
    expect(await replace(id)).toEqual([]);
    expect(await replace(id, ...many)).toHaveLength(5000);
    expect(await rows(id)).toHaveLength(5000);
  });

  it('gives the first answer again to a call that is repeated', async () => {
    const { id } = await world.create({}, OWNER);
    await put(id, 'friend');
    const scope = { requestKey: { key: `remove-${id}`, operation: 'DELETE friend' } };
    const first = await world.members.delete(id, 'friend', OWNER, scope);
    expect(await world.members.delete(id, 'friend', OWNER, scope)).toEqual(first);
  });

  it('shares nothing when the image is deleted while members are added', async () => {
    const { id } = await world.create({}, OWNER);
    const calls = Array.from({ length: 4 }, (_, index) => put(id, `friend-${index}`));
    const deletion = world.deletions.begin(id, { delayed: false }, OWNER, {});
    const settled = await Promise.allSettled([...calls, deletion]);
    for (const each of settled) {
      if (each.status === 'rejected') {
        expect(each.reason).toMatchObject({ code: 'image_not_found' });
      }
    }
    expect((await rows(id)).filter(({ deleted }) => deleted === 0)).toEqual([]);
  });
});
