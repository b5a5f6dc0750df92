import type { LookupAddress } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { DomainError } from '@glance/common';
import { OutboundFetcher } from '../../outbound/outbound-fetcher';
import { ResponseStream } from '../../outbound/response-stream';
import { parseSourceUrl, type SourceUrl } from '../../outbound/source-url';
import { blobMissing, sourceUnusable, storeUnavailable } from '../../store-errors';
import type { StoreOptions } from '../../store-options';
import type {
  AddedBlob,
  GetOptions,
  OpenedBlob,
  StoreContext,
  StoreDriver,
  StoredBlob,
  StoreType,
  UnfinishedBlob,
} from '../../store-driver';
import { HTTP_OPTIONS, readHttpOptions, type HttpSettings } from './http-options';

const MAX_HOPS = 4;

/** Answers that may be another one later, besides those of 500 and above. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Images that lie on web servers: read only (stores sheet §4). A location is the URL, with user and
 * password where the server wants them. What may be reached is decided by the outbound filter.
 */
export class HttpDriver implements StoreDriver {
  readonly schemes = ['http', 'https'];
  readonly capabilities = { add: false, delete: false, partialRead: false, list: false };
  readonly properties = {};
  readonly metadataTimeoutMs: number;
  private readonly fetcher: OutboundFetcher;
  private readonly idleMs: number;

  /** @param resolve how names become addresses; the system's way unless set. */
  constructor(settings: HttpSettings, resolve?: (host: string) => Promise<LookupAddress[]>) {
    const { addresses, ports, ca, connectMs, firstByteMs } = settings;
    this.idleMs = settings.idleMs;
    // Name, connection, TLS and answer of every hop have limits of their own.
    this.metadataTimeoutMs = MAX_HOPS * (3 * connectMs + firstByteMs);
    this.fetcher = new OutboundFetcher({
      addresses,
      ports,
      ca,
      timeouts: { connectMs, firstByteMs },
      ...(resolve === undefined ? {} : { resolve }),
    });
  }

  claims(locationUrl: string): boolean {
    return parseLocation(locationUrl) !== undefined;
  }

  add(): Promise<AddedBlob> {
    return Promise.reject(readOnly());
  }

  async get(locationUrl: string, { signal }: GetOptions = {}): Promise<OpenedBlob> {
    const { response, sizeBytes } = await this.open(requireLocation(locationUrl), signal);
    return { sizeBytes, stream: new ResponseStream(response, this.idleMs, signal) };
  }

  async sizeOf(locationUrl: string): Promise<number> {
    const source = requireLocation(locationUrl);
    const head = await this.fetcher.open('HEAD', source);
    head.destroy();
    // Some servers know no HEAD, or have no length for it: the answer to GET decides.
    if (head.statusCode === 200 && lengthOf(head) !== undefined) return checkedLength(head);
    if (head.statusCode === 200 || head.statusCode === 405 || head.statusCode === 501) {
      const { response, sizeBytes } = await this.open(source);
      response.destroy();
      return sizeBytes;
    }
    throw failureOf(head);
  }

  delete(): Promise<void> {
    return Promise.reject(readOnly());
  }

  listBlobs(): AsyncIterable<StoredBlob> {
    throw new DomainError('store_get_unsupported', 'This store cannot be listed.');
  }

  listUnfinished(): Promise<UnfinishedBlob[]> {
    return Promise.resolve([]);
  }

  removeUnfinished(): Promise<void> {
    return Promise.resolve();
  }

  checkWritable(): Promise<void> {
    return Promise.reject(readOnly());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private async open(
    source: SourceUrl,
    signal?: AbortSignal,
  ): Promise<{ response: IncomingMessage; sizeBytes: number }> {
    const response = await this.fetcher.open('GET', source, signal);
    try {
      if (response.statusCode !== 200) throw failureOf(response);
      return { response, sizeBytes: checkedLength(response) };
    } catch (error) {
      response.destroy();
      throw error;
    }
  }
}

function parseLocation(locationUrl: string): SourceUrl | undefined {
  return /^https?:/.test(locationUrl) ? parseSourceUrl(locationUrl) : undefined;
}

function requireLocation(locationUrl: string): SourceUrl {
  const source = parseLocation(locationUrl);
  if (!source) throw blobMissing();
  return source;
}

/** @throws DomainError `store_source_unusable` for data that is encoded or of unknown size. */
function checkedLength(response: IncomingMessage): number {
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (encoding !== '' && encoding !== 'identity') {
    throw sourceUnusable('the source encodes its data although it was asked not to');
  }
  const length = lengthOf(response);
  // Without a length the end of the data cannot be told from a connection that broke.
  if (length === undefined) throw sourceUnusable('the source does not say how long its data is');
  return length;
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const text = headers['content-length'];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function failureOf({ statusCode = 0 }: IncomingMessage): DomainError {
  const cause = `the source answered with status ${statusCode}`;
  if (statusCode === 404 || statusCode === 410) return blobMissing(new Error(cause));
  return statusCode >= 500 || PASSING_STATUSES.has(statusCode)
    ? storeUnavailable(new Error(cause))
    : sourceUnusable(cause);
}

function readOnly(): DomainError {
  return new DomainError('store_add_disabled', 'This store can only be read.');
}

export const httpStore: StoreType = {
  options: HTTP_OPTIONS,
  create(options: StoreOptions, context: StoreContext) {
    return Promise.resolve(new HttpDriver(readHttpOptions(options, context)));
  },
};
