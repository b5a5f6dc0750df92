import { TIMELINE_LENGTH, type TimelineEntry, type TimelineQuery } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import type { Actor } from '../db/transaction';
import { executeSql, joinSql, selectRows, sql, sqlText } from '../db/sql';
import { toAsciiJson, toNumber, toNumberOrNull, toWireTime } from '../db/values';

export interface NewEntry {
  event: string;
  step: string;
  bytes?: number | null;
  reason?: string;
  storeId?: string;
  taskId?: string;
  memberId?: string;
}

interface TimelineRow {
  number: number | string;
  event: string;
  step: string;
  bytes: number | string | null;
  details: string;
  created_at: string;
}

/** What of an entry nobody searches for; absent where it is null. */
type Details = Partial<Omit<TimelineEntry, 'number' | 'at' | 'event' | 'step' | 'bytes'>>;

const ENTRIES_PER_STATEMENT = 200;

/** Rows of `registry_timeline`, numbered within their image, whose row is locked for an addition. */
export class TimelineRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /** The oldest entries give way when there are too many. */
  async add(imageId: string, actor: Actor, entries: readonly NewEntry[]): Promise<void> {
    for (let start = 0; start < entries.length; start += ENTRIES_PER_STATEMENT) {
      await this.insert(imageId, actor, entries.slice(start, start + ENTRIES_PER_STATEMENT));
    }
    await executeSql(
      this.connection,
      sql`DELETE FROM registry_timeline WHERE image_id = ${imageId} AND number <= (
        SELECT last FROM (SELECT MAX(number) - ${TIMELINE_LENGTH} AS last
          FROM registry_timeline WHERE image_id = ${imageId}) newest)`,
    );
  }

  private async insert(imageId: string, actor: Actor, entries: readonly NewEntry[]): Promise<void> {
    const added = entries.map(({ event, step, bytes = null, ...about }, index) => {
      const details: Details = { ...givenOf(actor), ...about };
      return sql`SELECT ${index + 1} AS position, ${event} AS event, ${step} AS step,
        ${bytes} AS bytes, ${toAsciiJson(details)} AS details`;
    });
    await executeSql(
      this.connection,
      sql`INSERT INTO registry_timeline (image_id, number, event, step, bytes, details, created_at)
        SELECT ${imageId}, latest.number + added.position, added.event, added.step, added.bytes,
          added.details, ${this.dialect.now}
        FROM (SELECT COALESCE(MAX(number), 0) AS number FROM registry_timeline
          WHERE image_id = ${imageId}) latest
        CROSS JOIN (${joinSql(added, ' UNION ALL ')}) added`,
    );
  }

  async list(imageId: string, { order, after, limit }: TimelineQuery): Promise<TimelineEntry[]> {
    const isAfter = sqlText(order === 'asc' ? '>' : '<');
    const start = after === undefined ? sqlText('') : sql` AND number ${isAfter} ${after}`;
    const rows = await selectRows<TimelineRow>(
      this.connection,
      sql`SELECT number, event, step, bytes, details, created_at FROM registry_timeline
        WHERE image_id = ${imageId}${start}
        ORDER BY number ${sqlText(order === 'asc' ? 'ASC' : 'DESC')}
        LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map(toEntry);
  }
}

function givenOf(actor: Actor): Details {
  return Object.fromEntries(Object.entries(actor).filter(([, value]) => value !== null));
}

function toEntry(row: TimelineRow): TimelineEntry {
  const details = JSON.parse(row.details) as Details;
  return {
    number: toNumber(row.number),
    at: toWireTime(row.created_at),
    event: row.event,
    step: row.step,
    bytes: toNumberOrNull(row.bytes),
    userId: details.userId ?? null,
    projectId: details.projectId ?? null,
    requestId: details.requestId ?? null,
    reason: details.reason ?? null,
    storeId: details.storeId ?? null,
    taskId: details.taskId ?? null,
    memberId: details.memberId ?? null,
  };
}
