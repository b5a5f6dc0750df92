import { classifyMysqlError, classifySqliteError, type FailureKind } from './database-failure';
import { joinSql, sql, sqlText, type Sql, type SqlValue } from './sql';

/** What really differs between the databases; everything else is common SQL. */
export interface Dialect {
  readonly name: 'mysql' | 'sqlite';
  /** This moment by the database's clock, UTC, whole seconds, as the DATETIME columns hold it. */
  readonly now: Sql;
  /** The moment this many seconds from now, by the database's clock. */
  secondsFromNow(seconds: number): Sql;
  /** At the end of a SELECT: locks its rows until the transaction ends. */
  readonly forUpdate: Sql;
  /** The same, passing over rows that somebody else has locked. */
  readonly forUpdateSkipLocked: Sql;
  /** After a table of FROM: reads it through one of these indexes; SQLite takes the first. */
  throughIndex(names: readonly string[]): Sql;
  /** `FROM` the ids that a query selects, each once, to the rows of `images` by their key. */
  fromImagesOf(ids: Sql): Sql;
  /** The rows of queries that each have an ORDER BY and a LIMIT; takes an ORDER BY after it. */
  unionOf(queries: readonly Sql[]): Sql;
  /** Equality by code points, where `=` follows a collation that ignores case. */
  exactly(column: Sql, value: SqlValue): Sql;
  /** After INSERT … VALUES: what becomes of a row whose unique `key` exists already. */
  onDuplicate(key: string, assignments: (inserted: (column: string) => Sql) => Sql): Sql;
  classify(error: unknown): FailureKind;
}

export const mysqlDialect: Dialect = {
  name: 'mysql',
  now: sqlText('UTC_TIMESTAMP()'),
  secondsFromNow: (seconds) => sqlText(`UTC_TIMESTAMP() + INTERVAL ${integer(seconds)} SECOND`),
  forUpdate: sqlText(' FOR UPDATE'),
  forUpdateSkipLocked: sqlText(' FOR UPDATE SKIP LOCKED'),
  throughIndex: (names) => sqlText(` FORCE INDEX (${names.join(', ')})`),
  fromImagesOf: (ids) => sql`(SELECT DISTINCT id FROM (${ids}) found) chosen
    STRAIGHT_JOIN images FORCE INDEX (PRIMARY) ON images.id = chosen.id`,
  // Without tables derived from them: each would be a temporary table.
  unionOf: (queries) =>
    joinSql(
      queries.map((query) => sql`(${query})`),
      ' UNION ALL ',
    ),
  exactly: (column, value) =>
    sql`${column} = ${value} AND CAST(${column} AS BINARY) = CAST(${value} AS BINARY)`,
  onDuplicate: (_key, assignments) =>
    sql` ON DUPLICATE KEY UPDATE ${assignments((column) => sqlText(`VALUES(${column})`))}`,
  classify: classifyMysqlError,
};

const SQLITE_TIME = "'%Y-%m-%d %H:%M:%S'";

export const sqliteDialect: Dialect = {
  name: 'sqlite',
  now: sqlText(`strftime(${SQLITE_TIME}, 'now')`),
  secondsFromNow: (seconds) =>
    sqlText(`strftime(${SQLITE_TIME}, 'now', '${integer(seconds)} seconds')`),
  // A transaction that writes holds the one write lock from its beginning.
  forUpdate: sqlText(''),
  forUpdateSkipLocked: sqlText(''),
  throughIndex: (names) => sqlText(` INDEXED BY ${names[0] ?? ''}`),
  // SQLite keeps the order of a CROSS JOIN.
  fromImagesOf: (ids) => sql`(SELECT DISTINCT id FROM (${ids}) found) chosen
    CROSS JOIN images ON images.id = chosen.id`,
  // SQLite takes no parentheses in a union.
  unionOf: (queries) => {
    const parts = queries.map((query) => sql`SELECT * FROM (${query})`);
    return sql`SELECT * FROM (${joinSql(parts, ' UNION ALL ')})`;
  },
  exactly: (column, value) => sql`${column} = ${value}`,
  onDuplicate: (key, assignments) =>
    sql` ON CONFLICT (${sqlText(key)}) DO UPDATE SET ${assignments((column) =>
      sqlText(`excluded.${column}`),
    )}`,
  classify: classifySqliteError,
};

function integer(seconds: number): string {
  if (!Number.isSafeInteger(seconds)) throw new RangeError('whole seconds only');
  return String(seconds);
}
