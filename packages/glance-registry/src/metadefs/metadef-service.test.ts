import {
  METADEF_KINDS,
  type CreateMetadefNamespace,
  type MetadefItemRequest,
} from '@glance/common';
import { TransactionRunner } from '../db/transaction';
import type { Announcing } from '../events/event-log';
import { createRepositories, type Repositories } from '../repositories';
import { ADMIN, memberOf } from '../testing/registry-world';
import { describeEachDatabase, notHere } from '../testing/test-databases';
import { MetadefItemService } from './metadef-item-service';
import { MetadefService } from './metadef-service';

const ALL = { sortKey: 'id', sortDirection: 'asc' } as const;
const NOW = '2026-01-02 03:04:05';

function aNamespace(overrides: Partial<CreateMetadefNamespace> = {}): CreateMetadefNamespace {
  return {
    namespace: 'OS::Test',
    displayName: null,
    description: null,
    visibility: 'private',
    protected: false,
    owner: 'p',
    associations: [],
    objects: [],
    properties: [],
    tags: [],
    ...overrides,
  };
}

const tag = (name: string): MetadefItemRequest => ({
  name,
  description: null,
  required: null,
  schema: null,
});

describeEachDatabase('metadata definitions', (current, dialect) => {
  const servicesTelling = (announcing?: Announcing) => {
    const transactions = new TransactionRunner<Repositories>(
      current().database,
      (connection, each, actor) => createRepositories(connection, each, actor, { announcing }),
    );
    return {
      metadefs: new MetadefService(transactions),
      items: new MetadefItemService(transactions),
    };
  };

  afterEach(async () => {
    const { knex } = current().database;
    for (const table of ['tags', 'objects', 'properties', 'namespace_resource_types']) {
      await knex(`metadef_${table}`).delete();
    }
    await knex('metadef_namespaces').delete();
    await knex('metadef_resource_types').delete();
    await knex('registry_outbox').delete();
  });

  const statementsOf = async (work: () => Promise<unknown>): Promise<number> => {
    const { knex } = current().database;
    let statements = 0;
    const count = (): void => void (statements += 1);
    knex.on('query', count);
    try {
      await work();
    } finally {
      knex.off('query', count);
    }
    return statements;
  };

  it('deletes a namespace of many members by as many statements as one of none', async () => {
    const { metadefs } = servicesTelling();
    const tags = Array.from({ length: 10_000 }, (_, index) => tag(`t${index}`));
    await metadefs.createNamespace(aNamespace({ tags }), ADMIN, {});
    await metadefs.createNamespace(aNamespace({ namespace: 'none' }), ADMIN, {});
    const forNone = await statementsOf(() => metadefs.deleteNamespace('none', ADMIN, {}));
    const forMany = await statementsOf(() => metadefs.deleteNamespace('OS::Test', ADMIN, {}));
    expect(forNone).toBeGreaterThan(5);
    expect(forMany).toBe(forNone);
    expect(await current().database.knex('metadef_tags')).toHaveLength(0);
  });

  it('answers a creation that is repeated with its key as the first time', async () => {
    const { metadefs } = servicesTelling();
    const scope = { requestKey: { key: 'one-key', operation: 'POST /v1/metadefs/namespaces' } };
    const request = aNamespace({ tags: [tag('t')] });
    const first = await metadefs.createNamespace(request, ADMIN, scope);
    expect(await metadefs.createNamespace(request, ADMIN, scope)).toEqual(first);
  });

  const onMysql = dialect === 'mysql' ? it : (notHere as typeof it);
  onMysql('compares names without regard to case, as the database does', async () => {
    const { metadefs, items } = servicesTelling();
    await metadefs.createNamespace(aNamespace({ tags: [tag('Élan')] }), ADMIN, {});
    const taken = { code: 'conflict' };
    const again = aNamespace({ namespace: 'os::test' });
    await expect(metadefs.createNamespace(again, ADMIN, {})).rejects.toMatchObject(taken);
    expect((await metadefs.getNamespace('os::TEST', ADMIN, {})).namespace).toBe('OS::Test');
    await expect(items.addItem('OS::Test', 'tags', tag('elan'), ADMIN, {})).rejects.toMatchObject(
      taken,
    );
    await expect(
      items.putTags('OS::Test', { names: ['a', 'A'], append: false }, ADMIN, {}),
    ).rejects.toMatchObject(taken);
    // A name may be written in another way.
    await items.updateItem('OS::Test', 'tags', 'ÉLAN', tag('elan'), ADMIN, {});
    expect((await items.getItem('OS::Test', 'tags', 'Elan', ADMIN, {})).name).toBe('elan');
  });

  onMysql('refuses tags that the database does not hold', async () => {
    const { metadefs, items } = servicesTelling();
    await metadefs.createNamespace(aNamespace(), ADMIN, {});
    await expect(
      items.putTags('OS::Test', { names: ['😀'], append: true }, ADMIN, {}),
    ).rejects.toMatchObject({ code: 'invalid_request' });
  });

  describe('that upstream has written', () => {
    beforeEach(async () => {
      const { knex } = current().database;
      // As its loader leaves them: no updated_at, and NULL for what a file does not say.
      await knex('metadef_namespaces').insert({
        id: 7,
        namespace: 'OS::Old',
        owner: 'admin',
        created_at: NOW,
      });
      const rows = { namespace_id: 7, created_at: NOW };
      await knex('metadef_objects').insert([
        { ...rows, name: 'none', json_schema: 'null' },
        { ...rows, name: 'broken', json_schema: '{', required: '' },
        { ...rows, name: 'some', json_schema: '{"a": {"type": "\\u00fc"}}', required: 'a,b' },
      ]);
      await knex('metadef_properties').insert({ ...rows, name: 'p', json_schema: '{"name": "p"}' });
    });

    it('are read as they are meant', async () => {
      const { metadefs } = servicesTelling();
      const content = await metadefs.getContent('OS::Old', memberOf('admin'), {});
      const times = { createdAt: '2026-01-02T03:04:05', updatedAt: null };
      const item = { description: null, required: null, ...times };
      expect(content).toEqual({
        namespace: 'OS::Old',
        displayName: null,
        description: null,
        visibility: 'private',
        protected: false,
        owner: 'admin',
        ...times,
        associations: [],
        objects: [
          { ...item, name: 'none', schema: {} },
          { ...item, name: 'broken', schema: {} },
          { ...item, name: 'some', schema: { a: { type: 'ü' } }, required: ['a', 'b'] },
        ],
        properties: [{ ...item, name: 'p', schema: { name: 'p' } }],
        tags: [],
      });
      const query = { ...ALL, visibility: 'private', limit: 10 } as const;
      expect(await metadefs.listNamespaces(query, memberOf('admin'), {})).toHaveLength(1);
      await expect(metadefs.getNamespace('OS::Old', memberOf('p'), {})).rejects.toMatchObject({
        code: 'not_found',
      });
    });

    it('are changed and deleted like others', async () => {
      const { metadefs, items } = servicesTelling();
      const { updatedAt } = await items.updateItem(
        'OS::Old',
        'objects',
        'none',
        { name: 'now', description: 'd', required: ['x'], schema: {} },
        ADMIN,
        {},
      );
      expect(updatedAt).not.toBeNull();
      await metadefs.deleteNamespace('OS::Old', memberOf('admin'), {});
      for (const kind of METADEF_KINDS) {
        expect(await current().database.knex(`metadef_${kind}`)).toEqual([]);
      }
    });
  });

  describe('are announced', () => {
    const told = async (): Promise<[string, Record<string, unknown>][]> => {
      const rows = (await current().database.knex('registry_outbox').orderBy('id')) as {
        event: string;
        payload: string;
      }[];
      return rows.map(({ event, payload }) => [
        event,
        JSON.parse(payload) as Record<string, unknown>,
      ]);
    };
    const AT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as unknown as string;
    const ALIVE = { deleted: false, deleted_at: null };
    const GONE = { deleted: true, deleted_at: AT };

    it('whatever is made, with upstream’s payloads', async () => {
      const { metadefs } = servicesTelling({ sinks: ['test'], disabled: [] });
      const definition = { title: 'A title', type: 'integer', minimum: 1 };
      await metadefs.createNamespace(
        aNamespace({
          displayName: 'Shown',
          associations: [{ name: 'OS::Type', prefix: 'hw_', propertiesTarget: null }],
          objects: [{ ...tag('o'), description: 'd', required: ['a'], schema: { a: definition } }],
          properties: [{ ...tag('p'), schema: definition }],
          tags: [tag('t')],
        }),
        ADMIN,
        {},
      );
      const times = { created_at: AT, updated_at: AT, ...ALIVE };
      const none = Object.fromEntries(
        ['description', 'default', 'maximum', 'enum', 'pattern', 'minLength', 'maxLength']
          .concat(['confidential', 'items', 'uniqueItems', 'minItems', 'maxItems'])
          .concat(['additionalItems'])
          .map((key) => [key, null]),
      );
      const named = (name: string) => ({ namespace: 'OS::Test', name, name_old: name });
      expect(await told()).toEqual([
        [
          'metadef_namespace.create',
          {
            namespace: 'OS::Test',
            namespace_old: 'OS::Test',
            display_name: 'Shown',
            protected: false,
            visibility: 'private',
            owner: 'p',
            description: null,
            ...times,
          },
        ],
        [
          'metadef_resource_type.create',
          { ...named('OS::Type'), prefix: 'hw_', properties_target: null, ...times },
        ],
        [
          'metadef_object.create',
          {
            ...named('o'),
            properties: [{ ...none, name: 'a', ...definition }],
            required: ['a'],
            description: 'd',
            ...times,
          },
        ],
        ['metadef_property.create', { ...named('p'), ...none, ...definition, ...ALIVE }],
        ['metadef_tag.create', { ...named('t'), ...times }],
      ]);
    });

    it('whatever is changed and deleted, with its old name', async () => {
      const { metadefs, items } = servicesTelling({ sinks: ['test'], disabled: [] });
      const { tags: _t, objects: _o, properties: _p, associations: _a, ...fields } = aNamespace();
      await metadefs.createNamespace(aNamespace({ namespace: 'Before' }), ADMIN, {});
      await metadefs.updateNamespace('Before', fields, ADMIN, {});
      const association = { name: 'OS::Type', prefix: null, propertiesTarget: null };
      await metadefs.addAssociation('OS::Test', association, ADMIN, {});
      await metadefs.deleteAssociation('OS::Test', 'OS::Type', ADMIN, {});
      await items.addItem('OS::Test', 'tags', tag('a'), ADMIN, {});
      await items.updateItem('OS::Test', 'tags', 'a', tag('b'), ADMIN, {});
      await items.deleteItem('OS::Test', 'tags', 'b', ADMIN, {});
      await items.putTags('OS::Test', { names: ['c', 'd'], append: true }, ADMIN, {});
      for (const kind of METADEF_KINDS) await items.deleteItems('OS::Test', kind, ADMIN, {});
      await metadefs.deleteNamespace('OS::Test', ADMIN, {});
      const all = (await told()).slice(1);
      expect(all.map(([event]) => event)).toEqual([
        'metadef_namespace.update',
        'metadef_resource_type.create',
        'metadef_resource_type.delete',
        'metadef_tag.create',
        'metadef_tag.update',
        'metadef_tag.delete',
        'metadef_tag.create',
        'metadef_tag.create',
        'metadef_namespace.delete_objects',
        'metadef_namespace.delete_properties',
        'metadef_namespace.delete_tags',
        'metadef_namespace.delete',
      ]);
      expect(all[0]?.[1]).toMatchObject({ namespace: 'OS::Test', namespace_old: 'Before' });
      expect(all[4]?.[1]).toMatchObject({ name: 'b', name_old: 'a', ...ALIVE });
      for (const [event, payload] of all) {
        expect(payload).toMatchObject(event.includes('.delete') ? GONE : ALIVE);
      }
    });

    it('unless nothing has come of it, or nobody listens, or it is disabled', async () => {
      const listening = servicesTelling({ sinks: ['test'], disabled: ['metadef_tag'] });
      await listening.metadefs.createNamespace(aNamespace({ tags: [tag('t')] }), ADMIN, {});
      const again = listening.metadefs.createNamespace(aNamespace(), ADMIN, {});
      await expect(again).rejects.toMatchObject({ code: 'conflict' });
      await servicesTelling().metadefs.deleteNamespace('OS::Test', ADMIN, {});
      expect((await told()).map(([event]) => event)).toEqual(['metadef_namespace.create']);
    });
  });
});
