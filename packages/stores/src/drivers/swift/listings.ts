import Joi from 'joi';
import type { SwiftAccount } from './swift-account';
import { containerMissing, statusOf, toStoreError } from './swift-errors';

const PAGE = 1000;

/** Names of the containers of an account that begin so; none where there is no account. */
export async function* listContainers(
  account: SwiftAccount,
  prefix: string,
): AsyncGenerator<string, undefined> {
  for await (const { name } of pages(account, '', { prefix }, true)) {
    if (name?.startsWith(prefix) === true) yield name;
  }
}

interface Entry {
  name?: string;
  subdir?: string;
  bytes?: number;
  last_modified?: string;
}

const ENTRIES = Joi.array<Entry[]>()
  .items(
    Joi.object({
      name: Joi.string(),
      subdir: Joi.string(),
      bytes: Joi.number(),
      last_modified: Joi.string().replace(/(?:Z|[+]00:00)$/, ''),
    }).unknown(),
  )
  .required();

/** The entries of a listing, page by page. @param path of a container; empty for the account. */
export async function* pages(
  account: SwiftAccount,
  path: string,
  query: Readonly<Record<string, string>>,
  isEmptyWhenMissing: boolean,
): AsyncGenerator<Entry, undefined> {
  let marker = '';
  for (;;) {
    const search = new URLSearchParams({ ...query, format: 'json', limit: String(PAGE), marker });
    let entries: Entry[];
    try {
      const { status, body } = await account.ask({
        method: 'GET',
        path: `${path}?${search.toString()}`,
      });
      entries = status === 204 ? [] : readEntries(body);
    } catch (error) {
      if (statusOf(error) !== 404) throw toStoreError(error, 'read');
      if (isEmptyWhenMissing) return;
      throw containerMissing(error);
    }
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined || entries.length < PAGE) return;
    marker = last.name ?? last.subdir ?? '';
  }
}

function readEntries(body: Buffer): Entry[] {
  const entries: Joi.ValidationResult<Entry[]> = ENTRIES.validate(parsed(body));
  if (entries.error) throw new Error(`Swift server: no listing: ${entries.error.message}`);
  return entries.value;
}

export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new Error('Swift server: an answer that is no JSON');
  }
}
