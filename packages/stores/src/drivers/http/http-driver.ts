import type { LookupAddress } from 'node:dns';
import { DomainError } from '@glance/common';
import { emptyStream } from '../../empty-stream';
import { OutboundFetcher, type OutboundRules } from '../../outbound/outbound-fetcher';
import { parseSourceUrl, type SourceUrl } from '../../outbound/source-url';
import { blobCorrupt, blobMissing, rangeOutsideBlob } from '../../store-errors';
import type { StoreOptions } from '../../store-options';
import type {
  AddedBlob,
  ByteRange,
  GetOptions,
  OpenedBlob,
  StoreContext,
  StoreDriver,
  StoredBlob,
  StoreType,
  UnfinishedBlob,
} from '../../store-driver';
import { failureOf, lengthOf, readDataHead, requireUnencoded } from './http-answer';
import type { DataHead, Validator } from './http-answer';
import { HTTP_OPTIONS, readHttpOptions, type HttpSettings } from './http-options';
import { askPatiently, LONGEST_WAITS_MS } from './patient-fetcher';
import { ResumingStream, type Answer } from './resuming-stream';

const MAX_HOPS = 4;

/** Before each attempt to go on with data that broke off. */
const RESUME_AFTER_MS: readonly number[] = [0, 500, 1000, 2000, 4000];

/**
 * Images that lie on web servers: read only (stores sheet §4). A location is the URL, with user and
 * password where the server wants them. What may be reached is decided by the outbound filter.
 *
 * A range is asked for as such. Where a server does not know ranges, the bytes before it are read and
 * dropped, however many they are. Data that breaks off is resumed where the server proves that it
 * still has the same (RFC 9110 §13.1.5, §14).
 */
export class HttpDriver implements StoreDriver {
  readonly schemes = ['http', 'https'];
  readonly capabilities = { add: false, delete: false, partialRead: true, list: false };
  readonly properties = {};
  readonly metadataTimeoutMs: number;
  private readonly fetcher: OutboundFetcher;
  private readonly idleMs: number;
  private readonly resumeAfterMs: readonly number[];

  /** @param resolve how names become addresses; the system's way unless set. */
  constructor(
    settings: Omit<HttpSettings, 'ports'> & { ports: OutboundRules['ports'] },
    resolve?: (host: string) => Promise<LookupAddress[]>,
  ) {
    const { addresses, ports, ca, connectMs, firstByteMs, permits, secrets } = settings;
    this.idleMs = settings.idleMs;
    this.resumeAfterMs = settings.resumeAfterMs ?? RESUME_AFTER_MS;
    // Name, connection, TLS and answer of every hop have limits of their own.
    this.metadataTimeoutMs = MAX_HOPS * (3 * connectMs + firstByteMs) + LONGEST_WAITS_MS;
    this.fetcher = new OutboundFetcher({
      addresses,
      ports,
      ca,
      permits,
      secrets,
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

  async get(locationUrl: string, { range, signal }: GetOptions = {}): Promise<OpenedBlob> {
    const source = requireLocation(locationUrl);
    if (range?.length === 0) {
      const sizeBytes = await this.sizeOf(locationUrl);
      if (range.offset > sizeBytes) throw rangeOutsideBlob();
      return { stream: emptyStream(), sizeBytes };
    }
    const opened = await this.open(source, { range, signal });
    const { sizeBytes, validator } = opened;
    const { offset, length } = range ?? { offset: 0, length: sizeBytes };
    const end = offset + length;
    const stream = new ResumingStream(opened, {
      offset,
      end,
      signal,
      idleMs: this.idleMs,
      pausesMs: this.resumeAfterMs,
      reopen:
        validator &&
        ((from, stop) =>
          this.open(source, {
            range: { offset: from, length: end - from },
            signal: stop,
            same: { sizeBytes, validator },
          })),
    });
    return { sizeBytes, stream };
  }

  async sizeOf(locationUrl: string): Promise<number> {
    const source = requireLocation(locationUrl);
    const head = await askPatiently(this.fetcher, 'HEAD', source);
    head.destroy();
    // Some servers know no HEAD, or have no length for it: the answer to GET decides.
    const size = lengthOf(head.headers);
    if (head.statusCode === 200 && size !== undefined) {
      requireUnencoded(head.headers);
      return size;
    }
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

  /** @throws DomainError also when the data is not the same as before, where that is asked for. */
  private async open(
    source: SourceUrl,
    { range, signal, same }: OpenOptions = {},
  ): Promise<Answer & DataHead> {
    const headers = {
      ...(range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
      ...(same && { 'If-Range': same.validator.value }),
    };
    const response = await askPatiently(this.fetcher, 'GET', source, { headers, signal });
    try {
      const head = readDataHead(response, range);
      if (same && !isSame(head, same)) {
        throw blobCorrupt('The image data changed at its source while it was read');
      }
      return { response, ...head };
    } catch (error) {
      response.destroy();
      throw error;
    }
  }
}

interface SameData extends Pick<DataHead, 'sizeBytes'> {
  validator: Validator;
}

interface OpenOptions {
  range?: ByteRange | undefined;
  signal?: AbortSignal | undefined;
  /** What was read before, which this must be the rest of. */
  same?: SameData;
}

function isSame({ sizeBytes, validator }: DataHead, same: SameData): boolean {
  return (
    sizeBytes === same.sizeBytes &&
    validator?.header === same.validator.header &&
    validator.value === same.validator.value
  );
}

function parseLocation(locationUrl: string): SourceUrl | undefined {
  return /^https?:/.test(locationUrl) ? parseSourceUrl(locationUrl) : undefined;
}

function requireLocation(locationUrl: string): SourceUrl {
  const source = parseLocation(locationUrl);
  if (!source) throw blobMissing();
  return source;
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
