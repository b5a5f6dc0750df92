import { readFileSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import { silentLogger, type Logger } from '@glance/service-kit';
import { knex, type Knex } from 'knex';
import { parseConnectionUrl, type MysqlTarget, type MysqlTls } from './connection-url';
import { mysqlDialect, sqliteDialect, type Dialect } from './dialect';
import type { StatementTimer } from './statement-timer';
import { libsqlClient, type LibsqlSettings } from './libsql-client';

export interface Database {
  readonly knex: Knex;
  readonly dialect: Dialect;
  /** Set where somebody watches. */
  statements?: StatementTimer;
  /** Waits for running statements, then closes every connection. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** An SQLAlchemy URL, see {@link parseConnectionUrl}. */
  url: string;
  /** Connections kept for use; `maxOverflow` more are opened under load (MySQL only). */
  maxPoolSize?: number;
  maxOverflow?: number;
  /** Statements that run longer are ended by the server; 0 for no limit (migrations). */
  statementTimeoutMs?: number;
  logger?: Logger;
  /** The database refuses every change. */
  readOnly?: boolean;
}

const CONNECT_TIMEOUT_MS = 5000;
const ACQUIRE_TIMEOUT_MS = 5000;
/**
 * For so many values of an `IN (…)` the server plans by the statistics of an index instead of looking
 * each of them up in it first, which took a third of what the children of 100 images cost.
 */
const PLANNED_BY_STATISTICS = 8;
const LOCK_WAIT_SECONDS = 5;
const STATEMENT_TIMEOUT_MS = 20_000;
/** Short, because SQLite waits on the event loop's thread; whoever waits longer tries again. */
const SQLITE_BUSY_TIMEOUT_MS = 250;
const IDLE_CONNECTION_MS = 60_000;

/**
 * Opens no connection yet: the first statement does.
 * @throws Error for a URL that cannot be used, or an unreadable TLS file it names.
 */
export function createDatabase(options: DatabaseOptions): Database {
  const target = parseConnectionUrl(options.url);
  const logger = options.logger ?? silentLogger;
  const common: Knex.Config = {
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    // An error text must not carry bound values: locations hold credentials.
    compileSqlOnError: false,
    log: knexLog(logger),
  };
  const isMysql = target.kind === 'mysql';
  const instance = knex(
    isMysql
      ? { ...common, ...mysqlConfig(target, options) }
      : {
          ...common,
          client: libsqlClient,
          useNullAsDefault: true,
          connection: sqliteConnection(target.filename, options.readOnly ?? false),
          // One connection: SQLite has one writer, and a database in memory lives in it.
          pool: { min: 1, max: 1 },
        },
  );
  return {
    knex: instance,
    dialect: isMysql ? mysqlDialect : sqliteDialect,
    close: () => instance.destroy(),
  };
}

function sqliteConnection(
  filename: string,
  readOnly: boolean,
): Knex.BetterSqlite3ConnectionConfig & LibsqlSettings {
  return { filename, busyTimeoutMs: SQLITE_BUSY_TIMEOUT_MS, readOnly };
}

function mysqlConfig(target: MysqlTarget, options: DatabaseOptions): Knex.Config {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
  return {
    client: 'mysql2',
    connection: {
      ...(target.socketPath === undefined
        ? { host: target.host, port: target.port }
        : { socketPath: target.socketPath }),
      ...(target.user === undefined ? {} : { user: target.user }),
      ...(target.password === undefined ? {} : { password: target.password }),
      ...(target.database === undefined ? {} : { database: target.database }),
      ...(target.tls === undefined ? {} : { ssl: tlsOptions(target.tls) }),
      // Whatever charset the URL names: the server converts, and no text arrives mangled.
      charset: 'utf8mb4',
      timezone: 'Z',
      connectTimeout: CONNECT_TIMEOUT_MS,
      dateStrings: true,
      supportBigNumbers: true,
      stringifyObjects: true,
      multipleStatements: false,
      flags: 'FOUND_ROWS,-LOCAL_FILES',
    },
    pool: {
      min: 0,
      max: Math.max(1, (options.maxPoolSize ?? 5) + (options.maxOverflow ?? 50)),
      idleTimeoutMillis: IDLE_CONNECTION_MS,
      afterCreate: (connection: MysqlConnection, done: (error: Error | null) => void) => {
        prepareSession(connection, statementTimeoutMs, options.readOnly ?? false).then(
          () => done(null),
          (error: unknown) => {
            connection.destroy();
            done(error as Error);
          },
        );
      },
    },
  };
}

interface MysqlConnection {
  query(
    statement: string,
    done: (error: Error | null, rows: { version: string }[]) => void,
  ): unknown;
  destroy(): void;
}

async function prepareSession(
  connection: MysqlConnection,
  statementTimeoutMs: number,
  readOnly: boolean,
): Promise<void> {
  const run = (statement: string): Promise<{ version: string }[]> =>
    new Promise((resolve, reject) => {
      connection.query(statement, (error, rows) => {
        if (error) reject(error);
        else resolve(rows);
      });
    });
  const version = (await run('SELECT VERSION() AS version'))[0]?.version ?? '';
  const timeLimit = /mariadb/i.test(version)
    ? `max_statement_time = ${statementTimeoutMs / 1000}`
    : `max_execution_time = ${statementTimeoutMs}`;
  await run(
    `SET SESSION sql_mode = 'TRADITIONAL', time_zone = '+00:00',
      innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS},
      eq_range_index_dive_limit = ${PLANNED_BY_STATISTICS}, ${timeLimit}`,
  );
  const access = readOnly ? ', READ ONLY' : '';
  await run(`SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED${access}`);
}

function tlsOptions(
  tls: MysqlTls,
): SecureContextOptions & { rejectUnauthorized: boolean; verifyIdentity: boolean } {
  return {
    ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.certFile === undefined ? {} : { cert: readFileSync(tls.certFile) }),
    ...(tls.keyFile === undefined ? {} : { key: readFileSync(tls.keyFile) }),
    rejectUnauthorized: tls.verifyCertificate,
    verifyIdentity: tls.verifyIdentity,
  };
}

function knexLog(logger: Logger): Knex.Logger {
  const say =
    (level: 'debug' | 'warn') =>
    (message: unknown): void => {
      logger[level](`knex: ${message instanceof Error ? message.message : String(message)}`);
    };
  return {
    debug: say('debug'),
    deprecate: say('debug'),
    // A connection dropped from the pool: what it means is logged where it was used.
    warn: say('debug'),
    error: say('warn'),
  };
}
