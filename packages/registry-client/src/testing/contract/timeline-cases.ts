import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { TIMELINE_LENGTH, type TimelineEntry, type TimelineQuery } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';
import { ImportWorld } from './import-world';

const NO_QUOTA = { memberQuota: null };

export function timelineCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const entriesOf = (
    id: string,
    query: Partial<TimelineQuery> = {},
    caller = world.owner,
  ): Promise<TimelineEntry[]> =>
    world.registry.listTimeline(id, { order: 'asc', limit: 1000, ...query }, caller);
  const told = async (id: string, caller = world.owner): Promise<string[]> =>
    (await entriesOf(id, {}, caller)).map(({ event, step }) => `${event} ${step}`);

  it('tells of an upload from the image to its data, and who did it', async () => {
    const { id } = await world.createActive({}, { sizeBytes: 7 });
    const entries = await entriesOf(id);
    const byOwner = {
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/) as unknown as string,
      userId: `user-${world.mark}`,
      projectId: world.project,
      requestId: world.owner.requestId,
      bytes: null,
      reason: null,
      storeId: null,
      taskId: null,
      memberId: null,
    };
    expect(entries).toEqual([
      { ...byOwner, number: 1, event: 'image', step: 'created' },
      { ...byOwner, number: 2, event: 'upload', step: 'started' },
      { ...byOwner, number: 3, event: 'upload', step: 'stored', bytes: 7 },
    ]);
  });

  it('tells of an upload that came to nothing: how far it came, and why', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    await world.registry.heartbeat(id, uploadId, { bytesReceived: 1234 }, world.owner);
    const failure = { reason: 'for operators', locationUrl: null, message: 'The client is gone' };
    await world.registry.abandonUpload(id, uploadId, failure, world.owner);
    expect((await entriesOf(id)).at(-1)).toMatchObject({
      event: 'upload',
      step: 'failed',
      bytes: 1234,
      reason: 'The client is gone',
    });
    expect(JSON.stringify(await entriesOf(id))).not.toContain('for operators');
  });

  it('tells of an upload whose process died, which nobody did', async () => {
    const { id } = await world.create();
    await world.begin(id);
    await world.underTest.expireLeases();
    const last = (await entriesOf(id)).at(-1);
    expect(last).toMatchObject({ event: 'upload', step: 'failed', userId: null, projectId: null });
    expect(last?.reason).not.toBeNull();
  });

  it('tells of changes, each once, and of none for what is so already or was refused', async () => {
    const { registry, owner } = world;
    const { id } = await world.createActive();
    await registry.updateImage(id, { fields: { name: 'renamed' } }, owner);
    for (const status of ['deactivated', 'deactivated', 'active'] as const) {
      await registry.setImageStatus(id, { status }, world.admin);
    }
    await expectRefusal(registry.updateImage(id, { removeTags: ['none'] }, owner), 'not_found');
    await expectRefusal(
      registry.updateImage(id, { fields: { name: 'taken' } }, world.stranger),
      'image_not_found',
    );
    expect((await told(id)).slice(3)).toEqual([
      'image updated',
      'image deactivated',
      'image reactivated',
    ]);
  });

  it('tells of data that lies elsewhere', async () => {
    const { id } = await world.create();
    const location = {
      url: `https://host.example/${randomUUID()}`,
      metadata: {},
      sizeBytes: 3,
      storageQuotaBytes: null,
    };
    await world.registry.updateImage(id, { location }, world.owner);
    expect(await told(id)).toEqual(['image created', 'image updated', 'image activated']);
    expect((await entriesOf(id)).at(-1)?.bytes).toBe(3);
  });

  it('tells of members', async () => {
    const { registry, owner, memberProject } = world;
    const { id } = await world.create({ visibility: 'shared' });
    await registry.addMember(id, { memberId: memberProject, ...NO_QUOTA }, owner);
    await registry.setMemberStatus(id, memberProject, { status: 'accepted' }, world.member);
    await registry.removeMember(id, memberProject, owner);
    await registry.replaceMembers(
      id,
      { members: [{ memberId: 'a' }, { memberId: 'b' }], ...NO_QUOTA },
      owner,
    );
    const entries = (await entriesOf(id)).slice(1);
    expect(entries.map(({ step, memberId }) => [step, memberId])).toEqual([
      ['added', memberProject],
      ['updated', memberProject],
      ['removed', memberProject],
      ['added', 'a'],
      ['added', 'b'],
    ]);
    // The answer is the member's own.
    expect(entries[1]?.projectId).toBe(memberProject);
  });

  it('tells of an import store by store', async () => {
    const imports = new ImportWorld(world);
    const id = await imports.begun(['one', 'two'], { allStoresMustSucceed: false });
    await imports.fill(id, { sizeBytes: 5 });
    await imports.fail(id, 'The store is full');
    const entries = (await entriesOf(id)).slice(1);
    expect(entries.map(({ step, storeId, reason }) => [step, storeId, reason])).toEqual([
      ['accepted', null, null],
      ['started', null, null],
      ['filling', 'one', null],
      ['filled', 'one', null],
      ['activated', null, null],
      ['filling', 'two', null],
      ['store_failed', 'two', 'The store is full'],
      ['finished', null, null],
    ]);
    expect(new Set(entries.map(({ taskId }) => taskId)).size).toBe(1);
  });

  it('tells of an import that failed, and of one that the deletion of its image ended', async () => {
    const imports = new ImportWorld(world);
    const failed = await imports.begun(['one']);
    await imports.fail(failed, 'The store is full');
    expect((await told(failed)).slice(-2)).toEqual(['import store_failed', 'import failed']);
    expect((await entriesOf(failed)).at(-1)?.reason).toBe('The store is full');
    const deleted = await imports.begun(['one']);
    await world.registry.beginDeletion(deleted, { delayed: false }, world.owner);
    expect((await told(deleted, world.admin)).slice(-2)).toEqual([
      'import failed',
      'image deleted',
    ]);
  });

  it('tells of data that was staged', async () => {
    const id = await new ImportWorld(world).staged({ sizeBytes: 9 });
    const entries = (await entriesOf(id)).slice(1);
    expect(entries.map(({ event, step, bytes }) => [event, step, bytes])).toEqual([
      ['staging', 'started', null],
      ['staging', 'stored', 9],
    ]);
  });

  it('tells of a deletion, taken back and carried out, which admins read to the end', async () => {
    const { registry, owner, admin } = world;
    const { id } = await world.createActive();
    await registry.beginDeletion(id, { delayed: false }, owner);
    await registry.revertDeletion(id, owner);
    await world.remove(id);
    expect((await told(id, admin)).slice(3)).toEqual([
      'image deleted',
      'image restored',
      'image deleted',
      'image erased',
    ]);
    await expectRefusal(entriesOf(id), 'image_not_found');
  });

  it('is for the owner and admins alone', async () => {
    const shared = await world.create({ visibility: 'shared' });
    await world.underTest.addMember(shared.id, world.memberProject, 'accepted');
    const community = await world.create({ visibility: 'community' });
    for (const caller of [world.owner, world.admin]) {
      expect(await told(shared.id, caller)).toEqual(['image created']);
    }
    await expectRefusal(entriesOf(shared.id, {}, world.member), 'forbidden');
    await expectRefusal(entriesOf(shared.id, {}, world.stranger), 'image_not_found');
    for (const caller of [world.stranger, world.anonymous, world.projectless]) {
      await expectRefusal(entriesOf(community.id, {}, caller), 'forbidden');
    }
    await expectRefusal(entriesOf(randomUUID()), 'image_not_found');
  });

  describe('in pages', () => {
    it('goes on after an entry, from either end', async () => {
      const { id } = await world.createActive();
      const numbers = async (query: Partial<TimelineQuery>): Promise<number[]> =>
        (await entriesOf(id, query)).map(({ number }) => number);
      expect(await numbers({ limit: 2 })).toEqual([1, 2]);
      expect(await numbers({ limit: 2, after: 2 })).toEqual([3]);
      expect(await numbers({ order: 'desc', limit: 2 })).toEqual([3, 2]);
      expect(await numbers({ order: 'desc', limit: 2, after: 2 })).toEqual([1]);
      expect(await numbers({ limit: 0 })).toEqual([]);
    });
  });

  it('forgets the oldest entries of an image that has many', async () => {
    const { registry, owner } = world;
    const { id } = await world.create({ visibility: 'shared' });
    const members = Array.from({ length: TIMELINE_LENGTH / 2 }, (_, index) => ({
      memberId: `m-${index}`,
    }));
    for (const wanted of [members, [], members]) {
      await registry.replaceMembers(id, { members: wanted, ...NO_QUOTA }, owner);
    }
    const entries = await entriesOf(id, { limit: 10_000 });
    expect(entries).toHaveLength(TIMELINE_LENGTH);
    expect(entries[0]?.number).toBe(TIMELINE_LENGTH / 2 + 2);
    expect(entries.at(-1)).toMatchObject({ event: 'member', step: 'added' });
  });
}
