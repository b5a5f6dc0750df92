import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ImageFields, ImageProperty, ImageRecord, UpdateImageRequest } from '@glance/common';
import { expectRefusal, sorted, type ContractWorld, type NewWorld } from './contract-world';

export function updateCases(newWorld: NewWorld): void {
  let world: ContractWorld;

  beforeEach(() => {
    world = newWorld();
  });

  const update = (id: string, request: UpdateImageRequest, caller = world.owner) =>
    world.registry.updateImage(id, request, caller);

  it('changes what is given and leaves the rest', async () => {
    const before = await world.createActive({
      name: 'before',
      minRam: 7,
      properties: [['a', '1']],
      tags: ['t'],
    });
    await world.underTest.overwrite(before.id, { updatedAt: '2020-01-01T00:00:00' });
    const after = await update(before.id, { fields: { name: 'after' } });
    expect(after).toEqual({ ...before, name: 'after', updatedAt: after.updatedAt });
    expect(after.updatedAt > '2020-01-01T00:00:00').toBe(true);
    expect(await world.registry.getImage(before.id, world.owner)).toEqual(after);
  });

  it.each<ImageFields>([
    { name: null },
    { visibility: 'public' },
    { sizeBytes: 2 ** 40 },
    { sizeBytes: null },
    { virtualSizeBytes: 0 },
    { diskFormat: 'iso', containerFormat: 'ova' },
    { diskFormat: null, containerFormat: null },
    { checksum: 'd'.repeat(32) },
    { minDisk: 3, minRam: 4 },
    { minDisk: 0, minRam: 0 },
    { protected: true },
    { hidden: true },
  ])('changes %j', async (fields) => {
    const { id } = await world.create({
      sizeBytes: 1,
      diskFormat: 'raw',
      containerFormat: 'bare',
      minDisk: 1,
      minRam: 1,
    });
    expect(await update(id, { fields })).toMatchObject(fields);
    expect(await world.registry.getImage(id, world.owner)).toMatchObject(fields);
  });

  it('marks the time of an update that changes only properties', async () => {
    const { id } = await world.create();
    await world.underTest.overwrite(id, { updatedAt: '2020-01-01T00:00:00' });
    const after = await update(id, { properties: { set: [['a', '1']] } });
    expect(after.updatedAt > '2020-01-01T00:00:00').toBe(true);
  });

  it('moves an image to another owner for admins only', async () => {
    const { id } = await world.create({ visibility: 'private' });
    const kept = await update(id, { fields: { owner: world.otherProject } });
    expect(kept.owner).toBe(world.project);
    const moved = await update(id, { fields: { owner: world.otherProject } }, world.admin);
    expect(moved.owner).toBe(world.otherProject);
    await expectRefusal(world.registry.getImage(id, world.owner), 'image_not_found');
    await expect(world.registry.getImage(id, world.stranger)).resolves.toEqual(moved);
    expect((await update(id, { fields: { owner: '' } }, world.admin)).owner).toBeNull();
  });

  it('opens and closes an image to its members', async () => {
    const { id } = await world.create({ visibility: 'shared' });
    await world.underTest.addMember(id, world.memberProject, 'accepted');
    await update(id, { fields: { visibility: 'private' } });
    await expectRefusal(world.registry.getImage(id, world.member), 'image_not_found');
    expect(await world.listed({}, world.member)).toEqual([]);
    await update(id, { fields: { visibility: 'shared' } });
    expect(await world.listed({}, world.member)).toEqual([id]);
  });

  it('does not disturb an upload that runs', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    expect(await update(id, { fields: { name: 'new' } })).toMatchObject({ status: 'saving' });
    const commit = world.commitRequest();
    const image = await world.registry.commitUpload(id, uploadId, commit, world.owner);
    expect(image).toMatchObject({ status: 'active', name: 'new' });
  });

  describe('properties', () => {
    const START: ImageProperty[] = [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ];
    let image: ImageRecord;

    beforeEach(async () => {
      image = await world.create({ properties: START });
    });

    async function after(properties: NonNullable<UpdateImageRequest['properties']>) {
      const updated = await update(image.id, { properties });
      expect(await world.registry.getImage(image.id, world.owner)).toEqual(updated);
      return sorted(updated.properties);
    }

    it('are created and overwritten, the others kept', async () => {
      const set: ImageProperty[] = [
        ['b', 'two'],
        ['d', '4'],
      ];
      expect(await after({ set })).toEqual([
        ['a', '1'],
        ['b', 'two'],
        ['c', '3'],
        ['d', '4'],
      ]);
    });

    it('can be empty or null', async () => {
      const set: ImageProperty[] = [
        ['a', ''],
        ['b', null],
      ];
      expect(await after({ set })).toEqual([
        ['a', ''],
        ['b', null],
        ['c', '3'],
      ]);
    });

    it('are replaced when the others go', async () => {
      expect(await after({ set: [['c', 'three']], removeOthers: true })).toEqual([['c', 'three']]);
      expect(await after({ set: [], removeOthers: true })).toEqual([]);
    });

    it('of the service do not go with the others', async () => {
      await after({ set: [['os_glance_note', 'mine']] });
      expect(await after({ set: [['d', '4']], removeOthers: true })).toEqual([
        ['d', '4'],
        ['os_glance_note', 'mine'],
      ]);
    });

    it('that are kept do not go with the others', async () => {
      const change = { set: [['d', '4']] as ImageProperty[], removeOthers: true };
      expect(await after({ ...change, keep: ['b', 'unknown'] })).toEqual([
        ['b', '2'],
        ['d', '4'],
      ]);
    });

    it('are removed by name, whether they are there or not', async () => {
      expect(await after({ set: [], remove: ['a', 'unknown'] })).toEqual([
        ['b', '2'],
        ['c', '3'],
      ]);
    });

    it('come back after their removal', async () => {
      await after({ set: [], remove: ['a'] });
      expect(await after({ set: [['a', 'again']] })).toEqual([
        ['a', 'again'],
        ['b', '2'],
        ['c', '3'],
      ]);
      await after({ set: [], removeOthers: true });
      expect(await after({ set: [['a', null]] })).toEqual([['a', null]]);
      const found = await world.listed({ properties: [['a', 'again']] });
      expect(found).toEqual([]);
    });

    it('of concurrent updates are all kept', async () => {
      const names = ['p', 'q', 'r', 's', 't'];
      await Promise.all(
        names.map((name) => update(image.id, { properties: { set: [[name, name]] } })),
      );
      const { properties } = await world.registry.getImage(image.id, world.owner);
      expect(sorted(properties)).toEqual([...START, ...names.map((name) => [name, name])]);
    });
  });

  it('replaces tags, with none too, and leaves them when not given', async () => {
    const { id } = await world.create({ tags: ['a', 'b'] });
    const tagsAfter = async (request: UpdateImageRequest) =>
      sorted((await update(id, request)).tags);
    expect(await tagsAfter({ tags: ['b', 'c'] })).toEqual(['b', 'c']);
    expect(await tagsAfter({ fields: { name: 'x' } })).toEqual(['b', 'c']);
    expect(await tagsAfter({ tags: [] })).toEqual([]);
    expect(await tagsAfter({ tags: ['a'] })).toEqual(['a']);
  });

  it('holds to the expected status', async () => {
    const { id } = await world.create({ name: 'before', tags: ['t'] });
    const request = { fields: { name: 'after' }, tags: [], properties: { set: [] } };
    await expectRefusal(update(id, { ...request, ifStatus: ['active', 'saving'] }), 'conflict');
    const untouched = await world.registry.getImage(id, world.owner);
    expect(untouched).toMatchObject({ name: 'before', tags: ['t'] });
    const updated = await update(id, { ...request, ifStatus: ['active', 'queued'] });
    expect(updated).toMatchObject({ name: 'after', tags: [], status: 'queued' });
  });

  it.each<[string, object]>([
    ['a new id', { fields: { id: '3f0c5bb6-6c1b-4f0e-9a5c-0d8a4b6c7d8e' } }],
    ['a new status', { fields: { status: 'active' } }],
    ['a new time', { fields: { createdAt: '2020-01-01T00:00:00' } }],
    ['a minimum that the column cannot hold', { fields: { minRam: 2 ** 31 } }],
    ['a property that the tables cannot hold', { properties: { set: [['😀', '1']] } }],
    ['a tag that the tables cannot hold', { tags: ['😀'] }],
    ['an unknown expected status', { ifStatus: ['ready'] }],
  ])('refuses %s', async (_what, request) => {
    const { id } = await world.create();
    await expectRefusal(update(id, request), 'invalid_request');
  });
}
