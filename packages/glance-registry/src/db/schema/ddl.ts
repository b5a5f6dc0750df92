import type { Dialect } from '../dialect';
import { sql, sqlText, type Sql } from '../sql';
import type { ColumnDefinition, IndexDefinition, TableDefinition } from './table-definition';

const MYSQL_TABLE_OPTIONS = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci';

/** Statements that create a table and, where they are separate, its indexes. */
export function createTableStatements(dialect: Dialect, table: TableDefinition): Sql[] {
  const isMysql = dialect.name === 'mysql';
  const sqliteRowId = !isMysql && table.columns.some((each) => each.autoIncrement === true);
  const lines = table.columns.map((each) => columnDefinition(dialect, each));
  if (!sqliteRowId) lines.push(`PRIMARY KEY (${names(table.primaryKey)})`);
  for (const [name, target] of Object.entries(table.references ?? {})) {
    lines.push(`FOREIGN KEY (${quote(name)}) REFERENCES ${target.table} (${quote(target.column)})`);
  }
  if (isMysql) {
    for (const each of table.indexes ?? []) {
      lines.push(`${each.unique ? 'UNIQUE KEY' : 'KEY'} ${each.name} (${names(each.columns)})`);
    }
  }
  const create = `CREATE TABLE ${table.name} (\n  ${lines.join(',\n  ')}\n)`;
  if (isMysql) return [sqlText(`${create} ${MYSQL_TABLE_OPTIONS}`)];
  return [
    sqlText(create),
    ...(table.indexes ?? []).map((each) => createIndexStatement(dialect, table.name, each)),
  ];
}

export function createIndexStatement(
  dialect: Dialect,
  table: string,
  definition: IndexDefinition,
): Sql {
  const columns =
    dialect.name === 'mysql'
      ? definition.columns
      : definition.columns.map((each) => each.replace(/\(\d+\)$/, ''));
  const kind = definition.unique ? 'UNIQUE INDEX' : 'INDEX';
  return sqlText(`CREATE ${kind} ${definition.name} ON ${table} (${names(columns)})`);
}

export function dropIndexStatement(dialect: Dialect, table: string, name: string): Sql {
  return sqlText(
    dialect.name === 'mysql' ? `DROP INDEX ${name} ON ${table}` : `DROP INDEX ${name}`,
  );
}

export function addColumnStatement(dialect: Dialect, table: string, each: ColumnDefinition): Sql {
  return sqlText(`ALTER TABLE ${table} ADD COLUMN ${columnDefinition(dialect, each)}`);
}

/** One row per index of the database, or per table and index. */
export function indexExistsQuery(dialect: Dialect, table: string, name: string): Sql {
  return dialect.name === 'mysql'
    ? sql`SELECT 1 AS found FROM information_schema.statistics
        WHERE table_schema = DATABASE() AND table_name = ${table} AND index_name = ${name} LIMIT 1`
    : sql`SELECT 1 AS found FROM sqlite_master
        WHERE type = 'index' AND tbl_name = ${table} AND name = ${name}`;
}

/** `a`, `b`(64): some names are reserved words of one server or another. */
function names(columns: readonly string[]): string {
  return columns.map((each) => each.replace(/^\w+/, quote)).join(', ');
}

function quote(name: string): string {
  return `\`${name}\``;
}

function columnDefinition(dialect: Dialect, each: ColumnDefinition): string {
  const parts = [quote(each.name), columnType(dialect, each)];
  if (dialect.name === 'sqlite' && each.autoIncrement === true) return parts.join(' ');
  if (dialect.name === 'mysql' && each.binary === true) parts.push('COLLATE utf8mb3_bin');
  parts.push(each.nullable ? 'NULL' : 'NOT NULL');
  if (each.default !== undefined) {
    parts.push(`DEFAULT ${typeof each.default === 'number' ? each.default : `'${each.default}'`}`);
  }
  if (each.autoIncrement === true) parts.push('AUTO_INCREMENT');
  if (dialect.name === 'sqlite' && each.type.kind === 'enum') {
    parts.push(`CHECK (${quote(each.name)} IN (${quoted(each.type.values)}))`);
  }
  return parts.join(' ');
}

function columnType(dialect: Dialect, each: ColumnDefinition): string {
  const { type } = each;
  if (dialect.name === 'sqlite' && each.autoIncrement === true) {
    return 'INTEGER PRIMARY KEY AUTOINCREMENT';
  }
  switch (type.kind) {
    case 'varchar':
      return `VARCHAR(${type.length})`;
    case 'enum':
      return dialect.name === 'mysql'
        ? `ENUM(${quoted(type.values)})`
        : `VARCHAR(${Math.max(...type.values.map((value) => value.length))})`;
    case 'boolean':
      return 'TINYINT(1)';
    case 'text':
    case 'mediumtext':
    case 'int':
    case 'bigint':
    case 'datetime':
      return type.kind.toUpperCase();
  }
}

function quoted(values: readonly string[]): string {
  return values.map((value) => `'${value}'`).join(', ');
}
