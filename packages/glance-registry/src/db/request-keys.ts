import { DomainError } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from './dialect';
import { executeSql, selectRow, sql, sqlText } from './sql';
import { toAsciiJson } from './values';

/** A logical write: repeating it with the same key returns the first answer. */
export interface RequestKey {
  key: string;
  /** What is done, with which image: a key belongs to one operation. */
  operation: string;
}

/** The answer given before, wrapped because it may be null. */
export interface StoredAnswer {
  answer: unknown;
}

/**
 * @param wait also for a transaction that has written the key and not ended yet: then an absent
 * answer means that it rolled back.
 * @throws DomainError `conflict` when the key belongs to another operation.
 */
export async function findAnswer(
  connection: Knex,
  dialect: Dialect,
  { key, operation }: RequestKey,
  wait: boolean,
): Promise<StoredAnswer | undefined> {
  const row = await selectRow<{ operation: string; answer: string }>(
    connection,
    sql`SELECT operation, answer FROM registry_request_keys
      WHERE request_key = ${key}${wait ? dialect.forUpdate : sqlText('')}`,
  );
  if (!row) return undefined;
  if (row.operation !== operation) {
    throw new DomainError('conflict', 'The request key belongs to another request');
  }
  return { answer: JSON.parse(row.answer) as unknown };
}

/** @throws the database's duplicate error when another transaction stored the key meanwhile. */
export async function storeAnswer(
  connection: Knex,
  dialect: Dialect,
  { key, operation }: RequestKey,
  answer: unknown,
): Promise<void> {
  await executeSql(
    connection,
    sql`INSERT INTO registry_request_keys (request_key, operation, answer, created_at)
      VALUES (${key}, ${operation}, ${toAsciiJson(answer)}, ${dialect.now})`,
  );
}
