import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from '@jest/globals';
import type { JudgeBlobs, UnownedBlob } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

/** Whose the blobs of a store are, and who looks. */
export function blobCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let storeId: string;

  beforeEach(() => {
    world = newWorld();
    storeId = `store-${world.mark}`;
  });

  const judge = (
    names: string[],
    overrides: Partial<JudgeBlobs> = {},
    caller = world.service,
  ): Promise<UnownedBlob[]> =>
    world.registry.judgeBlobs(
      {
        storeId,
        confirmAfterSeconds: 0,
        blobs: names.map((name) => ({ name, locationUrl: `file:///images/${name}` })),
        ...overrides,
      },
      caller,
    );
  const unownedOf = async (...names: string[]) => (await judge(names)).map(({ name }) => name);
  const located = (url: string) => ({ location: { url, metadata: {} } });

  it('are nobody’s when no image has them, and orphans at the second look', async () => {
    const names = [randomUUID(), `${randomUUID()}.${randomUUID()}`];
    const first = await judge(names);
    expect(first.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(first.map(({ isOrphan }) => isOrphan)).toEqual([false, false]);
    const second = await judge(names);
    expect(second.map(({ isOrphan }) => isOrphan)).toEqual([true, true]);
    expect(second[0]?.firstSeenAt).toBe(first[0]?.firstSeenAt);
  });

  it('are no orphans before the time between two looks is over', async () => {
    const name = randomUUID();
    await judge([name], { confirmAfterSeconds: 3600 });
    expect(await judge([name], { confirmAfterSeconds: 3600 })).toMatchObject([{ isOrphan: false }]);
  });

  it('are looked at store by store', async () => {
    const name = randomUUID();
    await judge([name]);
    expect(await judge([name], { storeId: `other-${world.mark}` })).toMatchObject([
      { isOrphan: false },
    ]);
  });

  it('may be named twice, for a store of several directories', async () => {
    const name = randomUUID();
    expect(await unownedOf(name, name)).toEqual([name]);
  });

  it('may be in the accounts of all projects that own images, or did, each named once', async () => {
    const { registry, service } = world;
    await world.create();
    await world.create();
    const { id } = await world.create({}, world.member);
    await registry.beginDeletion(id, { delayed: false }, world.member);
    await registry.finishDeletion(id, world.member);
    await world.create({ owner: null }, world.admin);

    const limit = 2;
    const met: string[] = [];
    for (let page: string[] | undefined; page === undefined || page.length === limit;) {
      const after = met.at(-1);
      page = await registry.listProjects({ limit, ...(after !== undefined && { after }) }, service);
      met.push(...page);
    }
    expect(met).toEqual(expect.arrayContaining([world.project, world.memberProject]));
    expect(met).not.toContain(world.otherProject);
    expect(new Set(met).size).toBe(met.length);
    expect(met).not.toContain('');
    await expectRefusal(registry.listProjects({ limit }, world.owner), 'forbidden');
    await expectRefusal(registry.listProjects({ limit: 0 }, service), 'invalid_request');
  });

  it('belong to the image whose location they are, however its directory is spelled', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const commit = world.commitRequest(located(`filesystem:///old//dir/${id}`));
    await world.registry.commitUpload(id, uploadId, commit, world.owner);
    expect(await unownedOf(id)).toEqual([]);
    // Of another attempt: the image does not have it.
    expect(await unownedOf(`${id}.${uploadId}`)).toEqual([`${id}.${uploadId}`]);
  });

  it('belong to any image that names exactly them', async () => {
    const name = randomUUID();
    await world.createActive({}, located(`file:///images/${name}`));
    expect(await unownedOf(name)).toEqual([]);
  });

  it('belong to an image in upload until that has ended', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const names = [id, `${id}.${uploadId}`];
    expect(await unownedOf(...names)).toEqual([]);
    await world.abandon(id, uploadId);
    expect((await unownedOf(...names)).sort()).toEqual(names);
  });

  it('belong to an image in deletion until that is finished', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const commit = world.commitRequest(located(`file:///images/${id}`));
    await world.registry.commitUpload(id, uploadId, commit, world.owner);
    await world.registry.beginDeletion(id, { delayed: false }, world.owner);
    expect(await unownedOf(id)).toEqual([]);
    await world.registry.finishDeletion(id, world.owner);
    expect(await unownedOf(id)).toEqual([id]);
  });

  it('are forgotten when an image turns out to have them', async () => {
    const { id } = await world.create();
    expect(await judge([id])).toMatchObject([{ isOrphan: false }]);
    const uploadId = await world.begin(id);
    expect(await unownedOf(id)).toEqual([]);
    await world.abandon(id, uploadId);
    expect(await judge([id])).toMatchObject([{ isOrphan: false }]);
  });

  it('keep their names for themselves: an upload meanwhile gets another', async () => {
    const { id } = await world.create();
    await judge([id]);
    const { lease } = await world.registry.beginUpload(id, world.uploadRequest(), world.owner);
    expect(lease.firstAttempt).toBe(false);
  });

  it('are the business of the service alone', async () => {
    await expectRefusal(judge([randomUUID()], {}, world.owner), 'forbidden');
    const sweep = { name: world.mark, intervalSeconds: 3600 };
    await expectRefusal(world.registry.claimSweep(sweep, world.owner), 'forbidden');
    await expectRefusal(judge(['notes.txt']), 'invalid_request');
  });

  it('are looked at by one of all who ask, once per interval', async () => {
    const claim = (name: string, intervalSeconds = 3600) =>
      world.registry.claimSweep({ name, intervalSeconds }, world.service);
    const claims = await Promise.all(Array.from({ length: 5 }, () => claim(world.mark)));
    expect(claims.filter(Boolean)).toHaveLength(1);
    expect(await claim(world.mark)).toBe(false);
    expect(await claim(`another ${world.mark}`)).toBe(true);
  });
}
