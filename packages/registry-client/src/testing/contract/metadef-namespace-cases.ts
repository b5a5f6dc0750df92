import { beforeEach, describe, expect, it } from '@jest/globals';
import { METADEF_KINDS, type CreateMetadefNamespace } from '@glance/common';
import { countWinners, expectRefusal, type ContractWorld, type NewWorld } from './contract-world';
import { anAssociation, anItem, MetadefWorld } from './metadef-world';

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/) as unknown as string;
const TIMES = { createdAt: TIME, updatedAt: TIME };

export function metadefNamespaceCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let metadefs: MetadefWorld;

  beforeEach(() => {
    world = newWorld();
    metadefs = new MetadefWorld(world);
  });

  describe('creating', () => {
    it('makes a namespace with all that it is to hold, as it is read afterwards', async () => {
      const { catalogue } = metadefs;
      const request = metadefs.request({
        displayName: 'Shown',
        description: 'Naïve ☃',
        visibility: 'public',
        protected: true,
        associations: [anAssociation(metadefs.name('Type'), 'hw_')],
        objects: [
          anItem('objects', 'o', { description: 'An object', required: ['cores', 'b'] }),
          anItem('objects', 'bare', { schema: null, required: [] }),
        ],
        properties: [anItem('properties', 'p', { schema: { type: 'x', enum: ['☃'], n: null } })],
        tags: [anItem('tags', 'second'), anItem('tags', 'first')],
      });
      const made = await catalogue.createNamespace(request, world.owner);
      expect(made).toEqual({
        ...request,
        ...TIMES,
        associations: [{ ...request.associations[0], ...TIMES }],
        objects: [
          { ...request.objects[0], ...TIMES },
          { ...request.objects[1], ...TIMES, schema: {}, required: null },
        ],
        properties: [{ ...request.properties[0], ...TIMES }],
        tags: request.tags.map((tag) => ({ ...tag, ...TIMES })),
      });
      expect(await catalogue.getNamespaceContent(made.namespace, world.owner)).toEqual(made);
      const { associations: _a, objects: _o, properties: _p, tags: _t, ...base } = made;
      expect(await catalogue.getNamespace(made.namespace, world.owner)).toEqual(base);
    });

    it('makes nothing when a part of it cannot be', async () => {
      const { catalogue } = metadefs;
      const taken = await metadefs.create();
      const twice = [anItem('tags', 'a'), anItem('tags', 'b'), anItem('tags', 'b')];
      const type = metadefs.name('Type');
      const cases: [string, Partial<CreateMetadefNamespace>][] = [
        [taken, {}],
        [metadefs.name('tags'), { tags: twice }],
        [metadefs.name('objects'), { objects: [anItem('objects', 'o'), anItem('objects', 'o')] }],
        [metadefs.name('types'), { associations: [anAssociation(type), anAssociation(type)] }],
      ];
      for (const [namespace, parts] of cases) {
        const request = metadefs.request({ namespace, ...parts });
        await expectRefusal(catalogue.createNamespace(request, world.owner), 'conflict');
        if (namespace === taken) continue;
        await expectRefusal(catalogue.getNamespace(namespace, world.admin), 'not_found');
      }
    });

    it('names what is there twice', async () => {
      const { catalogue } = metadefs;
      const tags = Array.from({ length: 1200 }, (_, index) => anItem('tags', `t${index}`));
      tags[1100] = anItem('tags', 't7');
      const request = metadefs.request({ tags });
      await expect(catalogue.createNamespace(request, world.owner)).rejects.toMatchObject({
        message: `A metadata definition tag with name=t7 already exists in namespace=${request.namespace}.`,
      });
    });

    it('gives a name to one of those who want it at once', async () => {
      const request = metadefs.request();
      const calls = [1, 2, 3, 4].map(() =>
        metadefs.catalogue.createNamespace(request, world.owner),
      );
      expect(await countWinners(calls, 'conflict')).toBe(1);
    });

    it('makes a resource type once, for many who need it at once', async () => {
      const type = metadefs.name('Type');
      const associations = [anAssociation(type)];
      await Promise.all([1, 2, 3, 4].map(() => metadefs.create({ associations })));
      const types = await metadefs.catalogue.listResourceTypes(world.stranger);
      expect(types.filter(({ name }) => name === type)).toEqual([
        { name: type, protected: false, ...TIMES },
      ]);
    });

    it.each([
      ['a long name', { namespace: 'x'.repeat(81) }],
      ['no name', { namespace: '' }],
      ['a name of four-byte characters', { namespace: '😀' }],
      ['a long display name', { displayName: 'x'.repeat(81) }],
      ['a name of prototypes', { properties: [anItem('properties', '__proto__')] }],
      ['a long name of an item', { tags: [anItem('tags', 'x'.repeat(81))] }],
      ['a long prefix', { associations: [anAssociation('t', 'x'.repeat(81))] }],
      [
        'a definition that no column holds',
        { properties: [anItem('properties', 'p', { schema: { title: 'ü'.repeat(11_000) } })] },
      ],
      [
        'four-byte characters deep in a definition',
        { objects: [anItem('objects', 'o', { schema: { a: { enum: ['😀'] } } })] },
      ],
      [
        'a required name with a comma',
        { objects: [anItem('objects', 'o', { required: ['a,b'] })] },
      ],
    ])('refuses %s', async (_what, parts) => {
      await expectRefusal(
        metadefs.catalogue.createNamespace(metadefs.request(parts), world.owner),
        'invalid_request',
      );
    });
  });

  describe('updating', () => {
    it('replaces the base fields, its name too, and leaves what it holds', async () => {
      const { catalogue } = metadefs;
      const namespace = await metadefs.create({
        displayName: 'Before',
        description: 'Before',
        tags: [anItem('tags', 't')],
      });
      const fields = metadefs.fields({ visibility: 'public', protected: true });
      const updated = await catalogue.updateNamespace(namespace, fields, world.owner);
      expect(updated).toEqual({ ...fields, ...TIMES });
      expect(await catalogue.getNamespace(fields.namespace, world.owner)).toEqual(updated);
      expect(await metadefs.namesOf(fields.namespace, 'tags')).toEqual(['t']);
      await expectRefusal(catalogue.getNamespace(namespace, world.owner), 'not_found');
    });

    it('refuses a name that is taken, and keeps its own', async () => {
      const { catalogue } = metadefs;
      const [one, two] = [await metadefs.create(), await metadefs.create()];
      const rename = catalogue.updateNamespace(
        one,
        metadefs.fields({ namespace: two, description: 'x' }),
        world.owner,
      );
      await expectRefusal(rename, 'conflict');
      const kept = metadefs.fields({ namespace: one, description: 'new' });
      expect(await catalogue.updateNamespace(one, kept, world.owner)).toMatchObject(kept);
    });
  });

  describe('deleting', () => {
    it('takes all that it holds, and leaves the resource types', async () => {
      const { catalogue } = metadefs;
      const type = metadefs.name('Type');
      const parts = {
        associations: [anAssociation(type)],
        objects: [anItem('objects', 'o')],
        properties: [anItem('properties', 'p')],
        tags: Array.from({ length: 1500 }, (_, index) => anItem('tags', `t${index}`)),
      };
      const namespace = await metadefs.create(parts);
      await catalogue.deleteNamespace(namespace, world.owner);
      await expectRefusal(catalogue.getNamespace(namespace, world.owner), 'not_found');
      await metadefs.create({ namespace });
      for (const kind of METADEF_KINDS) {
        expect(await metadefs.namesOf(namespace, kind)).toEqual([]);
      }
      expect(await catalogue.listAssociations(namespace, world.owner)).toEqual([]);
      const types = await catalogue.listResourceTypes(world.owner);
      expect(types.map(({ name }) => name)).toContain(type);
    });

    it('and adding to it at once leaves nothing behind', async () => {
      const { catalogue } = metadefs;
      const namespace = await metadefs.create();
      const adding = [1, 2, 3].map((index) =>
        catalogue.addItem(namespace, 'tags', anItem('tags', `t${index}`), world.owner),
      );
      const outcomes = await Promise.allSettled([
        ...adding,
        catalogue.deleteNamespace(namespace, world.owner),
      ]);
      expect(outcomes.at(-1)?.status).toBe('fulfilled');
      for (const each of outcomes) {
        if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'not_found' });
      }
      await expectRefusal(catalogue.getNamespace(namespace, world.admin), 'not_found');
    });
  });
}
