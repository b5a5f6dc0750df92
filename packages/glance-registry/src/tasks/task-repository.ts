import {
  DomainError,
  MIB,
  type TaskListQuery,
  type TaskRecord,
  type TaskSortKey,
  type TaskStatus,
} from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from '../db/dialect';
import { allOf, executeSql, selectRow, selectRows, sql, sqlText, type Sql } from '../db/sql';
import { toAsciiJson, toNumber, toWireTime } from '../db/values';

interface TaskRow {
  id: string;
  type: string;
  status: TaskStatus;
  owner: string;
  expires_at: string | null;
  created_at: string;
  updated_at: string | null;
  deleted_at: string | null;
  deleted: number;
  image_id: string | null;
  request_id: string | null;
  user_id: string | null;
  input: string | null;
  result: string | null;
  message: string | null;
  bytes_received: number | string | null;
}

/** What is known of a task when it begins. */
export type NewTask = Pick<
  TaskRecord,
  'id' | 'type' | 'owner' | 'input' | 'imageId' | 'requestId' | 'userId'
>;

/** How a task has ended. */
export type TaskEnd =
  | { status: 'success'; result: unknown; timeToLiveHours: number }
  | { status: 'failure'; message: string; timeToLiveHours: number };

/** What tasks may be sorted by: never text of a request. Without a time a task comes first. */
const SORT_COLUMNS: Readonly<Record<TaskSortKey, Sql>> = {
  created_at: sqlText('tasks.created_at'),
  updated_at: sqlText(`COALESCE(tasks.updated_at, '1000-01-01 00:00:00')`),
  expires_at: sqlText(`COALESCE(tasks.expires_at, '1000-01-01 00:00:00')`),
  id: sqlText('tasks.id'),
  type: sqlText('tasks.type'),
  status: sqlText('tasks.status'),
  owner: sqlText('tasks.owner'),
};

const MESSAGE_BYTES = 65_535;

/** Rows of `tasks` and `task_info` (schema sheet §4.5). */
export class TaskRepository {
  constructor(
    private readonly connection: Knex,
    private readonly dialect: Dialect,
  ) {}

  /** @throws DomainError `conflict` for an id that was used before */
  async insert(task: NewTask): Promise<void> {
    try {
      await this.add(task);
    } catch (error) {
      if (this.dialect.classify(error) !== 'duplicate') throw error;
      throw new DomainError('conflict', 'The task id was used before', { cause: error });
    }
  }

  private async add(task: NewTask): Promise<void> {
    const { now } = this.dialect;
    await executeSql(
      this.connection,
      sql`INSERT INTO tasks (id, type, status, owner, created_at, updated_at, deleted, image_id,
          request_id, user_id)
        VALUES (${task.id}, ${task.type}, 'pending', ${task.owner}, ${now}, ${now}, 0,
          ${task.imageId}, ${task.requestId}, ${task.userId})`,
    );
    await executeSql(
      this.connection,
      sql`INSERT INTO task_info (task_id, input, result, message)
        VALUES (${task.id}, ${toAsciiJson(task.input)}, NULL, '')`,
    );
  }

  async find(id: string): Promise<TaskRecord | undefined> {
    return (await this.select(sql`tasks.id = ${id} AND tasks.deleted = 0`))[0];
  }

  async begin(id: string): Promise<void> {
    await executeSql(
      this.connection,
      sql`UPDATE tasks SET status = 'processing', updated_at = ${this.dialect.now}
        WHERE id = ${id} AND status IN ('pending', 'processing')`,
    );
  }

  /** The final states stay. */
  async end(id: string, end: TaskEnd): Promise<void> {
    const expiresAt = this.dialect.secondsFromNow(end.timeToLiveHours * 3600);
    const matched = await executeSql(
      this.connection,
      sql`UPDATE tasks SET status = ${end.status}, updated_at = ${this.dialect.now},
          expires_at = ${expiresAt}
        WHERE id = ${id} AND status IN ('pending', 'processing')`,
    );
    if (matched === 0) return;
    const { result, message } =
      end.status === 'success'
        ? { result: toAsciiJson(end.result), message: '' }
        : { result: null, message: storable(end.message) };
    await executeSql(
      this.connection,
      sql`UPDATE task_info SET result = ${result}, message = ${message} WHERE task_id = ${id}`,
    );
  }

  /** @param owner whose tasks alone are seen; undefined for everybody's */
  async list(query: TaskListQuery, owner: string | undefined): Promise<TaskRecord[]> {
    const conditions = [this.isCurrent(), this.isOwnedBy(owner)];
    if (query.status !== undefined) conditions.push(sql`tasks.status = ${query.status}`);
    if (query.type !== undefined) conditions.push(sql`tasks.type = ${query.type}`);
    const key = SORT_COLUMNS[query.sortKey];
    const direction = sqlText(query.sortDirection === 'asc' ? 'ASC' : 'DESC');
    if (query.marker !== undefined) {
      const at = sql`(SELECT ${key} FROM tasks WHERE tasks.id = ${query.marker})`;
      const after = sqlText(query.sortDirection === 'asc' ? '>' : '<');
      conditions.push(
        sql`(${key} ${after} ${at} OR (${key} = ${at} AND tasks.id ${after} ${query.marker}))`,
      );
    }
    return await this.select(
      sql`${allOf(conditions)} ORDER BY ${key} ${direction}, tasks.id ${direction}
        LIMIT ${sqlText(String(query.limit))}`,
    );
  }

  /** Of one image, the oldest first. */
  async listOf(imageId: string, owner: string | undefined): Promise<TaskRecord[]> {
    return await this.select(
      sql`${allOf([sql`tasks.image_id = ${imageId}`, this.isCurrent(), this.isOwnedBy(owner)])}
        ORDER BY tasks.created_at, tasks.id`,
    );
  }

  /** Whether nobody has changed a task for so long. */
  async isUntouchedFor(id: string, seconds: number): Promise<boolean> {
    const row = await selectRow(
      this.connection,
      sql`SELECT 1 AS found FROM tasks WHERE id = ${id}
        AND COALESCE(updated_at, created_at) <= ${this.dialect.secondsFromNow(-seconds)}`,
    );
    return row !== undefined;
  }

  /** Tasks that ended long enough ago, as upstream marks them. */
  async markExpired(): Promise<void> {
    const { now } = this.dialect;
    await executeSql(
      this.connection,
      sql`UPDATE tasks SET deleted = 1, deleted_at = ${now}
        WHERE deleted = 0 AND expires_at <= ${now}`,
    );
  }

  private isCurrent(): Sql {
    return sql`tasks.deleted = 0
      AND (tasks.expires_at IS NULL OR tasks.expires_at > ${this.dialect.now})`;
  }

  private isOwnedBy(owner: string | undefined): Sql {
    return owner === undefined
      ? sqlText('1 = 1')
      : this.dialect.exactly(sqlText('tasks.owner'), owner);
  }

  private async select(condition: Sql): Promise<TaskRecord[]> {
    const rows = await selectRows<TaskRow>(
      this.connection,
      sql`SELECT tasks.id, tasks.type, tasks.status, tasks.owner, tasks.expires_at,
          tasks.created_at, tasks.updated_at, tasks.deleted_at, tasks.deleted, tasks.image_id,
          tasks.request_id, tasks.user_id, task_info.input, task_info.result, task_info.message,
          registry_leases.bytes_received
        FROM tasks
        LEFT JOIN task_info ON task_info.task_id = tasks.id
        LEFT JOIN registry_imports ON registry_imports.task_id = tasks.id
        LEFT JOIN registry_leases ON registry_leases.upload_id = registry_imports.upload_id
          AND registry_leases.finished_at IS NULL
        WHERE ${condition}`,
    );
    return rows.map(toTask);
  }
}

function toTask(row: TaskRow): TaskRecord {
  return {
    id: row.id,
    type: row.type,
    status: row.status,
    owner: row.owner,
    input: fromJson(row.input),
    result: fromJson(row.result),
    message: row.message === null || row.message === '' ? progressOf(row) : row.message,
    imageId: row.image_id,
    requestId: row.request_id,
    userId: row.user_id,
    expiresAt: row.expires_at && toWireTime(row.expires_at),
    deleted: row.deleted !== 0,
    createdAt: toWireTime(row.created_at),
    updatedAt: toWireTime(row.updated_at ?? row.created_at),
    deletedAt: row.deleted_at && toWireTime(row.deleted_at),
  };
}

/** As of the last heartbeat of whoever carries the task out. */
function progressOf({ status, bytes_received: bytes }: TaskRow): string {
  if (status !== 'processing' || bytes === null) return '';
  return `Copied ${Math.floor(toNumber(bytes) / MIB)} MiB`;
}

function fromJson(text: string | null): unknown {
  if (text === null || text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** As much of it as the column takes, without what its three-byte characters cannot hold. */
function storable(message: string): string {
  const text = message.replace(/[\u{10000}-\u{10ffff}]/gu, '\ufffd');
  return Buffer.from(text)
    .subarray(0, MESSAGE_BYTES)
    .toString('utf8')
    .replace(/\ufffd$/, '');
}
