import { DomainError } from '@glance/common';
import type { Knex } from 'knex';
import { isOneOf, selectRows, sql, sqlText, type Sql } from '../db/sql';
import { sealedLengths, type TextCipher } from '../db/text-cipher';

const ROWS_PER_STATEMENT = 1000;

/** A row whose value is a URL as it is; base64 has no colon. */
export const IS_PLAIN = sqlText(`INSTR(value, '://') > 0`);
const IS_SEALED = sqlText(`INSTR(value, '://') = 0`);

/**
 * The URL in a column, which may be sealed, or plain from before there was a key.
 * @returns undefined when it is sealed with another key than that of the cipher.
 */
export function openUrl(cipher: TextCipher, value: string): string | undefined {
  if (isUrl(value)) return value;
  const url = cipher.open(value);
  return url !== undefined && isUrl(url) ? url : undefined;
}

/**
 * As {@link openUrl}.
 * @throws DomainError `internal` that says which option to look at.
 */
export function requireUrl(cipher: TextCipher, value: string, imageId: string): string {
  const url = openUrl(cipher, value);
  if (url !== undefined) return url;
  throw new DomainError(
    'internal',
    `A location of image ${imageId} cannot be decrypted: ` +
      (cipher.hasKey
        ? 'metadata_encryption_key of glance-registry is not the key that it was encrypted with'
        : 'metadata_encryption_key of glance-registry is not set'),
    { details: { imageId } },
  );
}

/**
 * Those of the URLs that sealed locations stand for. In doubt they do: a row that cannot be opened may
 * be any URL of its length. Equal URLs are sealed differently, so every row of that length is read.
 * @param condition on rows of `image_locations`
 */
export async function findSealedUrls(
  connection: Knex,
  cipher: TextCipher,
  urls: readonly string[],
  condition: Sql,
): Promise<Set<string>> {
  const [found, all] = [new Set<string>(), new Set(urls)];
  const byText = groupBy(all, (url) => [url.toLowerCase()]);
  const byLength = groupBy(all, sealedLengths);
  const fits = isOneOf(sqlText('LENGTH(value)'), [...byLength.keys()]);
  for (let after = 0; found.size < all.size;) {
    const rows = await selectRows<{ id: number; value: string }>(
      connection,
      sql`SELECT id, value FROM image_locations
        WHERE id > ${after} AND ${condition} AND ${IS_SEALED} AND ${fits}
        ORDER BY id LIMIT ${sqlText(String(ROWS_PER_STATEMENT))}`,
    );
    for (const { id, value } of rows) {
      after = id;
      const text = openUrl(cipher, value)?.toLowerCase();
      const these = text === undefined ? byLength.get(value.length) : byText.get(text);
      for (const url of these ?? []) found.add(url);
    }
    if (rows.length < ROWS_PER_STATEMENT) break;
  }
  return found;
}

function groupBy<Key>(urls: Iterable<string>, keysOf: (url: string) => Key[]): Map<Key, string[]> {
  const groups = new Map<Key, string[]>();
  for (const url of urls) {
    for (const key of keysOf(url)) {
      const group = groups.get(key);
      if (group) group.push(url);
      else groups.set(key, [url]);
    }
  }
  return groups;
}

function isUrl(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
}
