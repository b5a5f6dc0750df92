import type { Identity, MemberStatus, SharedImage } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { allOf, anyOf, executeSql, isOneOf, joinSql, selectRows, sql, sqlText } from '../db/sql';
import { toWireTime } from '../db/values';
import { isOwnedBy, isVisibleTo, projectOf } from '../images/visibility';

/** A member has no, one or several rows, live ones and removed ones (schema sheet §8). */
export interface MemberRow {
  id: number;
  memberId: string;
  canShare: boolean;
  status: MemberStatus;
  /** Times are as in ImageMember. */
  createdAt: string;
  updatedAt: string;
  deleted: boolean;
}

interface StoredRow {
  id: number;
  member: string;
  can_share: number;
  status: MemberStatus;
  created_at: string;
  updated_at: string | null;
  deleted: number;
}

/** Rows of `image_members`. The image's row is locked by whoever changes them. */
export class MemberRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /** Every row of the image in the order they came, removed ones included. */
  async findAll(imageId: string): Promise<MemberRow[]> {
    const rows = await selectRows<StoredRow>(
      this.connection,
      sql`SELECT id, member, can_share, status, created_at, updated_at, deleted FROM image_members
        WHERE image_id = ${imageId} ORDER BY id`,
    );
    return rows.map((row) => ({
      id: row.id,
      memberId: row.member,
      canShare: row.can_share !== 0,
      status: row.status,
      createdAt: toWireTime(row.created_at),
      updatedAt: toWireTime(row.updated_at ?? row.created_at),
      deleted: row.deleted !== 0,
    }));
  }

  /**
   * Live memberships of a project in live images that the caller sees: an admin all of them,
   * others what names them and what belongs to images they may share (schema sheet §5.4).
   */
  async findSharedImages(memberId: string, identity: Identity): Promise<SharedImage[]> {
    const isMember = (project: string) =>
      sql`(${this.dialect.exactly(sqlText('image_members.member'), project)})`;
    const conditions = [
      sqlText('image_members.deleted = 0 AND images.deleted = 0'),
      isMember(memberId),
      isVisibleTo(this.dialect, identity),
    ];
    if (!identity.isAdmin) {
      const project = projectOf(identity);
      if (project === null) return [];
      conditions.push(
        anyOf([
          isMember(project),
          sql`(${isOwnedBy(this.dialect, project)})`,
          sql`EXISTS (SELECT 1 FROM image_members sharing
            WHERE sharing.image_id = images.id AND sharing.deleted = 0 AND sharing.can_share = 1
              AND ${this.dialect.exactly(sqlText('sharing.member'), project)})`,
        ]),
      );
    }
    const rows = await selectRows<{ image_id: string; can_share: number; status: MemberStatus }>(
      this.connection,
      sql`SELECT image_members.image_id, image_members.can_share, image_members.status
        FROM image_members JOIN images ON images.id = image_members.image_id
        WHERE ${allOf(conditions)} ORDER BY image_members.id`,
    );
    const byImage = new Map<string, SharedImage>();
    for (const { image_id: imageId, can_share: canShare, status } of rows) {
      if (!byImage.has(imageId))
        byImage.set(imageId, { imageId, canShare: canShare !== 0, status });
    }
    return [...byImage.values()];
  }

  async insert(
    imageId: string,
    members: readonly { memberId: string; canShare: boolean }[],
  ): Promise<void> {
    if (members.length === 0) return;
    const { now } = this.dialect;
    const rows = members.map(
      ({ memberId, canShare }) =>
        sql`(${imageId}, ${memberId}, ${Number(canShare)}, 'pending', ${now}, ${now}, 0)`,
    );
    await executeSql(
      this.connection,
      sql`INSERT INTO image_members
          (image_id, member, can_share, status, created_at, updated_at, deleted)
        VALUES ${joinSql(rows, ', ')}`,
    );
  }

  async setCanShare(ids: readonly number[], canShare: boolean): Promise<void> {
    if (ids.length === 0) return;
    await executeSql(
      this.connection,
      sql`UPDATE image_members SET can_share = ${Number(canShare)}, updated_at = ${this.dialect.now}
        WHERE ${isOneOf(sqlText('id'), ids)}`,
    );
  }

  async setStatus(ids: readonly number[], status: MemberStatus): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE image_members SET status = ${status}, updated_at = ${this.dialect.now}
        WHERE ${isOneOf(sqlText('id'), ids)}`,
    );
  }

  /**
   * Removed rows are as new ones, with what was granted and accepted then forgotten; without
   * deleted_at, so that no purge takes them later (schema sheet §4.2).
   */
  async revive(ids: readonly number[], canShare: boolean): Promise<void> {
    if (ids.length === 0) return;
    const { now } = this.dialect;
    await executeSql(
      this.connection,
      sql`UPDATE image_members SET can_share = ${Number(canShare)}, status = 'pending',
          deleted = 0, deleted_at = NULL, created_at = ${now}, updated_at = ${now}
        WHERE ${isOneOf(sqlText('id'), ids)}`,
    );
  }

  async markDeleted(imageId: string, ids: readonly number[], at: string): Promise<void> {
    if (ids.length === 0) return;
    await this.dropSurplus(imageId, at, ids);
    await executeSql(
      this.connection,
      sql`UPDATE image_members SET deleted = 1, deleted_at = ${at}, updated_at = ${at}
        WHERE ${isOneOf(sqlText('id'), ids)}`,
    );
  }

  async markAllDeleted(imageId: string, at: string): Promise<void> {
    const rows = await this.findAll(imageId);
    const live = rows.filter(({ deleted }) => !deleted);
    await this.markDeleted(
      imageId,
      live.map(({ id }) => id),
      at,
    );
  }

  /**
   * Nothing keeps a member from having several live rows, yet only one row of what the database
   * takes for one member may carry the same deleted_at (schema sheet §2, §7): the newest of those
   * to be marked stays.
   */
  private async dropSurplus(imageId: string, at: string, ids: readonly number[]): Promise<void> {
    const surplus = await selectRows<{ id: number }>(
      this.connection,
      sql`SELECT id FROM (
          SELECT id, ROW_NUMBER() OVER (PARTITION BY member ORDER BY deleted, id DESC) AS place
          FROM image_members
          WHERE image_id = ${imageId}
            AND (${isOneOf(sqlText('id'), ids)} OR (deleted = 1 AND deleted_at = ${at}))
        ) placed WHERE place > 1`,
    );
    if (surplus.length === 0) return;
    await executeSql(
      this.connection,
      sql`DELETE FROM image_members WHERE ${isOneOf(
        sqlText('id'),
        surplus.map(({ id }) => id),
      )}`,
    );
  }
}
