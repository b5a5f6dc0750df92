import type { Knex } from 'knex';
import type { Database } from './create-database';
import { MIGRATIONS } from './migrations';
import { MIGRATION_PHASES, type Migration, type MigrationPhase } from './migrations/migration';
import { SchemaEditor, type ProgressReport } from './schema/schema-editor';
import { executeSql, selectRow, selectRows, sql, sqlText } from './sql';

const TABLE = 'registry_migrations';
// Locks of the server are not a database's own: the name carries it.
// At most 64 characters. MySQL 9.6 has no MD5 any more.
const LOCK_NAME = sqlText("CONCAT('glance-registry:', LEFT(SHA2(DATABASE(), 256), 32))");
const LOCK_WAIT_SECONDS = 60;

/** Migrations that the database has not seen yet, in order. */
export async function pendingMigrations(connection: Knex): Promise<Migration[]> {
  const done = await completedNames(connection);
  return MIGRATIONS.filter((migration) => !done.has(migration.name));
}

/**
 * What is to be contracted may wait: an older release that still runs may need it, this one does not.
 * @throws SchemaOutdatedError that says what to do, unless this release works with the schema.
 */
export async function assertSchemaUsable(connection: Knex): Promise<void> {
  const pending = (await pendingMigrations(connection)).filter(({ phase }) => phase !== 'contract');
  if (pending.length > 0) {
    throw new SchemaOutdatedError(pending.map((migration) => migration.name));
  }
}

export class SchemaOutdatedError extends Error {
  constructor(readonly pending: readonly string[]) {
    super(
      `the database schema is not current: run "glance-manage db sync" (${pending.join(', ')})`,
    );
    this.name = 'SchemaOutdatedError';
  }
}

/**
 * Runs what is pending of the given phases (all by default). Only one process at a time does.
 * @returns the migrations that ran.
 */
export async function migrateUp(
  database: Database,
  report: ProgressReport,
  phases: readonly MigrationPhase[] = MIGRATION_PHASES,
): Promise<Migration[]> {
  return await exclusively(database, async (connection) => {
    const pending = (await pendingMigrations(connection)).filter((migration) =>
      phases.includes(migration.phase),
    );
    for (const migration of pending) {
      report(migration.name);
      await connection.migrate.up({ ...config(database, report), name: migration.name });
    }
    return pending;
  });
}

/** Undoes every migration, the newest first. Drops the tables of a database this program made. */
export async function migrateDown(database: Database, report: ProgressReport): Promise<void> {
  await exclusively(database, async (connection) => {
    const done = await completedNames(connection);
    for (const migration of MIGRATIONS.filter((each) => done.has(each.name)).reverse()) {
      report(migration.name);
      await connection.migrate.down({ ...config(database, report), name: migration.name });
    }
  });
}

async function completedNames(connection: Knex): Promise<Set<string>> {
  if (!(await connection.schema.hasTable(TABLE))) return new Set();
  const rows = await selectRows<{ name: string }>(connection, sqlText(`SELECT name FROM ${TABLE}`));
  return new Set(rows.map((row) => row.name));
}

function config(database: Database, report: ProgressReport): Knex.MigratorConfig {
  return {
    tableName: TABLE,
    // A newer release may have run more: they only add.
    disableMigrationsListValidation: true,
    disableTransactions: true,
    migrationSource: {
      getMigrations: () => Promise.resolve([...MIGRATIONS]),
      getMigrationName: (migration: Migration) => migration.name,
      getMigration: (migration: Migration) =>
        Promise.resolve({
          up: (connection: Knex) =>
            migration.up(new SchemaEditor(connection, database.dialect, report)),
          down: (connection: Knex) =>
            migration.down(new SchemaEditor(connection, database.dialect, report)),
        }),
    },
  };
}

/**
 * SQLite: one transaction around everything. MySQL commits every DDL statement, so a lock of the
 * server's is held beside, which ends with its connection; knex's own lock row would survive a
 * crash and is therefore cleared under it.
 */
async function exclusively<T>(
  database: Database,
  work: (connection: Knex) => Promise<T>,
): Promise<T> {
  const { knex } = database;
  if (database.dialect.name === 'sqlite') return await knex.transaction(work);
  return await knex.transaction(async (lockHolder) => {
    const got = await selectRow<{ got: number | null }>(
      lockHolder,
      sql`SELECT GET_LOCK(${LOCK_NAME}, ${LOCK_WAIT_SECONDS}) AS got`,
    );
    if (got?.got !== 1) throw new Error('another process is migrating the database');
    try {
      if (await knex.schema.hasTable(`${TABLE}_lock`)) {
        await knex.migrate.forceFreeMigrationsLock(config(database, () => undefined));
      }
      return await work(knex);
    } finally {
      await executeSql(lockHolder, sql`DO RELEASE_LOCK(${LOCK_NAME})`);
    }
  });
}
