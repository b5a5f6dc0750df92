import { randomUUID } from 'node:crypto';
import { DomainError, isDomainError, isServiceProperty, type LearnedFacts } from '@glance/common';
import { createWebReader, type BlobStream, type StoreOptions } from '@glance/stores';
import type { ImportFilter } from './import-filter';

/** An image of the same service in another region, and the token of who may read it there. */
export interface RemoteImage {
  /** Base of the service's URLs, without its version; undefined where the catalog has none. */
  endpoint: string | undefined;
  /** What was looked for in the catalog, for whoever reads the task. */
  place: string;
  imageId: string;
  token: string;
}

export interface RemoteImagesOptions {
  /** Of the http store: timeouts and authorities of certificates. */
  web: StoreOptions;
  filter: ImportFilter;
  /** Beginnings of the names of properties that come along. */
  propertyPrefixes: readonly string[];
  diskFormats: readonly string[];
  containerFormats: readonly string[];
  /** How long a token is kept at most. */
  holdMs: number;
  warn: (message: string) => void;
}

const MAX_METADATA_BYTES = 4 * 1024 * 1024;

/**
 * What imports by glance-download read (tasks sheet §7). The caller's token is kept in this process
 * and nowhere else: only this process can carry the import out, and when it ends the import fails.
 */
export class RemoteImages {
  /** Names this process to the registry. */
  readonly id = randomUUID();
  private readonly held = new Map<string, RemoteImage & { until: number }>();

  constructor(private readonly options: RemoteImagesOptions) {}

  /** Whether there is anything that this process alone can go on with. */
  get isHolding(): boolean {
    for (const [taskId, { until }] of this.held) {
      if (until < Date.now()) this.held.delete(taskId);
    }
    return this.held.size > 0;
  }

  /** @throws DomainError `invalid_request` unless the filter of imports lets the data's URL pass */
  hold(taskId: string, image: RemoteImage): void {
    const url = urlOf(image);
    if (url !== undefined) this.options.filter.check(`${url}/file`, 'glance-download');
    this.held.set(taskId, { ...image, until: Date.now() + this.options.holdMs });
  }

  release(taskId: string): void {
    this.held.delete(taskId);
  }

  /** @throws DomainError `store_source_unusable`, `store_source_refused`, `store_unavailable` */
  async open(
    taskId: string,
    signal: AbortSignal,
  ): Promise<{ stream: BlobStream; learned: LearnedFacts }> {
    const image = this.held.get(taskId);
    if (!image) throw unusable('The token of the import is gone');
    const url = urlOf(image);
    if (url === undefined) throw unusable(`The service catalog has no ${image.place}`);
    const { origin, port, protocol } = new URL(url);
    const { web, filter, warn } = this.options;
    const reader = createWebReader(web, {
      ports: port === '' ? [protocol === 'https:' ? 443 : 80] : [Number(port)],
      // What its service redirects to may be the data's own place.
      permits: (target) => filter.permits(target),
      trusted: { origin, headers: { 'X-Auth-Token': image.token } },
      warn,
    });
    try {
      const metadata = await reader.get(url, { signal });
      const learned = this.read(await textOf(metadata.stream));
      const { stream, sizeBytes } = await reader.get(`${url}/file`, { signal });
      if (learned.size !== null && learned.size !== sizeBytes) {
        await stream.return();
        throw unusable('The length of the image is not what its service says');
      }
      return { stream, learned: learned.facts };
    } catch (error) {
      if (isDomainError(error, 'store_source_refused', 'store_source_unusable')) throw error;
      signal.throwIfAborted();
      const text = `The image ${image.imageId} cannot be read from its region`;
      throw new DomainError('store_source_unusable', text, { cause: error });
    }
  }

  private read(text: string): { size: number | null; facts: LearnedFacts } {
    const { diskFormats, containerFormats, propertyPrefixes } = this.options;
    const image = parseObject(text);
    const { status, size, disk_format: diskFormat, container_format: containerFormat } = image;
    if (status !== 'active') throw unusable('The image is not active in its region');
    if (typeof diskFormat !== 'string' || !diskFormats.includes(diskFormat)) {
      throw unusable(`This site takes no images of disk format ${String(diskFormat)}`);
    }
    if (typeof containerFormat !== 'string' || !containerFormats.includes(containerFormat)) {
      throw unusable(`This site takes no images of container format ${String(containerFormat)}`);
    }
    const properties = Object.entries(image).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === 'string' &&
        !isServiceProperty(entry[0]) &&
        propertyPrefixes.some((prefix) => entry[0].startsWith(prefix)),
    );
    return {
      size: typeof size === 'number' ? size : null,
      facts: { diskFormat, containerFormat, properties },
    };
  }
}

function urlOf({ endpoint, imageId }: RemoteImage): string | undefined {
  return endpoint === undefined ? undefined : `${endpoint}/v2/images/${imageId}`;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw unusable('What its region says of the image is no JSON object');
}

async function textOf(stream: BlobStream): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream) {
    length += piece.length;
    if (length > MAX_METADATA_BYTES)
      throw unusable('What its region says of the image is too long');
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces).toString('utf8');
}

function unusable(text: string): DomainError {
  return new DomainError('store_source_unusable', text);
}
