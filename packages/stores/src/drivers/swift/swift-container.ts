import { createHash } from 'node:crypto';
import type { IncomingMessage, IncomingHttpHeaders } from 'node:http';
import Joi from 'joi';
import type { Body, SwiftAccount } from './swift-account';
import { containerMissing, statusOf, SwiftRefusal, toStoreError } from './swift-errors';
import type { SendProgress } from './swift-http';

/** Names the attempt that an object is of. */
const UPLOAD_ID = 'x-object-meta-glance-upload-id';
/** Bytes of all segments, on the manifest: a lost segment would only make the blob shorter. */
const SIZE = 'x-object-meta-glance-size';
const MANIFEST = 'x-object-manifest';
const PAGE = 1000;

export interface FoundObject {
  /** What there is of it. */
  sizeBytes: number;
  /** What there must be; undefined where the object itself says it. */
  recordedBytes: number | undefined;
  /** Undefined on an object of upstream's. */
  uploadId: string | undefined;
  modified: Date;
  /** Of a dynamic large object: where its segments are. */
  manifest: { container: string; prefix: string } | undefined;
  /** A static large object, which the server deletes with its segments. */
  isStatic: boolean;
}

export interface ListedObject {
  key: string;
  sizeBytes: number;
  modified: Date;
}

/** Who writes an object, and under which name. */
export interface ObjectName {
  key: string;
  uploadId: string;
}

/** One container: the requests of the protocol that the store makes. Errors are of the store family unless said. */
export class SwiftContainer {
  constructor(
    private readonly account: SwiftAccount,
    readonly name: string,
    private readonly mayCreate: boolean,
  ) {}

  /** @returns undefined when there is no such object, or no such container: the answer does not say. */
  async find(key: string, signal?: AbortSignal): Promise<FoundObject | undefined> {
    try {
      const { headers } = await this.account.ask({ method: 'HEAD', path: this.path(key), signal });
      return toFound(headers);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw signal?.aborted === true ? error : toStoreError(error, 'read');
    }
  }

  async exists(): Promise<boolean> {
    try {
      await this.account.ask({ method: 'HEAD', path: this.path() });
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw toStoreError(error, 'write');
    }
  }

  /** An empty object, in the container that is made for it where that is wanted. */
  async putMark(key: string): Promise<void> {
    const put = (): Promise<unknown> =>
      this.account.ask({ method: 'PUT', path: this.path(key), headers: { 'content-length': '0' } });
    try {
      await put().catch(async (error: unknown) => {
        if (!this.mayCreate || statusOf(error) !== 404) throw error;
        await this.account.ask({
          method: 'PUT',
          path: this.path(),
          headers: { 'content-length': '0' },
        });
        await put();
      });
    } catch (error) {
      throw toStoreError(error, 'write');
    }
  }

  /**
   * An object that is not there yet. Rejects with the errors of the protocol: the caller wants to
   * know what became of it.
   * @param replace it may be there: it is of the same attempt.
   */
  async put(
    { key, uploadId }: ObjectName,
    body: Body,
    progress: SendProgress,
    { signal, replace = false }: { signal?: AbortSignal | undefined; replace?: boolean } = {},
  ): Promise<void> {
    const hash = createHash('md5');
    const hashed = (async function* () {
      for await (const chunk of body.chunks) {
        hash.update(chunk);
        yield chunk;
      }
    })();
    const { headers } = await this.account.send(
      {
        method: 'PUT',
        path: this.path(key),
        headers: {
          'content-type': 'application/octet-stream',
          [UPLOAD_ID]: uploadId,
          ...(replace ? {} : { 'if-none-match': '*' }),
        },
        signal,
      },
      { ...body, chunks: hashed },
      progress,
    );
    const stored = headers.etag?.replace(/"/g, '');
    if (stored !== undefined && stored !== hash.digest('hex')) {
      // As the server itself would refuse bytes of another MD5 than announced.
      throw new SwiftRefusal(`PUT of object ${key}: the ETag is not the MD5 of the bytes`, 422);
    }
  }

  /** An object without bytes of its own. Rejects as `put`. */
  async putEmpty(
    { key, uploadId }: ObjectName,
    segments?: { prefix: string; sizeBytes: number },
  ): Promise<void> {
    const manifest = segments && {
      [MANIFEST]: `${encodeURIComponent(this.name)}/${encodeURIComponent(segments.prefix)}`,
      [SIZE]: String(segments.sizeBytes),
    };
    await this.account.ask({
      method: 'PUT',
      path: this.path(key),
      headers: {
        'content-length': '0',
        'content-type': 'application/octet-stream',
        'if-none-match': '*',
        [UPLOAD_ID]: uploadId,
        ...manifest,
      },
    });
  }

  /**
   * Rejects with the errors of the protocol.
   * @param range as in the header.
   */
  async open(
    key: string,
    range: string | undefined,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return await this.account.open({
      method: 'GET',
      path: this.path(key),
      ...(range === undefined ? {} : { headers: { range } }),
      signal,
    });
  }

  /** Gone already is a success. */
  async remove(key: string): Promise<void> {
    try {
      await this.account.ask({ method: 'DELETE', path: this.path(key) });
    } catch (error) {
      if (statusOf(error) !== 404) throw toStoreError(error, 'delete');
    }
  }

  /** A static large object and its segments. Gone already is a success. */
  async removeStatic(key: string): Promise<void> {
    try {
      const { body } = await this.account.ask({
        method: 'DELETE',
        path: `${this.path(key)}?multipart-manifest=delete`,
        headers: { accept: 'application/json' },
      });
      // The status is 200 whatever came of it.
      const status = bulkStatus(body);
      if (status >= 300 && status !== 404) {
        throw new SwiftRefusal(`DELETE of the segments of object ${key}`, status);
      }
    } catch (error) {
      if (statusOf(error) !== 404) throw toStoreError(error, 'delete');
    }
  }

  /** Objects whose name begins so, page by page; without a prefix, those with no slash in theirs. */
  async *list(prefix?: string): AsyncGenerator<ListedObject, undefined> {
    const query = prefix === undefined ? { delimiter: '/' } : { prefix };
    for await (const { name, bytes, last_modified } of pages(this.account, this.path(), query)) {
      if (name === undefined) continue;
      // In UTC, without saying so.
      const modified = new Date(last_modified === undefined ? 0 : `${last_modified}Z`);
      yield { key: name, sizeBytes: bytes ?? 0, modified };
    }
  }

  /** Another container of the account. */
  beside(name: string): SwiftContainer {
    return name === this.name ? this : new SwiftContainer(this.account, name, false);
  }

  /** What a 404 means that an object was answered with: the container may be missing as well. */
  async missing(otherwise: () => Error): Promise<Error> {
    return (await this.exists()) ? otherwise() : containerMissing();
  }

  private path(key?: string): string {
    const object = key === undefined ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`;
    return `/${encodeURIComponent(this.name)}${object}`;
  }
}

/** Names of the containers of an account that begin so. */
export async function* listContainers(
  account: SwiftAccount,
  prefix: string,
): AsyncGenerator<string, undefined> {
  for await (const { name } of pages(account, '', { prefix })) {
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

interface BulkReport {
  /** Such as `200 OK`. */
  'Response Status': string;
}

const BULK_REPORT = Joi.object<BulkReport>({
  'Response Status': Joi.string()
    .pattern(/^\d{3}/)
    .required(),
})
  .unknown()
  .required();

async function* pages(
  account: SwiftAccount,
  path: string,
  query: Readonly<Record<string, string>>,
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
      if (statusOf(error) === 404) throw containerMissing(error);
      throw toStoreError(error, 'read');
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

/** What came of deleting many objects. */
function bulkStatus(body: Buffer): number {
  const report: Joi.ValidationResult<BulkReport> = BULK_REPORT.validate(parsed(body));
  return report.error ? 500 : Number.parseInt(report.value['Response Status'], 10);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new Error('Swift server: an answer that is no JSON');
  }
}

/** @throws when the answer does not say how large the object is. */
export function toFound(headers: IncomingHttpHeaders): FoundObject {
  const recordedBytes = toNumber(headers[SIZE]);
  const sizeBytes = toNumber(headers['content-length']) ?? recordedBytes;
  if (sizeBytes === undefined) throw new Error('Swift server: an object without a size');
  const uploadId = headers[UPLOAD_ID];
  const manifest = headers[MANIFEST];
  return {
    sizeBytes,
    recordedBytes,
    uploadId: typeof uploadId === 'string' ? uploadId : undefined,
    modified: new Date(headers['last-modified'] ?? 0),
    manifest: typeof manifest === 'string' ? toManifest(manifest) : undefined,
    isStatic: String(headers['x-static-large-object']).toLowerCase() === 'true',
  };
}

function toManifest(text: string): { container: string; prefix: string } | undefined {
  const slash = text.indexOf('/');
  if (slash < 1) return undefined;
  try {
    return {
      container: decodeURIComponent(text.slice(0, slash)),
      prefix: decodeURIComponent(text.slice(slash + 1)),
    };
  } catch {
    return undefined;
  }
}

function toNumber(text: string | string[] | undefined): number | undefined {
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
