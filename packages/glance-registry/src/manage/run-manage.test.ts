import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { migrateUp } from '../db/migrator';
import { queensStatements } from '../testing/queens-schema';
import { RegistryWorld, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { runManage } from './run-manage';

interface Outcome {
  code: number;
  out: string;
  err: string;
}

async function manage(
  argv: string[],
  isTerminal = false,
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runManage({
    argv,
    env,
    defaultFiles: [],
    print: (line) => out.push(line),
    printError: (line) => err.push(line),
    isTerminal,
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describeEachDatabase(
  'glance-manage',
  (current, dialect) => {
    let directory: string;
    let config: string;

    beforeAll(async () => {
      directory = await mkdtemp(path.join(os.tmpdir(), 'glance-manage-'));
      config = path.join(directory, 'glance-api.conf');
      const url = current().url.replace('mysql://', 'mysql+pymysql://');
      // A file of the api: what glance-manage does not know is none of its business.
      await writeFile(
        config,
        `[DEFAULT]\nworkers = many\n[database]\nconnection = ${url}\n[glance_store]\nstores = file\n`,
      );
      for (const statement of queensStatements(dialect)) {
        await current().database.knex.raw(statement);
      }
    });

    afterAll(() => rm(directory, { recursive: true }));

    const db = (...words: string[]): Promise<Outcome> =>
      manage(['--config-file', config, 'db', ...words]);

    it('finds the database in the environment of glance-registry', async () => {
      const url = current().url.replace('mysql://', 'mysql+pymysql://');
      const env = { GLANCE_REGISTRY__DATABASE__CONNECTION: url };
      expect(await manage(['db', 'version'], false, env)).toMatchObject({ code: 0 });
      expect(await manage(['db', 'version'])).toMatchObject({ code: 1 });
    });

    it('shows its commands when none is given or known', async () => {
      for (const words of [[], ['db'], ['db', 'explode'], ['sync'], ['db___proto__']]) {
        const { code, err } = await manage(['--config-file', config, ...words]);
        expect(code).toBe(2);
        expect(err).toMatch(/usage: glance-manage/);
      }
    });

    it('fails without a connection', async () => {
      expect(await manage(['db', 'version'])).toEqual({
        code: 1,
        out: '',
        err: 'ERROR: [database] connection is not set',
      });
    });

    it('leads through the phases in order and refuses to skip one', async () => {
      expect(await db('version')).toMatchObject({ code: 0, out: 'queens_contract01' });
      expect(await db('check')).toMatchObject({
        code: 3,
        out: expect.stringMatching(/glance-manage db expand/),
      });
      for (const phase of ['migrate', 'contract']) {
        expect(await db(phase)).toMatchObject({
          code: 1,
          err: expect.stringMatching(/before expand/),
        });
      }
      expect((await db('expand')).code).toBe(0);
      expect(await db('version')).toMatchObject({
        code: 0,
        out: '2024_1_expand01, queens_contract01',
      });
      expect(await db('expand')).toMatchObject({
        code: 0,
        out: expect.stringMatching(/No expansion needed/),
      });
      expect(await db('check')).toMatchObject({
        code: 4,
        out: expect.stringMatching(/glance-manage db migrate/),
      });
      expect(await db('contract')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/before migrate/),
      });
      expect((await db('migrate')).code).toBe(0);
      expect(await db('check')).toMatchObject({
        code: 5,
        out: expect.stringMatching(/glance-manage db contract/),
      });
      expect((await db('contract')).code).toBe(0);
      expect(await db('check')).toMatchObject({
        code: 0,
        out: expect.stringMatching(/up to date/),
      });
      expect(await db('version')).toMatchObject({ code: 0, out: '2024_1_contract01' });
      for (const phase of ['expand', 'migrate', 'contract', 'sync']) {
        expect(await db(phase)).toMatchObject({
          code: 0,
          out: expect.stringMatching(/up to date/),
        });
      }
    });

    it('knows the old spellings', async () => {
      const old = (word: string) => manage([word, '--config-file', config]);
      expect(await old('db_version')).toMatchObject({ code: 0, out: '2024_1_contract01' });
      expect(await old('db_check')).toMatchObject({ code: 0 });
      expect(await manage(['--config-file', config, 'db_sync', 'heads'])).toMatchObject({
        code: 0,
        out: expect.stringMatching(/up to date/),
      });
    });

    it('puts a database under version control that has lost its revision', async () => {
      const { knex } = current().database;
      await knex('alembic_version').delete();
      expect(await db('version')).toMatchObject({ out: expect.stringMatching(/not under/) });
      for (const words of [[], ['--version', 'liberty'], ['explosion']]) {
        expect(await db('version_control', ...words)).toMatchObject({
          code: 1,
          err: expect.stringMatching(/Say with --version .*wallaby_contract01/),
        });
      }
      expect(
        await manage(['--config-file', config, 'db_version_control', '2024_1_contract01']),
      ).toMatchObject({ code: 0, out: expect.stringMatching(/revision: 2024_1_contract01/) });
      expect(await db('version')).toMatchObject({ code: 0, out: '2024_1_contract01' });
      expect(await db('check')).toMatchObject({ code: 0 });
    });

    describe('purging', () => {
      let world: RegistryWorld;
      const owner = memberOf('purged-project');

      beforeAll(() => {
        world = new RegistryWorld(current().database);
      });

      const rich = { properties: [['a', '1'] as const], tags: ['t'] };

      /** A deleted image of long ago. */
      async function anOldImage(finish = true): Promise<string> {
        const { id } = await world.createActive(rich, {}, owner);
        await world.deletions.begin(id, { delayed: false }, owner, {});
        if (finish) await world.deletions.finish(id, owner, {});
        const { knex } = current().database;
        await knex('images').where({ id }).update({ deleted_at: '2020-01-01 00:00:00' });
        for (const table of ['image_properties', 'image_tags', 'image_locations']) {
          await knex(table)
            .where({ image_id: id, deleted: 1 })
            .update({ deleted_at: '2020-01-01 00:00:00' });
        }
        return id;
      }

      const count = async (table: string, where: object): Promise<number> =>
        (await current().database.knex(table).where(where)).length;

      it.each([
        ['--age_in_days', '-1', /non-negative/],
        ['--age_in_days', 'old', /Invalid int value for age_in_days: old/],
        ['--age_in_days', '99999', /count of days since epoch/],
        ['--max_rows', '-2', /Minimal rows limit is -1/],
        ['--max_rows', '1e3', /Invalid int value for max_rows/],
        ['--max-rows=99999999999', '', /Invalid int value for max_rows/],
      ])('refuses %s %s', async (flag, value, message) => {
        for (const command of ['purge', 'purge_images_table']) {
          const words = value === '' ? [flag] : [flag, value];
          expect(await db(command, ...words)).toMatchObject({
            code: 1,
            err: expect.stringMatching(message),
          });
        }
      });

      it('takes rows of long-deleted images, and the images only by its own command', async () => {
        const old = await anOldImage();
        const young = await world.create(rich, owner);
        await world.deletions.begin(young.id, { delayed: false }, owner, {});
        expect(await db('purge_images_table')).toMatchObject({
          code: 1,
          err: expect.stringMatching(/glance-manage db purge/),
        });
        expect(await db('purge', '--age_in_days', '30')).toMatchObject({
          code: 0,
          out: expect.stringMatching(/Deleted 1 rows from table image_properties\./),
        });
        for (const table of ['image_properties', 'image_tags', 'image_locations']) {
          expect(await count(table, { image_id: old })).toBe(0);
        }
        expect(await count('image_properties', { image_id: young.id })).toBe(1);
        expect(await count('images', { id: old })).toBe(1);
        expect((await db('purge_images_table')).code).toBe(0);
        expect(await count('images', { id: old })).toBe(0);
        await expect(world.create({ id: old }, owner)).rejects.toMatchObject({
          code: 'image_exists',
        });
      });

      it('stops at max_rows of each table', async () => {
        for (let index = 0; index < 3; index += 1) await anOldImage();
        const before = await count('image_tags', { deleted: 1 });
        await db('purge', '30', '2');
        expect(await count('image_tags', { deleted: 1 })).toBe(before - 2);
        await db('purge', '--max_rows=-1');
        await db('purge_images_table', '--max_rows', '-1');
        expect(await count('images', { deleted_at: '2020-01-01 00:00:00' })).toBe(0);
      });

      it('leaves a revived row and data that is still to be removed', async () => {
        const kept = await world.createActive(rich, {}, owner);
        await current()
          .database.knex('image_properties')
          .where({ image_id: kept.id })
          .update({ deleted_at: '2020-01-01 00:00:00' });
        const waiting = await anOldImage(false);
        await db('purge', '--max_rows', '-1');
        await db('purge_images_table', '--max_rows', '-1');
        expect((await world.images.get(kept.id, owner, {})).properties).toEqual([['a', '1']]);
        // It may be restored, and its data is still to be removed.
        for (const table of ['image_locations', 'image_properties', 'image_tags']) {
          expect(await count(table, { image_id: waiting })).toBe(1);
        }
        expect(await count('images', { id: waiting })).toBe(1);
      });
    });
  },
  { migrate: false },
);

describeEachDatabase(
  'glance-manage on an empty database',
  (current) => {
    const run = (words: string[], isTerminal = false): Promise<Outcome> =>
      manage([`--database-connection=${current().url}`, ...words], isTerminal);

    it('says that the database is not under control', async () => {
      expect(await run(['db', 'version'])).toMatchObject({
        code: 0,
        out: expect.stringMatching(/db sync/),
      });
    });

    it('makes the schema and shows its progress to a terminal only', async () => {
      const { code, out, err } = await run(['db', 'sync'], true);
      expect([code, out]).toEqual([0, 'Database is synced successfully.']);
      expect(err).toMatch(/creating table images/);
      await migrateUp(current().database, () => {
        throw new Error('nothing is left to do');
      });
      expect(await run(['db', 'sync'])).toMatchObject({ code: 0, err: '' });
    });

    it('encrypts the locations from before there was a key', async () => {
      await new RegistryWorld(current().database).createActive();
      const encrypt = (...options: string[]) => run([...options, 'db', 'encrypt_locations']);
      const unset = { code: 1, err: '[DEFAULT] metadata_encryption_key is not set.' };
      expect(await encrypt()).toMatchObject(unset);
      const bad = await encrypt('--metadata-encryption-key=short');
      expect(bad).toMatchObject({ code: 1, err: expect.stringMatching(/must have 16, 24 or 32/) });
      const key = '--metadata-encryption-key=0123456789abcdef';
      expect(await encrypt(key)).toMatchObject({ code: 0, out: 'Encrypted 1 locations.' });
      expect(await encrypt(key)).toMatchObject({ code: 0, out: 'Every location is encrypted.' });
    });
  },
  { migrate: false },
);
