import {
  metadefAssociationExists,
  type MetadefAssociationRequest,
  type MetadefResourceType,
} from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import {
  executeSql,
  isOneOf,
  joinSql,
  selectRow,
  selectRows,
  sql,
  sqlText,
  type Sql,
} from '../db/sql';
import { insertRows } from './insert-rows';
import { timesOf, type AssociationRow } from './metadef-rows';

interface ResourceTypeRow {
  name: string;
  protected: number;
  created_at: string;
  updated_at: string | null;
}

/** When rows are made, and whether resource types that are made for them are protected. */
export interface AssociationTimes {
  createdAt: string;
  updatedAt: string | null;
  typesAreProtected: boolean;
}

/** Rows of `metadef_namespace_resource_types` and `metadef_resource_types`. */
export class MetadefAssociationRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  async listTypes(): Promise<MetadefResourceType[]> {
    const rows = await selectRows<ResourceTypeRow>(
      this.connection,
      sql`SELECT name, protected, created_at, updated_at FROM metadef_resource_types ORDER BY id`,
    );
    return rows.map((row) => ({
      name: row.name,
      protected: row.protected !== 0,
      ...timesOf(row),
    }));
  }

  /** Of several namespaces, the oldest first. */
  async listOf(namespaceIds: readonly number[]): Promise<AssociationRow[]> {
    if (namespaceIds.length === 0) return [];
    return await this.select(isOneOf(sqlText('associations.namespace_id'), namespaceIds));
  }

  async find(namespaceId: number, resourceType: string): Promise<AssociationRow | undefined> {
    const rows = await this.select(
      sql`associations.namespace_id = ${namespaceId} AND types.name = ${resourceType}`,
    );
    return rows[0];
  }

  /**
   * Makes resource types that are not there.
   * @param namespace for the message
   * @throws DomainError `conflict` for a resource type that is associated already
   */
  async insert(
    namespaceId: number,
    namespace: string,
    associations: readonly MetadefAssociationRequest[],
    times: AssociationTimes,
  ): Promise<void> {
    for (const { name } of associations) await this.requireType(name, times);
    const { createdAt, updatedAt } = times;
    await insertRows(
      this.dialect,
      associations.map(({ name, prefix, propertiesTarget }) => ({
        name,
        values: sql`((SELECT id FROM metadef_resource_types WHERE name = ${name}), ${namespaceId},
          ${propertiesTarget}, ${prefix}, ${createdAt}, ${updatedAt})`,
      })),
      (values) =>
        executeSql(
          this.connection,
          sql`INSERT INTO metadef_namespace_resource_types (resource_type_id, namespace_id,
              properties_target, prefix, created_at, updated_at)
            VALUES ${joinSql(values, ', ')}`,
        ),
      (name) => metadefAssociationExists(name, namespace),
    );
  }

  async update(
    namespaceId: number,
    { name, prefix, propertiesTarget }: MetadefAssociationRequest,
    updatedAt: string,
  ): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE metadef_namespace_resource_types
        SET prefix = ${prefix}, properties_target = ${propertiesTarget}, updated_at = ${updatedAt}
        WHERE namespace_id = ${namespaceId}
          AND resource_type_id = (SELECT id FROM metadef_resource_types WHERE name = ${name})`,
    );
  }

  /** The resource type stays. @returns whether there was one */
  async delete(namespaceId: number, resourceType: string): Promise<boolean> {
    const deleted = await executeSql(
      this.connection,
      sql`DELETE FROM metadef_namespace_resource_types WHERE namespace_id = ${namespaceId}
        AND resource_type_id =
          (SELECT id FROM metadef_resource_types WHERE name = ${resourceType})`,
    );
    return deleted > 0;
  }

  private async requireType(
    name: string,
    { createdAt, updatedAt, typesAreProtected }: AssociationTimes,
  ): Promise<void> {
    const known = await selectRow(
      this.connection,
      sql`SELECT id FROM metadef_resource_types WHERE name = ${name}`,
    );
    if (known) return;
    try {
      await executeSql(
        this.connection,
        sql`INSERT INTO metadef_resource_types (name, protected, created_at, updated_at)
          VALUES (${name}, ${Number(typesAreProtected)}, ${createdAt}, ${updatedAt})`,
      );
    } catch (error) {
      // Somebody else has made it meanwhile.
      if (this.dialect.classify(error) !== 'duplicate') throw error;
    }
  }

  private async select(condition: Sql): Promise<AssociationRow[]> {
    return await selectRows<AssociationRow>(
      this.connection,
      sql`SELECT associations.namespace_id, types.name, associations.prefix,
          associations.properties_target, associations.created_at, associations.updated_at
        FROM metadef_namespace_resource_types associations
        JOIN metadef_resource_types types ON types.id = associations.resource_type_id
        WHERE ${condition}
        ORDER BY associations.created_at, associations.resource_type_id`,
    );
  }
}
