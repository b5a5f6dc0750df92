import { DomainError } from '@glance/common';
import type { Knex } from 'knex';
import type { Dialect } from './dialect';
import { executeSql, selectRow, sql, sqlText } from './sql';
import type { TextCipher } from './text-cipher';
import { toAsciiJson } from './values';

/** Begins no JSON. */
const SEALED = 'sealed:';

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
  cipher: TextCipher,
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
  return { answer: JSON.parse(opened(cipher, row.answer)) as unknown };
}

/** @throws the database's duplicate error when another transaction stored the key meanwhile. */
export async function storeAnswer(
  connection: Knex,
  dialect: Dialect,
  cipher: TextCipher,
  { key, operation }: RequestKey,
  answer: unknown,
): Promise<void> {
  const text = toAsciiJson(answer);
  // Images in it have locations.
  const stored = cipher.hasKey ? `${SEALED}${cipher.seal(text)}` : text;
  await executeSql(
    connection,
    sql`INSERT INTO registry_request_keys (request_key, operation, answer, created_at)
      VALUES (${key}, ${operation}, ${stored}, ${dialect.now})`,
  );
}

function opened(cipher: TextCipher, answer: string): string {
  if (!answer.startsWith(SEALED)) return answer;
  const text = cipher.open(answer.slice(SEALED.length));
  // Bytes that another key makes are no text, or only by chance.
  if (text !== undefined && /^(\{.*\}|\[.*\]|".*"|null|true|false|[\d.-]+)$/s.test(text))
    return text;
  throw new DomainError(
    'internal',
    'The answer to a repeated request cannot be decrypted: metadata_encryption_key of glance-registry is not the key that it was encrypted with',
  );
}
