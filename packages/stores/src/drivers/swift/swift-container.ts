import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import Joi from 'joi';
import { blobMissing } from '../../store-errors';
import { MANIFEST, SIZE, toFound, UPLOAD_ID } from './found-object';
import type { FoundObject } from './found-object';
import { pages, parsed } from './listings';
import type { Body, SwiftAccount } from './swift-account';
import {
  containerMissing,
  copyUnsupported,
  statusOf,
  SwiftRefusal,
  toCopyError,
  toStoreError,
} from './swift-errors';
import type { SendProgress } from './swift-http';

/** A server that copies less is as good as hung. */
const COPY_BYTES_PER_SECOND = 4 * 1024 * 1024;

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

export interface ContainerKind {
  /** It is made for a mark when it is missing. */
  create: boolean;
  /** It comes and goes with what is in it: one that is missing is an empty one. */
  isEmptyWhenMissing?: boolean;
}

/** One container: the requests of the protocol that the store makes. Errors are of the store family unless said. */
export class SwiftContainer {
  constructor(
    private readonly account: SwiftAccount,
    readonly name: string,
    private readonly kind: ContainerKind,
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
  async putMark(key: string, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
    const headers = { ...metadata, 'content-length': '0' };
    const put = (): Promise<unknown> =>
      this.account.ask({ method: 'PUT', path: this.path(key), headers });
    try {
      await put().catch(async (error: unknown) => {
        if (!this.kind.create || statusOf(error) !== 404) throw error;
        await this.create();
        await put();
      });
    } catch (error) {
      throw toStoreError(error, 'write');
    }
  }

  /** @returns one header of what the server keeps with an object; undefined without either. */
  async metadataOf(key: string, header: string): Promise<string | undefined> {
    try {
      const { headers } = await this.account.ask({ method: 'HEAD', path: this.path(key) });
      const value = headers[header];
      return typeof value === 'string' ? value : undefined;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw toStoreError(error, 'read');
    }
  }

  /** There already is a success. */
  async create(): Promise<void> {
    const headers = { 'content-length': '0' };
    try {
      await this.account.ask({ method: 'PUT', path: this.path(), headers });
    } catch (error) {
      throw toStoreError(error, 'write');
    }
  }

  /** Missing already, or with something in it, is a success. */
  async removeIfEmpty(): Promise<void> {
    try {
      await this.account.ask({ method: 'DELETE', path: this.path() });
    } catch (error) {
      const status = statusOf(error);
      if (status !== 404 && status !== 409) throw toStoreError(error, 'delete');
    }
  }

  /** Sets headers of the container itself. @throws `store_blob_missing` when it is missing. */
  async describe(headers: Readonly<Record<string, string>>): Promise<void> {
    const all = { ...headers, 'content-length': '0' };
    try {
      await this.account.ask({ method: 'POST', path: this.path(), headers: all });
    } catch (error) {
      throw toStoreError(error, 'delete');
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
   * An object with the bytes of another one of the account. Rejects as `put`. It takes the place of
   * one that is there: `If-None-Match` would be asked of the original.
   * @throws `store_blob_missing`; `store_get_unsupported` where the server does not do it.
   */
  async copy(
    original: { container: string; key: string; sizeBytes: number },
    { key, uploadId }: ObjectName,
    signal?: AbortSignal,
  ): Promise<void> {
    const headers = {
      'content-length': '0',
      'content-type': 'application/octet-stream',
      'x-copy-from': quoted(original.container, original.key),
      'x-fresh-metadata': 'true',
      [UPLOAD_ID]: uploadId,
    };
    const workMs = (original.sizeBytes / COPY_BYTES_PER_SECOND) * 1000;
    const request = { method: 'PUT', path: this.path(key), headers, signal, workMs } as const;
    const { headers: answer } = await this.account.ask(request).catch(async (error: unknown) => {
      if (statusOf(error) === 404) throw await this.missing(() => blobMissing(error));
      throw toCopyError(error);
    });
    // One that knows no copies takes the request for an empty object.
    if (answer['x-copied-from'] === undefined) throw copyUnsupported();
  }

  /** What a static large object is made of, as JSON. */
  async staticManifest(key: string): Promise<Buffer> {
    const path = `${this.path(key)}?multipart-manifest=get`;
    try {
      return (await this.account.ask({ method: 'GET', path })).body;
    } catch (error) {
      throw toStoreError(error, 'read');
    }
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
    const isEmptyWhenMissing = this.kind.isEmptyWhenMissing === true;
    const entries = pages(this.account, this.path(), query, isEmptyWhenMissing);
    for await (const { name, bytes, last_modified } of entries) {
      if (name === undefined) continue;
      // In UTC, without saying so.
      const modified = new Date(last_modified === undefined ? 0 : `${last_modified}Z`);
      yield { key: name, sizeBytes: bytes ?? 0, modified };
    }
  }

  /** Another container of the account. */
  beside(name: string): SwiftContainer {
    return name === this.name ? this : new SwiftContainer(this.account, name, { create: false });
  }

  /** What a 404 means that an object was answered with: the container may be missing as well. */
  async missing(otherwise: () => Error): Promise<Error> {
    if (this.kind.isEmptyWhenMissing === true || (await this.exists())) return otherwise();
    return containerMissing();
  }

  private path(key?: string): string {
    return quoted(this.name, key);
  }
}

function quoted(container: string, key?: string): string {
  const object = key === undefined ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`;
  return `/${encodeURIComponent(container)}${object}`;
}

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

/** What came of deleting many objects. */
function bulkStatus(body: Buffer): number {
  const report: Joi.ValidationResult<BulkReport> = BULK_REPORT.validate(parsed(body));
  return report.error ? 500 : Number.parseInt(report.value['Response Status'], 10);
}
