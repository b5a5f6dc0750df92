import { beforeEach, describe, expect, it } from '@jest/globals';
import { METADEF_KINDS } from '@glance/common';
import type { CallContext } from '../../registry';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';
import { anAssociation, anItem, MetadefWorld } from './metadef-world';

type Call = (metadefs: MetadefWorld, namespace: string, caller: CallContext) => Promise<unknown>;

const ALL = { sortKey: 'id', sortDirection: 'asc' } as const;

const READS: Record<string, Call> = {
  getNamespace: ({ catalogue }, namespace, caller) => catalogue.getNamespace(namespace, caller),
  getNamespaceContent: ({ catalogue }, namespace, caller) =>
    catalogue.getNamespaceContent(namespace, caller),
  listAssociations: ({ catalogue }, namespace, caller) =>
    catalogue.listAssociations(namespace, caller),
  listItems: ({ catalogue }, namespace, caller) =>
    catalogue.listItems(namespace, 'objects', ALL, caller),
  getItem: ({ catalogue }, namespace, caller) => catalogue.getItem(namespace, 'tags', 't', caller),
  'listNamespaces after it': ({ catalogue }, namespace, caller) =>
    catalogue.listNamespaces({ ...ALL, limit: 1, marker: namespace }, caller),
};

const REMOVALS: Record<string, Call> = {
  deleteItem: ({ catalogue }, namespace, caller) =>
    catalogue.deleteItem(namespace, 'tags', 't', caller),
  deleteItems: ({ catalogue }, namespace, caller) =>
    catalogue.deleteItems(namespace, 'properties', caller),
  deleteAssociation: (metadefs, namespace, caller) =>
    metadefs.catalogue.deleteAssociation(namespace, metadefs.name('Type'), caller),
  deleteNamespace: ({ catalogue }, namespace, caller) =>
    catalogue.deleteNamespace(namespace, caller),
};

const ADDITIONS: Record<string, Call> = {
  updateNamespace: (metadefs, namespace, caller) =>
    metadefs.catalogue.updateNamespace(
      namespace,
      metadefs.fields({
        namespace,
        visibility: 'public',
        protected: true,
        owner: metadefs.world.project,
      }),
      caller,
    ),
  addAssociation: (metadefs, namespace, caller) =>
    metadefs.catalogue.addAssociation(namespace, anAssociation(metadefs.name('New')), caller),
  addItem: ({ catalogue }, namespace, caller) =>
    catalogue.addItem(namespace, 'properties', anItem('properties', 'new'), caller),
  updateItem: ({ catalogue }, namespace, caller) =>
    catalogue.updateItem(namespace, 'tags', 't', anItem('tags', 't'), caller),
  putTags: ({ catalogue }, namespace, caller) =>
    catalogue.putTags(namespace, { names: ['more'], append: true }, caller),
};

const WRITES = { ...ADDITIONS, ...REMOVALS };

/** Metadefs sheet §3. */
export function metadefRightsCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let metadefs: MetadefWorld;

  beforeEach(() => {
    world = newWorld();
    metadefs = new MetadefWorld(world);
  });

  const create = (overrides: { visibility?: 'public'; protected?: boolean } = {}) =>
    metadefs.create({
      associations: [anAssociation(metadefs.name('Type'))],
      objects: [anItem('objects', 'o')],
      properties: [anItem('properties', 'p')],
      tags: [anItem('tags', 't')],
      ...overrides,
    });

  describe.each(Object.entries(READS))('%s', (_name, call) => {
    it('sees a private namespace as its owner or an admin, and nobody else does', async () => {
      const namespace = await create();
      for (const caller of [world.owner, world.admin, world.service]) {
        await call(metadefs, namespace, caller);
      }
      for (const caller of [world.stranger, world.projectless, world.anonymous]) {
        await expect(call(metadefs, namespace, caller)).rejects.toMatchObject({
          code: 'not_found',
          message: `Namespace ${namespace} not found`,
          details: { namespace },
        });
      }
    });

    it('sees a public namespace as anybody', async () => {
      const namespace = await create({ visibility: 'public' });
      for (const caller of [world.owner, world.stranger, world.projectless, world.anonymous]) {
        await call(metadefs, namespace, caller);
      }
    });
  });

  describe.each(Object.entries(WRITES))('%s', (_name, call) => {
    it('is for the owner and admins, of a public namespace too', async () => {
      const before = await create({ visibility: 'public' });
      const content = await metadefs.catalogue.getNamespaceContent(before, world.owner);
      for (const caller of [world.stranger, world.projectless, world.anonymous]) {
        await expectRefusal(call(metadefs, before, caller), 'forbidden');
      }
      const hidden = await create();
      await expectRefusal(call(metadefs, hidden, world.stranger), 'not_found');
      expect(await metadefs.catalogue.getNamespaceContent(before, world.owner)).toEqual(content);
      await call(metadefs, before, world.admin);
      await call(metadefs, hidden, world.owner);
    });

    it('is not for those who may only read', async () => {
      const namespace = await create();
      const reader = world.as({ projectId: world.project, readOnly: true });
      await expectRefusal(call(metadefs, namespace, reader), 'forbidden');
    });
  });

  it.each(Object.entries(REMOVALS))('%s is refused where deletion is', async (_name, call) => {
    const namespace = await create({ protected: true });
    for (const caller of [world.owner, world.admin]) {
      await expect(call(metadefs, namespace, caller)).rejects.toMatchObject({
        code: 'forbidden',
        message: expect.stringMatching(
          / is protected and cannot be deleted\.$/,
        ) as unknown as string,
      });
    }
    for (const kind of METADEF_KINDS) {
      expect(await metadefs.namesOf(namespace, kind)).toHaveLength(1);
    }
  });

  it.each(Object.entries(ADDITIONS))('%s is not refused there', async (_name, call) => {
    await call(metadefs, await create({ protected: true }), world.owner);
  });

  it('lets admins alone give a namespace to another project', async () => {
    const { catalogue } = metadefs;
    const owner = world.otherProject;
    const request = metadefs.request({ owner });
    await expectRefusal(catalogue.createNamespace(request, world.owner), 'forbidden');
    const namespace = await create();
    const fields = metadefs.fields({ namespace, owner });
    await expectRefusal(catalogue.updateNamespace(namespace, fields, world.owner), 'forbidden');
    await catalogue.updateNamespace(namespace, fields, world.admin);
    await expectRefusal(catalogue.getNamespace(namespace, world.owner), 'not_found');
    expect((await catalogue.getNamespace(namespace, world.stranger)).owner).toBe(owner);
    expect((await catalogue.createNamespace(request, world.admin)).owner).toBe(owner);
  });

  it('makes none for who may only read, or works in no project', async () => {
    const reader = world.as({ projectId: world.project, readOnly: true });
    for (const caller of [reader, world.anonymous, world.projectless]) {
      await expectRefusal(metadefs.create({}, caller), 'forbidden');
    }
    await expectRefusal(metadefs.create({ owner: '' }, world.projectless), 'forbidden');
  });
}
