import {
  DomainError,
  canTransition,
  type Identity,
  type ImageRecord,
  type ImageStatus,
} from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import {
  allOf,
  executeSql,
  isOneOf,
  selectRow,
  selectRows,
  sql,
  sqlText,
  type Sql,
} from '../db/sql';
import type { TextCipher } from '../db/text-cipher';
import { toNumber } from '../db/values';
import { NO_CHILD, childrenOf, groupChildren, type ChildRow } from './image-children';
import {
  IMAGE_COLUMNS,
  NO_IMAGE_COLUMNS,
  isPossibleId,
  noChildren,
  toImageRecord,
  type ImageRow,
} from './image-rows';
import { isVisibleTo } from './visibility';

/** An image held against every other writer until the transaction ends. */
export interface LockedImage {
  row: ImageRow;
  /** Whether the caller may see it, deleted or not. */
  visible: boolean;
  /** Its locations whose data is not gone. */
  storedLocations: number;
  /** This moment by the database's clock, as DATETIME columns hold it. */
  now: string;
}

type Columns = Readonly<Record<string, string | number | null>>;

/** Rows of `images`, on a connection or in a transaction. */
export class ImageRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
    private readonly cipher: TextCipher,
  ) {}

  /** What the caller may see; deleted images only for an admin. */
  async findVisible(id: string, identity: Identity): Promise<ImageRecord | undefined> {
    const conditions = [isVisibleTo(this.dialect, identity)];
    if (!identity.isAdmin) conditions.push(sqlText('images.deleted = 0'));
    return await this.find(id, allOf(conditions));
  }

  /** Past every rule: for what has been decided already. */
  async find(id: string, condition = sqlText('1 = 1')): Promise<ImageRecord | undefined> {
    if (!isPossibleId(id)) return undefined;
    // One statement, so that the record is one that the image had at some moment.
    const rows = await selectRows<(ImageRow & { kind: null }) | ChildRow>(
      this.connection,
      sql`SELECT ${IMAGE_COLUMNS}, ${NO_CHILD} FROM images WHERE images.id = ${id} AND ${condition}
        UNION ALL ${childrenOf([id], sql`${NO_IMAGE_COLUMNS}, `)}`,
    );
    const row = rows.find((each) => each.kind === null);
    if (!row) return undefined;
    const children = groupChildren(
      rows.filter((each) => each.kind !== null),
      this.cipher,
    );
    return toImageRecord(row, children.get(row.id) ?? noChildren());
  }

  async toRecords(rows: readonly ImageRow[]): Promise<ImageRecord[]> {
    if (rows.length === 0) return [];
    const found = await selectRows<ChildRow>(
      this.connection,
      childrenOf(rows.map((row) => row.id)),
    );
    const children = groupChildren(found, this.cipher);
    return rows.map((row) => toImageRecord(row, children.get(row.id) ?? noChildren()));
  }

  async exists(id: string): Promise<boolean> {
    const row = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM images WHERE id = ${id}`,
    );
    return row !== undefined;
  }

  /** The first lock of every change of an image, before leases and usage. */
  async lock(
    id: string,
    identity: Identity,
    options: { skipLocked?: boolean } = {},
  ): Promise<LockedImage | undefined> {
    if (!isPossibleId(id)) return undefined;
    const lock = options.skipLocked ? this.dialect.forUpdateSkipLocked : this.dialect.forUpdate;
    const row = await selectRow<
      ImageRow & { visible: number; stored_locations: number | string; at_time: string }
    >(
      this.connection,
      sql`SELECT ${IMAGE_COLUMNS}, ${this.dialect.now} AS at_time,
          CASE WHEN ${isVisibleTo(this.dialect, identity)} THEN 1 ELSE 0 END AS visible,
          (SELECT COUNT(*) FROM image_locations
            WHERE image_locations.image_id = images.id AND image_locations.status <> 'deleted')
            AS stored_locations
        FROM images WHERE images.id = ${id}${lock}`,
    );
    if (!row) return undefined;
    return {
      row,
      visible: toNumber(row.visible) === 1,
      storedLocations: toNumber(row.stored_locations),
      now: row.at_time,
    };
  }

  /** @throws DomainError `image_exists` when the id was ever used, also by an image long purged. */
  async insert(id: string, status: ImageStatus, columns: Columns): Promise<void> {
    const tombstone = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM registry_tombstones WHERE image_id = ${id}`,
    );
    if (tombstone) throw imageExists(id);
    const all: Columns = {
      min_disk: 0,
      min_ram: 0,
      protected: 0,
      visibility: 'shared',
      os_hidden: 0,
      ...columns,
      id,
      status,
      deleted: 0,
    };
    try {
      await this.connection('images').insert({
        ...all,
        created_at: this.now(),
        updated_at: this.now(),
      });
    } catch (error) {
      if (this.dialect.classify(error) === 'duplicate') throw imageExists(id, error);
      throw error;
    }
  }

  /** Writes columns of a live image. @returns whether it still had one of the statuses. */
  async update(id: string, columns: Columns, ifStatus?: readonly ImageStatus[]): Promise<boolean> {
    const query = this.connection('images').where({ id, deleted: 0 });
    if (ifStatus) void query.whereIn('status', [...ifStatus]);
    return (await query.update({ ...columns, updated_at: this.now() })) === 1;
  }

  /**
   * The compare-and-swap of the status: moves the image only from one of the given statuses, only
   * along the transition table and while the condition holds. Whoever enters `queued` loses the
   * sizes (schema sheet §2).
   */
  async transition(
    id: string,
    from: readonly ImageStatus[],
    to: ImageStatus,
    options: { columns?: Columns; when?: Sql } = {},
  ): Promise<boolean> {
    const allowed = from.filter((status) => canTransition(status, to));
    const columns: Columns = {
      ...(to === 'queued' ? { size: null, virtual_size: null } : {}),
      ...options.columns,
      status: to,
    };
    const assignments = Object.entries(columns).map(
      ([name, value]) => sql`${sqlText(name)} = ${value}, `,
    );
    const matched = await executeSql(
      this.connection,
      sql`UPDATE images SET ${allAssignments(assignments)}updated_at = ${this.dialect.now}
        WHERE id = ${id} AND ${isOneOf(sqlText('status'), allowed)}
          AND ${options.when ?? sqlText('1 = 1')}`,
    );
    return matched === 1;
  }

  private now(): Knex.Raw {
    return this.connection.raw(this.dialect.now.text);
  }
}

function allAssignments(assignments: readonly Sql[]): Sql {
  return assignments.reduce((all, each) => sql`${all}${each}`, sqlText(''));
}

function imageExists(id: string, cause?: unknown): DomainError {
  return new DomainError('image_exists', `Image with identifier ${id} already exists!`, {
    cause,
    details: { imageId: id },
  });
}
