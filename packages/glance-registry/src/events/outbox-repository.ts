import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, joinSql, sql } from '../db/sql';
import { toAsciiJson } from '../db/values';
import type { ImageMember, ImageRecord } from '@glance/common';

export type OutboxEvent = 'image.create' | 'image.update' | 'image.activate' | 'image.delete';

export type MemberEvent = 'image.member.create' | 'image.member.update' | 'image.member.delete';

const ROWS_PER_STATEMENT = 1000;

/**
 * Rows of `registry_outbox`: what is to be announced, written with the change itself, so that each
 * committed change is announced and no other (reliability sheet P13).
 */
export class OutboxRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  async add(event: OutboxEvent, image: ImageRecord): Promise<void> {
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_outbox (image_id, event, payload, created_at)
        VALUES (${image.id}, ${event}, ${toAsciiJson(announced(image))}, ${this.dialect.now})`,
    );
  }

  /** One event for each of the members. */
  async addMembers(
    event: MemberEvent,
    imageId: string,
    members: readonly ImageMember[],
  ): Promise<void> {
    for (let start = 0; start < members.length; start += ROWS_PER_STATEMENT) {
      const rows = members
        .slice(start, start + ROWS_PER_STATEMENT)
        .map(
          (member) =>
            sql`(${imageId}, ${event}, ${toAsciiJson(announcedMember(imageId, member))}, ${this.dialect.now})`,
        );
      await executeSql(
        this.connection,
        sql`INSERT INTO registry_outbox (image_id, event, payload, created_at)
          VALUES ${joinSql(rows, ', ')}`,
      );
    }
  }
}

function announcedMember(imageId: string, member: ImageMember): Record<string, unknown> {
  return {
    image_id: imageId,
    member_id: member.memberId,
    can_share: member.canShare,
    status: member.status,
  };
}

/** No location and no property: either may hold a secret. */
function announced(image: ImageRecord): Record<string, unknown> {
  return {
    id: image.id,
    name: image.name,
    status: image.status,
    visibility: image.visibility,
    owner: image.owner,
    size: image.sizeBytes,
    virtual_size: image.virtualSizeBytes,
    disk_format: image.diskFormat,
    container_format: image.containerFormat,
    checksum: image.checksum,
    created_at: image.createdAt,
    updated_at: image.updatedAt,
    deleted_at: image.deletedAt,
    deleted: image.deleted,
    protected: image.protected,
    min_disk: image.minDisk,
    min_ram: image.minRam,
    tags: image.tags,
  };
}
