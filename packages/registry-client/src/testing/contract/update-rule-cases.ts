import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ImageProperty, UpdateImageRequest } from '@glance/common';
import {
  countWinners,
  expectRefusal,
  sorted,
  type ContractWorld,
  type NewWorld,
} from './contract-world';

type PropertyChange = NonNullable<UpdateImageRequest['properties']>;

/** Updates that hold only under a condition: what the image has, and how much of it. */
export function updateRuleCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let id: string;

  beforeEach(async () => {
    world = newWorld();
    const image = await world.create({
      name: 'before',
      tags: ['a', 'b'],
      properties: [
        ['p', '1'],
        ['q', '2'],
        ['os_glance_x', 'service'],
      ],
    });
    id = image.id;
  });

  const update = (request: UpdateImageRequest) =>
    world.registry.updateImage(id, request, world.owner);
  const tagsAfter = async (request: UpdateImageRequest) => sorted((await update(request)).tags);
  const namesAfter = async (properties: PropertyChange, propertyQuota: number | null = null) =>
    sorted((await update({ properties, propertyQuota })).properties.map(([name]) => name));

  /** The call is refused, and the image is what it was. */
  async function expectNoChange(request: UpdateImageRequest, code: 'conflict' | 'quota_exceeded') {
    const before = await world.registry.getImage(id, world.owner);
    await expectRefusal(update({ ...request, fields: { name: 'after' } }), code);
    expect(await world.registry.getImage(id, world.owner)).toEqual(before);
  }

  describe('tags', () => {
    it('are added to what is there', async () => {
      expect(await tagsAfter({ addTags: ['c'] })).toEqual(['a', 'b', 'c']);
      expect(await tagsAfter({ addTags: ['c', 'c', 'a', ''] })).toEqual(['', 'a', 'b', 'c']);
      const image = await world.registry.getImage(id, world.owner);
      expect(sorted(image.tags)).toEqual(['', 'a', 'b', 'c']);
    });

    it('mark the time of the update, also of one that adds nothing new', async () => {
      await world.underTest.overwrite(id, { updatedAt: '2020-01-01T00:00:00' });
      const after = await update({ addTags: ['a'] });
      expect(after.updatedAt > '2020-01-01T00:00:00').toBe(true);
    });

    it('are told apart by code points', async () => {
      const alike = ['A', 'á', 'a '];
      expect(await tagsAfter({ addTags: alike })).toEqual(sorted(['a', 'b', ...alike]));
      expect(await tagsAfter({ removeTags: ['A', 'a '] })).toEqual(['a', 'b', 'á']);
    });

    it('are removed, and come back', async () => {
      expect(await tagsAfter({ removeTags: ['a'] })).toEqual(['b']);
      expect(await world.listed({ name: ['before'], tags: ['a'] })).toEqual([]);
      expect(await tagsAfter({ addTags: ['a'], removeTags: ['b'] })).toEqual(['a']);
      expect(await world.listed({ name: ['before'], tags: ['a'] })).toEqual([id]);
      expect(await tagsAfter({ addTags: ['a'], removeTags: ['a'] })).toEqual(['a']);
    });

    it('that are not there cannot be removed', async () => {
      const before = await world.registry.getImage(id, world.owner);
      await expectRefusal(update({ removeTags: ['a', 'A'], addTags: ['c'] }), 'not_found');
      expect(await world.registry.getImage(id, world.owner)).toEqual(before);
      await update({ removeTags: ['a'] });
      await expectRefusal(update({ removeTags: ['a'] }), 'not_found');
    });

    it('are no more than their quota after one is added', async () => {
      await expectNoChange({ addTags: ['c'], tagQuota: 2 }, 'quota_exceeded');
      await expect(update({ addTags: ['c', 'd'], tagQuota: 3 })).rejects.toThrow(
        'The limit has been exceeded on the number of allowed image tags. Attempted: 4, Maximum: 3',
      );
      expect(await tagsAfter({ addTags: ['a', 'c', 'c'], tagQuota: 3 })).toEqual(['a', 'b', 'c']);
      // Those of an image that is above the limit stay, and may become fewer.
      expect(await tagsAfter({ addTags: ['a'], tagQuota: 0 })).toEqual(['a', 'b', 'c']);
      expect(await tagsAfter({ removeTags: ['c'], tagQuota: 0 })).toEqual(['a', 'b']);
      const exchange = { addTags: ['c'], removeTags: ['a'], tagQuota: 2 };
      expect(await tagsAfter(exchange)).toEqual(['b', 'c']);
    });

    it('of updates at the same time are all kept', async () => {
      const tags = ['c', 'd', 'e', 'f', 'g', 'h'];
      await Promise.all([
        ...tags.map((tag) => update({ addTags: [tag] })),
        update({ removeTags: ['a'] }),
      ]);
      const image = await world.registry.getImage(id, world.owner);
      expect(sorted(image.tags)).toEqual(['b', ...tags]);
    });

    it('keep to the quota when many are added at the same time', async () => {
      const calls = Array.from({ length: 6 }, (_, index) =>
        update({ addTags: [`t${index}`], tagQuota: 4 }),
      );
      expect(await countWinners(calls, 'quota_exceeded')).toBe(2);
      expect((await world.registry.getImage(id, world.owner)).tags).toHaveLength(4);
    });

    it.each<[string, UpdateImageRequest]>([
      ['replaced and added', { tags: [], addTags: ['c'] }],
      ['replaced and removed', { tags: [], removeTags: ['a'] }],
      ['added that the tables cannot hold', { addTags: ['\u{1f600}'] }],
      ['added that are too long', { addTags: ['x'.repeat(256)] }],
    ])('cannot be %s', async (_what, request) => {
      await expectRefusal(update(request), 'invalid_request');
    });
  });

  describe('properties', () => {
    const set = (...names: string[]): ImageProperty[] => names.map((name) => [name, 'new']);

    it('are created only when none of the name is there', async () => {
      await expectNoChange({ properties: { set: set('p'), createOnly: ['p'] } }, 'conflict');
      const refused = update({ properties: { set: set('r', 'q'), createOnly: ['r', 'q'] } });
      await expect(refused).rejects.toMatchObject({ code: 'conflict', details: { property: 'q' } });
      const created = await namesAfter({ set: set('r', 'q'), createOnly: ['r'] });
      expect(created).toEqual(['os_glance_x', 'p', 'q', 'r']);
      await namesAfter({ set: [], remove: ['r'] });
      expect(await namesAfter({ set: set('r'), createOnly: ['r'] })).toContain('r');
    });

    it('are changed and removed only when they are there', async () => {
      const absent = { set: set('r'), mustExist: ['r'] };
      await expectNoChange({ properties: absent }, 'conflict');
      const refused = update({
        properties: { set: [], remove: ['p', 'r'], mustExist: ['p', 'r'] },
      });
      await expect(refused).rejects.toMatchObject({ code: 'conflict', details: { property: 'r' } });
      const rules = { set: set('p'), remove: ['q'], mustExist: ['p', 'q'] };
      expect(await namesAfter(rules)).toEqual(['os_glance_x', 'p']);
      await expectNoChange(
        { properties: { set: [], remove: ['q'], mustExist: ['q'] } },
        'conflict',
      );
    });

    it('are created once by updates at the same time', async () => {
      const calls = Array.from({ length: 6 }, () =>
        update({ properties: { set: set('r'), createOnly: ['r'] } }),
      );
      expect(await countWinners(calls, 'conflict')).toBe(1);
    });

    it('are removed once by updates at the same time', async () => {
      const calls = Array.from({ length: 6 }, () =>
        update({ properties: { set: [], remove: ['p'], mustExist: ['p'] } }),
      );
      expect(await countWinners(calls, 'conflict')).toBe(1);
    });

    it('are no more than their quota after one is added', async () => {
      const one = { set: set('r') };
      await expectNoChange({ properties: one, propertyQuota: 2 }, 'quota_exceeded');
      await expect(
        update({ properties: { set: set('r', 's', 'q') }, propertyQuota: 3 }),
      ).rejects.toThrow(
        'The limit has been exceeded on the number of allowed image properties. Attempted: 4, Maximum: 3',
      );
      expect(await namesAfter(one, 3)).toEqual(['os_glance_x', 'p', 'q', 'r']);
    });

    it('above a quota may be changed and removed, and those of the service added', async () => {
      expect(await namesAfter({ set: set('p') }, 0)).toEqual(['os_glance_x', 'p', 'q']);
      expect(await namesAfter({ set: set('p'), remove: ['q'] }, 0)).toEqual(['os_glance_x', 'p']);
      expect(await namesAfter({ set: set('os_glance_y') }, 0)).toContain('os_glance_y');
      const exchange = { set: set('r'), remove: ['p'] };
      await expectNoChange({ properties: exchange, propertyQuota: 0 }, 'quota_exceeded');
      expect(await namesAfter(exchange, 1)).toContain('r');
    });

    it('keep to the quota when others are removed with the update', async () => {
      const change = { set: set('r', 's'), removeOthers: true };
      expect(await namesAfter(change, 2)).toEqual(['os_glance_x', 'r', 's']);
      const kept = { set: set('t'), removeOthers: true, keep: ['r', 's'] };
      await expectNoChange({ properties: kept, propertyQuota: 2 }, 'quota_exceeded');
    });

    it('keep to the quota when many are added at the same time', async () => {
      const calls = Array.from({ length: 6 }, (_, index) =>
        update({ properties: { set: set(`n${index}`) }, propertyQuota: 4 }),
      );
      expect(await countWinners(calls, 'quota_exceeded')).toBe(2);
    });
  });
}
