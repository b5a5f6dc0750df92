import {
  metadefNamespaceExists,
  type Identity,
  type MetadefNamespaceFields,
  type MetadefNamespaceQuery,
  type MetadefNamespaceSortKey,
} from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import {
  allOf,
  anyOf,
  executeSql,
  isOneOf,
  selectRow,
  selectRows,
  sql,
  sqlText,
  type Sql,
} from '../db/sql';
import { projectOf } from '../images/visibility';
import { afterMarker, metadefOrder, type MetadefPage } from './metadef-order';
import type { NamespaceRow } from './metadef-rows';

const COLUMNS = sqlText(
  'id, namespace, display_name, description, visibility, protected, owner, created_at, updated_at',
);

const CONTENT_TABLES = [
  'metadef_tags',
  'metadef_objects',
  'metadef_properties',
  'metadef_namespace_resource_types',
];

/** Never text of a request. Without a time a namespace comes first. */
const SORT_COLUMNS: Readonly<Record<MetadefNamespaceSortKey, Sql>> = {
  id: sqlText('id'),
  namespace: sqlText('namespace'),
  display_name: sqlText(`COALESCE(display_name, '')`),
  // Servers sort by no more than the first kilobyte of a text.
  description: sqlText(`SUBSTR(COALESCE(description, ''), 1, 255)`),
  visibility: sqlText(`COALESCE(visibility, 'private')`),
  protected: sqlText('COALESCE(protected, 0)'),
  owner: sqlText(`COALESCE(owner, '')`),
  created_at: sqlText('created_at'),
  updated_at: sqlText(`COALESCE(updated_at, '1000-01-01 00:00:00')`),
};

/** Rows of `metadef_namespaces` (schema sheet §3). */
export class MetadefNamespaceRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /** This moment by the database's clock: all that one write makes carries the same. */
  async now(): Promise<string> {
    const row = await selectRow<{ now: string }>(
      this.connection,
      sql`SELECT ${this.dialect.now} AS now`,
    );
    if (!row) throw new Error('the database does not tell the time');
    return row.now;
  }

  async find(namespace: string): Promise<NamespaceRow | undefined> {
    return await selectRow<NamespaceRow>(
      this.connection,
      sql`SELECT ${COLUMNS} FROM metadef_namespaces WHERE namespace = ${namespace}`,
    );
  }

  /** Whoever changes what a namespace holds has its row: one after the other. */
  async lock(namespace: string): Promise<NamespaceRow | undefined> {
    return await selectRow<NamespaceRow>(
      this.connection,
      sql`SELECT ${COLUMNS} FROM metadef_namespaces
        WHERE namespace = ${namespace}${this.dialect.forUpdate}`,
    );
  }

  /** Those that the caller sees. */
  async list(
    query: MetadefNamespaceQuery,
    markerId: number | undefined,
    identity: Identity,
  ): Promise<NamespaceRow[]> {
    const page: MetadefPage = {
      table: 'metadef_namespaces',
      key: SORT_COLUMNS[query.sortKey],
      direction: query.sortDirection,
      markerId,
    };
    const conditions = [this.isVisibleTo(identity)];
    if (query.visibility !== undefined) {
      conditions.push(sql`COALESCE(visibility, 'private') = ${query.visibility}`);
    }
    if (query.resourceTypes !== undefined) {
      const isNamed = isOneOf(sqlText('types.name'), query.resourceTypes);
      conditions.push(
        sql`id IN (SELECT associations.namespace_id
          FROM metadef_namespace_resource_types associations
          JOIN metadef_resource_types types ON types.id = associations.resource_type_id
          WHERE ${isNamed})`,
      );
    }
    const after = afterMarker(page);
    if (after) conditions.push(after);
    return await selectRows<NamespaceRow>(
      this.connection,
      sql`SELECT ${COLUMNS} FROM metadef_namespaces WHERE ${allOf(conditions)}
        ORDER BY ${metadefOrder(page)} LIMIT ${sqlText(String(query.limit))}`,
    );
  }

  /** A condition on `metadef_namespaces`, also beside other tables (metadefs sheet §3). */
  isVisibleTo(identity: Identity): Sql {
    if (identity.isAdmin) return sqlText('1 = 1');
    const owner = sqlText('metadef_namespaces.owner');
    const project = projectOf(identity);
    return anyOf([
      sqlText(`metadef_namespaces.visibility = 'public'`),
      sql`${owner} IS NULL`,
      ...(project === null ? [] : [sql`(${this.dialect.exactly(owner, project)})`]),
    ]);
  }

  /** @throws DomainError `conflict` for a name that is taken */
  async insert(
    fields: MetadefNamespaceFields,
    createdAt: string,
    updatedAt: string | null,
  ): Promise<NamespaceRow> {
    await this.orConflict(
      fields.namespace,
      sql`INSERT INTO metadef_namespaces (namespace, display_name, description, visibility,
          protected, owner, created_at, updated_at)
        VALUES (${fields.namespace}, ${fields.displayName}, ${fields.description},
          ${fields.visibility}, ${Number(fields.protected)}, ${fields.owner}, ${createdAt},
          ${updatedAt})`,
    );
    const row = await this.find(fields.namespace);
    if (!row) throw new Error('a namespace vanished inside the transaction that made it');
    return row;
  }

  /** @throws DomainError `conflict` for a name that is taken */
  async update(id: number, fields: MetadefNamespaceFields, updatedAt: string): Promise<void> {
    await this.orConflict(
      fields.namespace,
      sql`UPDATE metadef_namespaces SET namespace = ${fields.namespace},
          display_name = ${fields.displayName}, description = ${fields.description},
          visibility = ${fields.visibility}, protected = ${Number(fields.protected)},
          owner = ${fields.owner}, updated_at = ${updatedAt}
        WHERE id = ${id}`,
    );
  }

  /** With all that it holds: a statement for each table, however much that is. */
  async delete(id: number): Promise<void> {
    for (const table of CONTENT_TABLES) {
      await executeSql(
        this.connection,
        sql`DELETE FROM ${sqlText(table)} WHERE namespace_id = ${id}`,
      );
    }
    await executeSql(this.connection, sql`DELETE FROM metadef_namespaces WHERE id = ${id}`);
  }

  /** All of the catalogue, resource types too. @returns the tables */
  async clearAll(): Promise<string[]> {
    const tables = [...CONTENT_TABLES, 'metadef_namespaces', 'metadef_resource_types'];
    for (const table of tables) {
      await executeSql(this.connection, sql`DELETE FROM ${sqlText(table)}`);
    }
    return tables;
  }

  private async orConflict(namespace: string, statement: Sql): Promise<void> {
    try {
      await executeSql(this.connection, statement);
    } catch (error) {
      if (this.dialect.classify(error) === 'duplicate') throw metadefNamespaceExists(namespace);
      throw error;
    }
  }
}
