import { describeError } from '@glance/common';
import type { Database } from '../db/create-database';
import { migrateUp, pendingMigrations } from '../db/migrator';
import { MIGRATION_PHASES, type MigrationPhase } from '../db/migrations/migration';
import { ADOPTABLE_HEADS, readAlembicHeads, writeAlembicHeads } from '../db/schema/alembic';
import type { ProgressReport } from '../db/schema/schema-editor';
import { OperatorLog, silentLogger } from '@glance/service-kit';
import type { TextCipher } from '../db/text-cipher';
import { TransactionRunner } from '../db/transaction';
import { DefinitionFilesError } from '../metadefs/files/definition-files';
import { auditUsage } from '../quota/usage-audit';
import { createRepositories, type Repositories } from '../repositories';
import { expireLeases } from '../uploads/lease-sweeper';
import { encryptLocations } from '../images/encrypt-locations';
import { CommandFailure } from './command-failure';
import type { CommandName } from './command-line';
import {
  exportMetadefs,
  loadMetadefs,
  unloadMetadefs,
  type MetadefCommandContext,
} from './metadef-commands';
import { purgeDeletedRows, purgeImages, type PurgeLimits } from '../db/purge';

export interface CommandContext {
  database: Database;
  /** Of the URLs in the database. */
  cipher: TextCipher;
  /** `[DEFAULT] metadata_source_path` */
  metadefPath: string;
  values: ReadonlyMap<string, string>;
  /** A line for the operator. */
  print: (line: string) => void;
  report: ProgressReport;
}

type Command = (context: CommandContext) => Promise<number>;

const UP_TO_DATE = 'Database is up to date. No migrations needed.';
/** lifecycle sheet §8 */
const CHECK_EXIT_CODES: Readonly<Record<MigrationPhase, number>> = {
  expand: 3,
  migrate: 4,
  contract: 5,
};
const CHECK_STEPS: Readonly<Record<MigrationPhase, string>> = {
  expand: 'first',
  migrate: 'next',
  contract: 'last',
};

/** Every command, and its exit code when it succeeds. */
export const COMMANDS: Readonly<Record<CommandName, Command>> = {
  async version({ database, print }) {
    const heads = await readAlembicHeads(database.knex);
    print(
      heads.length > 0
        ? heads.join(', ')
        : 'Database is either not under migration control or under legacy migration control, ' +
            'please run "glance-manage db sync" to place the database under alembic migration control.',
    );
    return 0;
  },

  async check({ database, print }) {
    const phase = await nextPhase(database);
    if (phase === undefined) {
      print('Database is up to date. No upgrades needed.');
      return 0;
    }
    print(
      `Your database is not up to date. Your ${CHECK_STEPS[phase]} step is to run ` +
        `\`glance-manage db ${phase}\`.`,
    );
    return CHECK_EXIT_CODES[phase];
  },

  sync: (context) => sync(context),
  upgrade: (context) => sync(context),

  expand: (context) =>
    runPhase(context, 'expand', 'Database expansion is up to date. No expansion needed.'),
  migrate: (context) =>
    runPhase(context, 'migrate', 'Database migration is up to date. No migration needed.'),
  contract: (context) => runPhase(context, 'contract', UP_TO_DATE),

  /** For a database whose tables are there and whose `alembic_version` was lost. */
  async version_control({ database, values, print }) {
    const revision = values.get('version');
    if (revision === undefined || !ADOPTABLE_HEADS.has(revision)) {
      throw new CommandFailure(
        'Say with --version what release the tables are of, as one of its revisions: ' +
          [...ADOPTABLE_HEADS].join(', '),
      );
    }
    if (!(await database.knex.schema.hasTable('images'))) {
      throw new CommandFailure(
        'There is no table images to put under version control. Run "glance-manage db sync".',
      );
    }
    await writeAlembicHeads(database.knex, [revision]);
    print(`Placed database under migration control at revision: ${revision}`);
    return 0;
  },

  async purge({ database, values, print, report }) {
    const limits = readLimits(values, 30);
    for (const [table, rows] of await purgeDeletedRows(database, limits, report)) {
      if (rows > 0) print(`Deleted ${rows} rows from table ${table}.`);
    }
    return 0;
  },

  async purge_images_table({ database, values, print, report }) {
    const limits = readLimits(values, 180);
    try {
      const rows = await purgeImages(database, limits, report);
      if (rows > 0) print(`Deleted ${rows} rows from table images.`);
      return 0;
    } catch (error) {
      if (database.dialect.classify(error) !== 'referenced') throw error;
      throw new CommandFailure(
        'Purge command failed: other rows still refer to an image. ' +
          'Run "glance-manage db purge" until they are gone.',
        { cause: error },
      );
    }
  },

  async audit_usage({ database, cipher, print, report }) {
    const transactions = transactionsOf(database, cipher);
    const repairs = await auditUsage({
      transactions,
      logger: silentLogger,
      onProgress: (accounts) => report(`${accounts} accounts compared`),
    });
    for (const { owner, was, is } of repairs) {
      print(
        `${owner}: ${was.usedBytes} bytes used and ${was.reservedBytes} reserved are ` +
          `${is.usedBytes} and ${is.reservedBytes}.`,
      );
    }
    print(
      repairs.length === 0
        ? 'Every quota account is right.'
        : `Repaired ${repairs.length} quota accounts.`,
    );
    return 0;
  },

  async expire_leases({ database, cipher, print }) {
    const transactions = transactionsOf(database, cipher);
    const log = new OperatorLog({ print, printError: print });
    const ended = await expireLeases(transactions, log);
    print(ended === 0 ? 'No upload is overdue.' : `Rolled back ${ended} uploads.`);
    return 0;
  },

  async encrypt_locations({ database, cipher, print, report }) {
    if (!cipher.hasKey) throw new CommandFailure('[DEFAULT] metadata_encryption_key is not set.');
    const rows = await encryptLocations(database.knex, cipher, (done) =>
      report(`${done} locations encrypted`),
    );
    print(rows === 0 ? 'Every location is encrypted.' : `Encrypted ${rows} locations.`);
    return 0;
  },

  load_metadefs: (context) => reportingFiles(loadMetadefs(metadefContext(context))),
  unload_metadefs: (context) => unloadMetadefs(metadefContext(context)),
  export_metadefs: (context) => reportingFiles(exportMetadefs(metadefContext(context))),
};

function transactionsOf(database: Database, cipher: TextCipher): TransactionRunner<Repositories> {
  return new TransactionRunner(
    database,
    (connection, dialect, actor) => createRepositories(connection, dialect, actor, { cipher }),
    silentLogger,
    cipher,
  );
}

function metadefContext(context: CommandContext): MetadefCommandContext {
  const { database, cipher, metadefPath, values, print } = context;
  return {
    transactions: transactionsOf(database, cipher),
    sourcePath: metadefPath,
    values,
    print,
  };
}

async function reportingFiles<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DefinitionFilesError)) throw error;
    throw new CommandFailure(error.message, { cause: error });
  }
}

async function nextPhase(database: Database): Promise<MigrationPhase | undefined> {
  return (await pendingMigrations(database.knex))[0]?.phase;
}

async function sync({ database, print, report }: CommandContext): Promise<number> {
  const done = await migrating(migrateUp(database, report));
  print(done.length === 0 ? UP_TO_DATE : 'Database is synced successfully.');
  return 0;
}

/** Each phase refuses while the one before it is pending, so that none can be skipped. */
async function runPhase(
  { database, print, report }: CommandContext,
  phase: MigrationPhase,
  nothingToDo: string,
): Promise<number> {
  const next = await nextPhase(database);
  if (next === undefined) {
    print(UP_TO_DATE);
    return 0;
  }
  if (MIGRATION_PHASES.indexOf(next) < MIGRATION_PHASES.indexOf(phase)) {
    throw new CommandFailure(
      `Database ${phase} did not run: it cannot be run before ${next}. ` +
        `Run "glance-manage db ${next}" first.`,
    );
  }
  const done = await migrating(migrateUp(database, report, [phase]));
  print(done.length === 0 ? nothingToDo : `Database ${phase} is complete.`);
  return 0;
}

async function migrating<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new CommandFailure(`Database migration failed: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function readLimits(values: ReadonlyMap<string, string>, defaultAge: number): PurgeLimits {
  const ageInDays = readInteger(values, 'age_in_days', defaultAge);
  const maxRows = readInteger(values, 'max_rows', 100);
  if (ageInDays < 0) throw new CommandFailure('Must supply a non-negative value for age.');
  if (ageInDays >= Date.now() / 86_400_000) {
    throw new CommandFailure('Maximal age is count of days since epoch.');
  }
  if (maxRows < -1) throw new CommandFailure('Minimal rows limit is -1.');
  return { ageInDays, maxRows };
}

function readInteger(
  values: ReadonlyMap<string, string>,
  name: string,
  defaultValue: number,
): number {
  const text = values.get(name);
  if (text === undefined) return defaultValue;
  const value = /^[+-]?\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (!(value <= 2 ** 31 - 1)) {
    throw new CommandFailure(`Invalid int value for ${name}: ${text}`);
  }
  return value;
}
