import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { createDatabase, type Database } from '../db/create-database';
import { migrateUp } from '../db/migrator';

/** A database of its own for one test file. */
export interface TestDatabase {
  url: string;
  database: Database;
  /** Another pool on the same database, closed with it: a second registry. */
  another(): Database;
}

interface Backend {
  name: string;
  dialect: 'sqlite' | 'mysql';
  /** @returns the URL of a new, empty database and how to remove it. */
  create(): Promise<{ url: string; remove(): Promise<void> }>;
}

const sqlite: Backend = {
  name: 'SQLite',
  dialect: 'sqlite',
  async create() {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-registry-'));
    return {
      url: `sqlite:///${path.join(directory, 'glance.sqlite')}`,
      remove: () => rm(directory, { recursive: true }),
    };
  },
};

function mysql(server: string): Backend {
  return {
    name: 'MySQL',
    dialect: 'mysql',
    async create() {
      const name = `glance_test_${randomBytes(6).toString('hex')}`;
      const admin = createDatabase({ url: `${server.replace(/\/+$/, '')}/` });
      await admin.knex.raw(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
      return {
        url: `${server.replace(/\/+$/, '')}/${name}`,
        async remove() {
          await admin.knex.raw(`DROP DATABASE ${name}`);
          await admin.close();
        },
      };
    },
  };
}

const server = process.env['TEST_MYSQL_URL'];

/** Stands for `it` and `describe` where a test is about the other kind of database. */
export const notHere = Object.assign(() => undefined, {
  each: () => () => undefined,
}) as unknown as never;

/** The databases of this run: SQLite always, MySQL or MariaDB when TEST_MYSQL_URL names a server. */
export const BACKENDS: readonly Backend[] =
  server === undefined || server === '' ? [sqlite] : [sqlite, mysql(server)];

/** Runs the tests once per database, each time on a fresh one; migrated unless said otherwise. */
export function describeEachDatabase(
  title: string,
  define: (current: () => TestDatabase, dialect: Backend['dialect']) => void,
  options: { migrate?: boolean } = {},
): void {
  describe.each(BACKENDS.map((backend) => [backend.name, backend] as const))(
    `${title} on %s`,
    (_name, backend) => {
      let current: TestDatabase;
      let remove: () => Promise<void>;
      const opened: Database[] = [];

      beforeAll(async () => {
        const created = await backend.create();
        remove = created.remove;
        const another = (): Database => {
          const database = createDatabase({ url: created.url });
          opened.push(database);
          return database;
        };
        current = { url: created.url, database: another(), another };
        if (options.migrate !== false) await migrateUp(current.database, () => undefined);
      }, 60_000);

      afterAll(async () => {
        await Promise.all(opened.map((database) => database.close()));
        await remove();
      }, 60_000);

      define(() => current, backend.dialect);
    },
  );
}
