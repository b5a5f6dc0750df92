import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { executeSql, isOneOf, joinSql, selectRow, selectRows, sql, sqlText } from '../db/sql';
import { toAsciiJson, toNumber, toWireTime } from '../db/values';
import type { Priority } from './event-kinds';

/** What is to be announced. */
export interface NewMessage {
  /** The same however often it is sent. */
  messageId: string;
  type: string;
  priority: Priority;
  payload: unknown;
}

/** An announcement that a sink has not got yet. */
export interface OutboxMessage extends NewMessage {
  id: number;
  imageId: string;
  /** When it happened: UTC, `YYYY-MM-DDTHH:MM:SS`. */
  at: string;
}

interface OutboxRow {
  id: number | string;
  image_id: string;
  event: string;
  priority: Priority;
  message_id: string;
  payload: string;
  created_at: string;
}

const ROWS_PER_STATEMENT = 500;

/** Rows of `registry_outbox`, one for each message and sink; and which process sends for a sink. */
export class OutboxRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  async add(
    imageId: string,
    sinks: readonly string[],
    messages: readonly NewMessage[],
  ): Promise<void> {
    const { now } = this.dialect;
    const rows = messages.flatMap(({ messageId, type, priority, payload }) => {
      const text = toAsciiJson(payload);
      return sinks.map(
        (sink) =>
          sql`(${imageId}, ${type}, ${priority}, ${messageId}, ${text}, ${sink}, ${now}, ${now})`,
      );
    });
    for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
      const some = rows.slice(start, start + ROWS_PER_STATEMENT);
      await executeSql(
        this.connection,
        sql`INSERT INTO registry_outbox
            (image_id, event, priority, message_id, payload, sink, created_at, next_attempt_at)
          VALUES ${joinSql(some, ', ')}`,
      );
    }
  }

  /**
   * Whether this process sends for the sink from now on, for so long: one at a time does, so that
   * what is told of an image is told in its order.
   */
  async claimSink(sink: string, holder: string, seconds: number): Promise<boolean> {
    const expiresAt = this.dialect.secondsFromNow(seconds);
    const claim = sql`UPDATE registry_senders SET holder = ${holder}, expires_at = ${expiresAt}
      WHERE sink = ${sink} AND (holder = ${holder} OR expires_at <= ${this.dialect.now})`;
    if ((await executeSql(this.connection, claim)) === 1) return true;
    const known = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM registry_senders WHERE sink = ${sink}`,
    );
    if (known) return false;
    await this.connection('registry_senders')
      .insert({ sink, holder, expires_at: this.connection.raw(this.dialect.now.text) })
      .onConflict('sink')
      .ignore();
    return (await executeSql(this.connection, claim)) === 1;
  }

  async releaseSink(sink: string, holder: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_senders SET expires_at = ${this.dialect.now}
        WHERE sink = ${sink} AND holder = ${holder}`,
    );
  }

  /** What may be sent now, the oldest first: nothing that waits behind an earlier message of its image. */
  async findDue(sink: string, limit: number): Promise<OutboxMessage[]> {
    const { now } = this.dialect;
    const rows = await selectRows<OutboxRow>(
      this.connection,
      sql`SELECT id, image_id, event, priority, message_id, payload, created_at
        FROM registry_outbox
        WHERE sink = ${sink} AND delivered_at IS NULL AND image_id NOT IN (
          SELECT image_id FROM (SELECT DISTINCT image_id FROM registry_outbox
            WHERE sink = ${sink} AND delivered_at IS NULL AND next_attempt_at > ${now}) waiting)
        ORDER BY id LIMIT ${sqlText(String(limit))}`,
    );
    return rows.map(toMessage);
  }

  async markDelivered(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await executeSql(
      this.connection,
      sql`UPDATE registry_outbox SET delivered_at = ${this.dialect.now}
        WHERE ${isOneOf(sqlText('id'), ids)}`,
    );
  }

  /** The receiver does not take it. @returns how often that happened */
  async countRefusal(id: number): Promise<number> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_outbox SET attempts = attempts + 1 WHERE id = ${id}`,
    );
    const row = await selectRow<{ attempts: number }>(
      this.connection,
      sql`SELECT attempts FROM registry_outbox WHERE id = ${id}`,
    );
    return row?.attempts ?? 0;
  }

  async postpone(id: number, seconds: number): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE registry_outbox SET next_attempt_at = ${this.dialect.secondsFromNow(seconds)}
        WHERE id = ${id}`,
    );
  }

  /** How many wait for longer than that, by sink. */
  async countOlderThan(seconds: number): Promise<{ sink: string; messages: number }[]> {
    const rows = await selectRows<{ sink: string; messages: number | string }>(
      this.connection,
      sql`SELECT sink, COUNT(*) AS messages FROM registry_outbox
        WHERE delivered_at IS NULL AND sink IS NOT NULL
          AND created_at < ${this.dialect.secondsFromNow(-seconds)}
        GROUP BY sink`,
    );
    return rows.map(({ sink, messages }) => ({ sink, messages: toNumber(messages) }));
  }
}

function toMessage(row: OutboxRow): OutboxMessage {
  return {
    id: toNumber(row.id),
    imageId: row.image_id,
    type: row.event,
    priority: row.priority,
    messageId: row.message_id,
    payload: JSON.parse(row.payload) as unknown,
    at: toWireTime(row.created_at),
  };
}
