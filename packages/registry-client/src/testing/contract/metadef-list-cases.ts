import { beforeEach, describe, expect, it } from '@jest/globals';
import { METADEF_NAMESPACE_SORT_KEYS } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';
import { anAssociation, anItem, MetadefWorld } from './metadef-world';

export function metadefListCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let metadefs: MetadefWorld;

  beforeEach(() => {
    world = newWorld();
    metadefs = new MetadefWorld(world);
  });

  it('has what the caller sees', async () => {
    const mine = await metadefs.create();
    const open = await metadefs.create({ visibility: 'public' });
    const theirs = await metadefs.create({ owner: world.otherProject }, world.stranger);
    expect(await metadefs.listed()).toEqual([mine, open]);
    expect(await metadefs.listed({}, world.stranger)).toEqual([open, theirs]);
    expect(await metadefs.listed({}, world.admin)).toEqual([mine, open, theirs]);
    for (const caller of [world.anonymous, world.projectless]) {
      expect(await metadefs.listed({}, caller)).toEqual([open]);
    }
    expect(await metadefs.listed({ visibility: 'private' })).toEqual([mine]);
    expect(await metadefs.listed({ visibility: 'public' }, world.admin)).toEqual([open]);
  });

  it('has the associations of each, and nothing else that it holds', async () => {
    const type = metadefs.name('Type');
    const namespace = await metadefs.create({
      associations: [anAssociation(type, 'hw_')],
      tags: [anItem('tags', 't')],
    });
    const bare = await metadefs.create();
    const listed = await metadefs.catalogue.listNamespaces(
      { sortKey: 'id', sortDirection: 'asc', limit: 100_000 },
      world.owner,
    );
    const find = (name: string) => listed.find((each) => each.namespace === name);
    const base = await metadefs.catalogue.getNamespace(namespace, world.owner);
    const associations = await metadefs.catalogue.listAssociations(namespace, world.owner);
    expect(associations).toHaveLength(1);
    expect(find(namespace)).toEqual({ ...base, associations });
    expect(find(bare)?.associations).toEqual([]);
  });

  it('is of those that one of some resource types is associated with', async () => {
    const [a, b, c] = ['A', 'B', 'C'].map((word) => metadefs.name(word)) as [
      string,
      string,
      string,
    ];
    const both = await metadefs.create({ associations: [anAssociation(a), anAssociation(b)] });
    const one = await metadefs.create({ associations: [anAssociation(b)] });
    await metadefs.create({ associations: [anAssociation(c)] });
    expect(await metadefs.listed({ resourceTypes: [a, b] })).toEqual([both, one]);
    expect(await metadefs.listed({ resourceTypes: [a] })).toEqual([both]);
    expect(await metadefs.listed({ resourceTypes: ['none', 'x'.repeat(300)] })).toEqual([]);
    expect(await metadefs.listed({ resourceTypes: [] })).toEqual([]);
  });

  it.each(METADEF_NAMESPACE_SORT_KEYS)(
    'by %s goes through all in pages, in both directions',
    async (sortKey) => {
      const some = [
        { displayName: 'b', description: null },
        { displayName: null, description: 'x' },
        { displayName: 'a', description: null, protected: true },
        { displayName: 'b', description: 'y', visibility: 'public' as const },
      ];
      for (const each of some) await metadefs.create(each);
      for (const sortDirection of ['asc', 'desc'] as const) {
        const whole = await metadefs.listed({ sortKey, sortDirection });
        expect(whole).toHaveLength(4);
        const paged: string[] = [];
        for (let marker = whole[0]; marker !== undefined;) {
          paged.push(marker);
          const rest = await metadefs.listed({ sortKey, sortDirection, marker });
          expect(rest).toEqual(whole.slice(paged.length));
          marker = rest[0];
        }
        expect(paged).toEqual(whole);
      }
      const up = await metadefs.listed({ sortKey, sortDirection: 'asc' });
      const down = await metadefs.listed({ sortKey, sortDirection: 'desc' });
      expect(down).toEqual([...up].reverse());
    },
  );

  it('has no more than the limit, the first by its key', async () => {
    const [b, a] = [
      await metadefs.create({ namespace: `${world.mark} b` }),
      await metadefs.create({ namespace: `${world.mark} a` }),
    ];
    expect(await metadefs.listed({ sortKey: 'namespace' })).toEqual([a, b]);
    const { catalogue } = metadefs;
    const query = { sortKey: 'id', sortDirection: 'desc', limit: 2 } as const;
    const two = await catalogue.listNamespaces(query, world.owner);
    expect(two.map(({ namespace }) => namespace)).toEqual([a, b]);
    expect(await catalogue.listNamespaces({ ...query, limit: 0 }, world.owner)).toEqual([]);
  });

  it('goes on after no namespace that is not there', async () => {
    await expectRefusal(metadefs.listed({ marker: metadefs.name('none') }), 'not_found');
  });

  describe('of the properties that apply to a resource type', () => {
    it('has those of namespaces and of their objects, with the prefix, as far as they are seen', async () => {
      const type = metadefs.name('Type');
      const number = { title: 'N', type: 'integer' };
      const second = await metadefs.create({
        namespace: `${world.mark} 2`,
        associations: [anAssociation(type, 'hw_')],
        properties: [anItem('properties', 'b'), anItem('properties', 'a')],
        objects: [anItem('objects', 'o', { schema: { z: number, aa: number } })],
      });
      const first = await metadefs.create({
        namespace: `${world.mark} 1`,
        visibility: 'public',
        associations: [anAssociation(type)],
        properties: [anItem('properties', 'p')],
      });
      await metadefs.create({ properties: [anItem('properties', 'other')] });
      const text = anItem('properties', '').schema;
      const open = [{ namespace: first, name: 'p', schema: text }];
      const { catalogue } = metadefs;
      expect(await catalogue.listAppliedProperties(type, world.owner)).toEqual([
        ...open,
        { namespace: second, name: 'hw_a', schema: text },
        { namespace: second, name: 'hw_aa', schema: number },
        { namespace: second, name: 'hw_b', schema: text },
        { namespace: second, name: 'hw_z', schema: number },
      ]);
      expect(await catalogue.listAppliedProperties(type, world.stranger)).toEqual(open);
      expect(await catalogue.listAppliedProperties('none', world.admin)).toEqual([]);
    });
  });
}
