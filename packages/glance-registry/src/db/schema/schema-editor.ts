import type { Knex } from 'knex';
import type { Dialect } from '../dialect';
import { executeSql, selectRow, sqlText } from '../sql';
import {
  addColumnStatement,
  createIndexStatement,
  createTableStatements,
  dropIndexStatement,
  indexExistsQuery,
} from './ddl';
import type { ColumnDefinition, IndexDefinition, TableDefinition } from './table-definition';

/** A table, column or index, in a form that can be kept and undone. */
export type SchemaPiece =
  { table: string } | { table: string; column: string } | { table: string; index: string };

/** Called before each piece of work that may take long. */
export type ProgressReport = (message: string) => void;

/**
 * Changes a schema piece by piece and passes over what is there already, so that a change that was
 * interrupted (MySQL commits each DDL statement) can be run again.
 */
export class SchemaEditor {
  constructor(
    readonly connection: Knex,
    readonly dialect: Dialect,
    readonly report: ProgressReport,
  ) {}

  hasTable(table: string): Promise<boolean> {
    return this.connection.schema.hasTable(table);
  }

  async hasIndex(table: string, name: string): Promise<boolean> {
    const query = indexExistsQuery(this.dialect, table, name);
    return (await selectRow(this.connection, query)) !== undefined;
  }

  /** What of a table is not in the database: the table itself, or columns and indexes of it. */
  async missingPieces(table: TableDefinition): Promise<SchemaPiece[]> {
    if (!(await this.hasTable(table.name))) return [{ table: table.name }];
    const missing: SchemaPiece[] = [];
    for (const { name } of table.columns) {
      if (!(await this.connection.schema.hasColumn(table.name, name))) {
        missing.push({ table: table.name, column: name });
      }
    }
    for (const { name } of table.indexes ?? []) {
      if (!(await this.hasIndex(table.name, name)))
        missing.push({ table: table.name, index: name });
    }
    return missing;
  }

  /** Creates the table, or the columns and indexes that it lacks. */
  async ensureTable(table: TableDefinition): Promise<void> {
    if (!(await this.hasTable(table.name))) {
      this.report(`creating table ${table.name}`);
      for (const statement of createTableStatements(this.dialect, table)) {
        await executeSql(this.connection, statement);
      }
      return;
    }
    for (const each of table.columns) await this.ensureColumn(table.name, each);
    for (const each of table.indexes ?? []) await this.ensureIndex(table.name, each);
  }

  async ensureIndex(table: string, definition: IndexDefinition): Promise<void> {
    if (await this.hasIndex(table, definition.name)) return;
    this.report(`creating index ${definition.name} on ${table}`);
    await executeSql(this.connection, createIndexStatement(this.dialect, table, definition));
  }

  async drop(piece: SchemaPiece): Promise<void> {
    if ('column' in piece) {
      if (!(await this.connection.schema.hasColumn(piece.table, piece.column))) return;
      this.report(`dropping column ${piece.column} of ${piece.table}`);
      await executeSql(
        this.connection,
        sqlText(`ALTER TABLE ${piece.table} DROP COLUMN ${piece.column}`),
      );
    } else if ('index' in piece) {
      if (!(await this.hasIndex(piece.table, piece.index))) return;
      this.report(`dropping index ${piece.index} of ${piece.table}`);
      await executeSql(this.connection, dropIndexStatement(this.dialect, piece.table, piece.index));
    } else {
      this.report(`dropping table ${piece.table}`);
      await executeSql(this.connection, sqlText(`DROP TABLE IF EXISTS ${piece.table}`));
    }
  }

  async ensureColumn(table: string, definition: ColumnDefinition): Promise<void> {
    if (await this.connection.schema.hasColumn(table, definition.name)) return;
    if (!definition.nullable && definition.default === undefined) {
      throw new Error(`${table}.${definition.name} is missing and has no value for existing rows`);
    }
    this.report(`adding column ${definition.name} to ${table}`);
    await executeSql(this.connection, addColumnStatement(this.dialect, table, definition));
  }
}
