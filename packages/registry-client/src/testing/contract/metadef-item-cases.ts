import { beforeEach, describe, expect, it } from '@jest/globals';
import { METADEF_KINDS } from '@glance/common';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';
import { anAssociation, anItem, MetadefWorld } from './metadef-world';

const ODD_NAMES = [
  '..',
  '.',
  'a/b',
  '%2F',
  'OS::x',
  'a b',
  '?q=1&x#y',
  'ünïcode☃',
  '"\\',
  "' OR 1",
];

export function metadefItemCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let metadefs: MetadefWorld;

  beforeEach(() => {
    world = newWorld();
    metadefs = new MetadefWorld(world);
  });

  describe.each(METADEF_KINDS)('%s', (kind) => {
    it('are added, read, replaced and deleted under names of any characters', async () => {
      const { catalogue } = metadefs;
      const namespace = await metadefs.create({ namespace: `../${world.mark} %2F☃` });
      for (const name of ODD_NAMES) {
        const item = anItem(kind, name);
        const added = await catalogue.addItem(namespace, kind, item, world.owner);
        expect(added).toMatchObject(item);
        expect(await catalogue.getItem(namespace, kind, name, world.owner)).toEqual(added);
        const renamed = anItem(kind, `${name} again`);
        expect(
          await catalogue.updateItem(namespace, kind, name, renamed, world.owner),
        ).toMatchObject({ ...renamed, createdAt: added.createdAt });
        await expectRefusal(catalogue.getItem(namespace, kind, name, world.owner), 'not_found');
        expect(await catalogue.getItem(namespace, kind, renamed.name, world.owner)).toMatchObject(
          renamed,
        );
        await catalogue.deleteItem(namespace, kind, renamed.name, world.owner);
      }
      expect(await metadefs.namesOf(namespace, kind)).toEqual([]);
    });

    it('have names of their own within a namespace', async () => {
      const { catalogue } = metadefs;
      const one = await metadefs.create();
      const other = await metadefs.create();
      for (const namespace of [one, other]) {
        await catalogue.addItem(namespace, kind, anItem(kind, 'a'), world.owner);
        await catalogue.addItem(namespace, kind, anItem(kind, 'b'), world.owner);
      }
      const taken = {
        code: 'conflict',
        message: expect.stringContaining(
          `with name=a already exists in namespace=${one}.`,
        ) as unknown as string,
      };
      const { owner } = world;
      await expect(catalogue.addItem(one, kind, anItem(kind, 'a'), owner)).rejects.toMatchObject(
        taken,
      );
      await expect(
        catalogue.updateItem(one, kind, 'b', anItem(kind, 'a'), owner),
      ).rejects.toMatchObject(taken);
      expect(await metadefs.namesOf(one, kind)).toEqual(['a', 'b']);
      // Its own name is not taken.
      await catalogue.updateItem(one, kind, 'b', anItem(kind, 'b'), owner);
    });

    it('go to one of those who want a name at once', async () => {
      const namespace = await metadefs.create();
      const calls = [1, 2, 3, 4].map(() =>
        metadefs.catalogue.addItem(namespace, kind, anItem(kind, 'a'), world.owner),
      );
      expect(await countWinners(calls, 'conflict')).toBe(1);
    });

    it('that are not there are not found, by name and namespace', async () => {
      const { catalogue } = metadefs;
      const namespace = await metadefs.create();
      const missing = {
        code: 'not_found',
        message: expect.stringMatching(
          /with name=none was not found in namespace=/,
        ) as unknown as string,
      };
      for (const call of [
        () => catalogue.getItem(namespace, kind, 'none', world.owner),
        () => catalogue.updateItem(namespace, kind, 'none', anItem(kind, 'x'), world.owner),
        () => catalogue.deleteItem(namespace, kind, 'none', world.owner),
      ]) {
        await expect(call()).rejects.toMatchObject(missing);
      }
    });

    it('are all deleted, and those of other kinds are not', async () => {
      const { catalogue } = metadefs;
      const namespace = await metadefs.create({
        objects: [anItem('objects', 'a'), anItem('objects', 'b')],
        properties: [anItem('properties', 'a'), anItem('properties', 'b')],
        tags: [anItem('tags', 'a'), anItem('tags', 'b')],
      });
      await catalogue.deleteItems(namespace, kind, world.owner);
      for (const each of METADEF_KINDS) {
        expect(await metadefs.namesOf(namespace, each)).toEqual(each === kind ? [] : ['a', 'b']);
      }
    });

    it('are listed by a key, in pages that go on after an item', async () => {
      const { catalogue } = metadefs;
      const namespace = await metadefs.create();
      for (const name of ['b', 'c', 'a']) {
        await catalogue.addItem(namespace, kind, anItem(kind, name), world.owner);
      }
      const listed = async (
        query: Partial<Parameters<typeof catalogue.listItems>[2]>,
      ): Promise<string[]> => {
        const all = { sortKey: 'id', sortDirection: 'asc', ...query } as const;
        const items = await catalogue.listItems(namespace, kind, all, world.owner);
        return items.map(({ name }) => name);
      };
      expect(await listed({})).toEqual(['b', 'c', 'a']);
      expect(await listed({ sortKey: 'created_at', sortDirection: 'desc' })).toEqual([
        'a',
        'c',
        'b',
      ]);
      expect(await listed({ sortKey: 'name', limit: 2 })).toEqual(['a', 'b']);
      expect(await listed({ sortKey: 'name', limit: 2, marker: 'b' })).toEqual(['c']);
      expect(await listed({ sortKey: 'name', sortDirection: 'desc', marker: 'b' })).toEqual(['a']);
      expect(await listed({ sortKey: 'updated_at', marker: 'c' })).toEqual(['a']);
      expect(await listed({ limit: 0 })).toEqual([]);
      await expectRefusal(listed({ marker: 'none' }), 'not_found');
    });
  });

  it('replaces all of an object', async () => {
    const { catalogue } = metadefs;
    const namespace = await metadefs.create({
      objects: [anItem('objects', 'o', { description: 'd', required: ['cores'] })],
    });
    const bare = anItem('objects', 'o', { schema: {} });
    await catalogue.updateItem(namespace, 'objects', 'o', bare, world.owner);
    expect(await catalogue.getItem(namespace, 'objects', 'o', world.owner)).toMatchObject(bare);
  });

  describe('tags together', () => {
    const putTags = (namespace: string, append: boolean, ...names: string[]) =>
      metadefs.catalogue.putTags(namespace, { names, append }, world.owner);

    it('take the place of those that are there, or are added to them', async () => {
      const namespace = await metadefs.create({ tags: [anItem('tags', 'old')] });
      const put = await putTags(namespace, false, 'b', 'a');
      expect(put).toEqual(
        ['b', 'a'].map((name) => ({
          ...anItem('tags', name),
          createdAt: expect.any(String) as unknown as string,
          updatedAt: expect.any(String) as unknown as string,
        })),
      );
      expect(await metadefs.namesOf(namespace, 'tags')).toEqual(['b', 'a']);
      expect((await putTags(namespace, true, 'c')).map(({ name }) => name)).toEqual(['c']);
      expect(await metadefs.namesOf(namespace, 'tags')).toEqual(['b', 'a', 'c']);
    });

    it('change nothing when one is named twice, or is there already', async () => {
      const namespace = await metadefs.create({ tags: [anItem('tags', 'old')] });
      await expectRefusal(putTags(namespace, false, 'a', 'b', 'a'), 'conflict');
      await expectRefusal(putTags(namespace, true, 'a', 'old'), 'conflict');
      expect(await metadefs.namesOf(namespace, 'tags')).toEqual(['old']);
    });

    it('change nothing when none is named', async () => {
      const namespace = await metadefs.create({ tags: [anItem('tags', 'old')] });
      expect(await putTags(namespace, false)).toEqual([]);
      expect(await metadefs.namesOf(namespace, 'tags')).toEqual(['old']);
    });

    it('may be thousands', async () => {
      const namespace = await metadefs.create();
      const names = Array.from({ length: 10_000 }, (_, index) => `tag ${index}`);
      expect(await putTags(namespace, false, ...names)).toHaveLength(10_000);
      expect(await metadefs.namesOf(namespace, 'tags')).toEqual(names);
    });
  });

  describe('associations', () => {
    it('are added once, and deleted without their resource type', async () => {
      const { catalogue } = metadefs;
      const namespace = await metadefs.create();
      const type = `${metadefs.name('Type')}/..`;
      const request = { name: type, prefix: 'hw_', propertiesTarget: 'image' };
      const added = await catalogue.addAssociation(namespace, request, world.owner);
      expect(added).toMatchObject(request);
      expect(await catalogue.listAssociations(namespace, world.owner)).toEqual([added]);
      await expect(
        catalogue.addAssociation(namespace, anAssociation(type), world.owner),
      ).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining(
          `resource-type=${type} to namespace=${namespace} already exists.`,
        ) as unknown as string,
      });
      await catalogue.deleteAssociation(namespace, type, world.owner);
      expect(await catalogue.listAssociations(namespace, world.owner)).toEqual([]);
      await expect(catalogue.deleteAssociation(namespace, type, world.owner)).rejects.toMatchObject(
        {
          code: 'not_found',
          message: `Failed to find resource type ${type} to delete`,
        },
      );
      const types = await catalogue.listResourceTypes(world.anonymous);
      expect(types.map(({ name }) => name)).toContain(type);
    });

    it('go to one of those who make the same at once', async () => {
      const namespace = await metadefs.create();
      const type = anAssociation(metadefs.name('Type'));
      const calls = [1, 2, 3, 4].map(() =>
        metadefs.catalogue.addAssociation(namespace, type, world.owner),
      );
      expect(await countWinners(calls, 'conflict')).toBe(1);
    });
  });
}
