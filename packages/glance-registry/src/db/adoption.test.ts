import { SERVICE_IDENTITY } from '@glance/common';
import { QUEENS_IMAGE_ID, queensStatements } from '../testing/queens-schema';
import { RegistryWorld, aQuery, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { migrateDown, migrateUp } from './migrator';
import { readAlembicHeads } from './schema/alembic';

const quietly = (): void => undefined;

describeEachDatabase(
  'a database of upstream Queens',
  (current, dialect) => {
    beforeAll(async () => {
      for (const statement of queensStatements(dialect)) {
        await current().database.knex.raw(statement);
      }
    });

    const schema = () => current().database.knex.schema;

    it('is adopted: what is missing is added, and what is there is served', async () => {
      const { database } = current();
      await migrateUp(database, quietly);
      expect(await readAlembicHeads(database.knex)).toEqual(['2024_1_contract01']);
      const { images } = new RegistryWorld(database);
      const [image] = await images.list(aQuery(), memberOf('a-project'), {});
      expect(image).toEqual({
        id: QUEENS_IMAGE_ID,
        name: 'old',
        status: 'active',
        visibility: 'private',
        owner: 'a-project',
        sizeBytes: 5,
        virtualSizeBytes: null,
        diskFormat: 'raw',
        containerFormat: 'bare',
        checksum: '5d41402abc4b2a76b9719d911017c592',
        hashAlgorithm: null,
        hashValue: null,
        minDisk: 1,
        minRam: 2,
        protected: true,
        hidden: false,
        deleted: false,
        createdAt: '2018-03-01T10:00:00',
        updatedAt: '2018-03-01T10:00:01',
        deletedAt: null,
        properties: [['os', 'linux']],
        tags: ['kept'],
        locations: [
          { id: 1, url: 'file:///images/old', metadata: { store: 'fast', n: 1 }, status: 'active' },
        ],
      });
      expect(await schema().hasColumn('tasks', 'request_id')).toBe(true);
      expect(await schema().hasTable('cached_images')).toBe(true);
    });

    it('has its location metadata rewritten as upstream would, once', async () => {
      const row = (await current().database.knex('image_locations').first()) as {
        meta_data: string;
      };
      expect(row.meta_data).toBe('{"store": "fast", "n": 1}');
    });

    it('can be given back to Queens with its rows', async () => {
      const { database } = current();
      await migrateDown(database, quietly);
      expect(await readAlembicHeads(database.knex)).toEqual(['queens_contract01']);
      expect(await schema().hasColumn('images', 'os_hidden')).toBe(false);
      expect(await schema().hasTable('cached_images')).toBe(false);
      expect(await schema().hasTable('registry_leases')).toBe(false);
      expect(await database.knex('images')).toHaveLength(1);
    });

    it('is adopted again after that', async () => {
      const { database } = current();
      await migrateUp(database, quietly);
      const { images } = new RegistryWorld(database);
      expect((await images.get(QUEENS_IMAGE_ID, SERVICE_IDENTITY, {})).name).toBe('old');
    });
  },
  { migrate: false },
);

describeEachDatabase(
  'a database that cannot be adopted',
  (current, dialect) => {
    beforeAll(async () => {
      for (const statement of queensStatements(dialect)) {
        await current().database.knex.raw(statement);
      }
    });

    it.each(['mitaka02', '2031_1_contract01'])('is left alone: revision %s', async (revision) => {
      const { database } = current();
      await database.knex('alembic_version').update({ version_num: revision });
      await expect(migrateUp(database, quietly)).rejects.toThrow(revision);
      expect(await readAlembicHeads(database.knex)).toEqual([revision]);
      expect(await database.knex.schema.hasColumn('images', 'os_hidden')).toBe(false);
    });

    it('is left alone: no revision', async () => {
      const { database } = current();
      await database.knex('alembic_version').delete();
      await expect(migrateUp(database, quietly)).rejects.toThrow(/migration control/);
      expect(await database.knex.schema.hasColumn('images', 'os_hidden')).toBe(false);
    });
  },
  { migrate: false },
);
