import type { Knex } from 'knex';
import type { Dialect } from '../dialect';
import { executeSql, selectRow, sql } from '../sql';
import { createTableStatements } from './ddl';
import type { SchemaPiece } from './schema-editor';
import { column, varchar } from './table-definition';

/** What a database was before this program changed it: kept in it, so that it can be undone. */
export interface SchemaOrigin {
  /** Rows of alembic_version; none in a database that was empty. */
  heads: string[];
  /** Upstream's tables, columns and indexes that were missing and have been added. */
  added: SchemaPiece[];
}

const TABLE = {
  name: 'registry_schema',
  columns: [varchar('name', 64), column('value', 'mediumtext')],
  primaryKey: ['name'],
};

export async function readOrigin(connection: Knex): Promise<SchemaOrigin | undefined> {
  if (!(await connection.schema.hasTable(TABLE.name))) return undefined;
  const row = await selectRow<{ value: string }>(
    connection,
    sql`SELECT value FROM registry_schema WHERE name = 'origin'`,
  );
  return row && (JSON.parse(row.value) as SchemaOrigin);
}

export async function writeOrigin(
  connection: Knex,
  dialect: Dialect,
  origin: SchemaOrigin,
): Promise<void> {
  if (!(await connection.schema.hasTable(TABLE.name))) {
    for (const statement of createTableStatements(dialect, TABLE)) {
      await executeSql(connection, statement);
    }
  }
  await executeSql(
    connection,
    sql`INSERT INTO registry_schema (name, value) VALUES ('origin', ${JSON.stringify(origin)})`,
  );
}
