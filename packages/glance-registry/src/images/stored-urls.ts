import { DomainError } from '@glance/common';
import type { Knex } from 'knex';
import { allOf, isOneOf, selectRows, sql, sqlText, type Sql } from '../db/sql';
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
  const found = new Set<string>();
  const lengths = [...new Set(urls.flatMap(sealedLengths))];
  const wanted = allOf([condition, IS_SEALED, isOneOf(sqlText('LENGTH(value)'), lengths)]);
  for (let after = 0; urls.length > 0;) {
    const rows = await selectRows<{ id: number; value: string }>(
      connection,
      sql`SELECT id, value FROM image_locations WHERE id > ${after} AND ${wanted}
        ORDER BY id LIMIT ${sqlText(String(ROWS_PER_STATEMENT))}`,
    );
    for (const { id, value } of rows) {
      after = id;
      const url = openUrl(cipher, value)?.toLowerCase();
      for (const each of urls) {
        const isThis =
          url === undefined
            ? sealedLengths(each).includes(value.length)
            : url === each.toLowerCase();
        if (isThis) found.add(each);
      }
    }
    if (rows.length < ROWS_PER_STATEMENT || found.size === urls.length) break;
  }
  return found;
}

function isUrl(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
}
