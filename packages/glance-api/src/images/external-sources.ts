import { DomainError, invalidRequest, isDomainError, redactUri } from '@glance/common';
import { parseSourceUrl, type StoreSet } from '@glance/stores';

/** Never those of stores that we write to: a user must not name another image's data. */
const EXTERNAL_SCHEMES: ReadonlySet<string> = new Set(['http', 'https']);

/** Not even services name these: what they lead to is on the nodes of this service. */
const NEVER_NAMED: ReadonlySet<string> = new Set(['file', 'filesystem', 'memory', 'swift+config']);

/** What users may name as the place of an image's data (api-v1 sheet §2.6, security sheet §3). */
export class ExternalSources {
  private readonly schemes: ReadonlySet<string>;

  constructor(
    private readonly stores: StoreSet,
    private readonly imageSizeCapBytes: number,
  ) {
    const readable = stores.list().flatMap(({ schemes }) => schemes);
    this.schemes = new Set(readable.filter((scheme) => EXTERNAL_SCHEMES.has(scheme)));
  }

  /** Whether any source can be read at all. */
  get areEnabled(): boolean {
    return this.schemes.size > 0;
  }

  /**
   * @param mayNameStores the caller is an operator or a service, such as one that made a snapshot in
   * the store itself: then a location in a configured store will do, in exactly the form in which
   * the store writes it.
   * @returns the URL in the form in which it is stored.
   * @throws DomainError `invalid_request`; credentials do not show in its text.
   */
  check(uri: string, mayNameStores = false): string {
    if (uri === '') throw invalidRequest('External source should not be empty');
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase();
    if (mayNameStores && scheme !== undefined && this.isInStore(uri, scheme)) return uri;
    if (scheme === undefined || !this.schemes.has(scheme)) {
      const shown = redactUri(uri).slice(0, 300);
      throw invalidRequest(`External sources are not supported: '${shown}'`);
    }
    const source = parseSourceUrl(uri);
    if (!source) throw invalidRequest('Invalid location: it is no plain http or https URL');
    return source.href;
  }

  /**
   * Asks the source how many bytes it has.
   * @param announcedBytes what the client said; undefined when it said nothing.
   * @throws DomainError `store_blob_missing`; `store_source_refused`; `store_source_unusable`
   * whatever else is wrong with it; `conflict` when it is not the size announced.
   */
  async probe(url: string, announcedBytes: number | undefined): Promise<number> {
    const sizeBytes = await this.sizeOf(url);
    if (announcedBytes !== undefined && announcedBytes !== sizeBytes) {
      throw new DomainError(
        'conflict',
        'Provided image size must match the stored image size. ' +
          `(provided size: ${announcedBytes}, stored size: ${sizeBytes})`,
      );
    }
    if (sizeBytes > this.imageSizeCapBytes) {
      throw invalidRequest(
        `Denying attempt to upload image larger than ${this.imageSizeCapBytes} bytes.`,
      );
    }
    return sizeBytes;
  }

  private isInStore(uri: string, scheme: string): boolean {
    if (EXTERNAL_SCHEMES.has(scheme) || NEVER_NAMED.has(scheme)) return false;
    return this.stores.list().some((store) => store.claims(uri));
  }

  private async sizeOf(url: string): Promise<number> {
    try {
      return await this.stores.forLocation({ url, metadata: {} }).sizeOf(url);
    } catch (error) {
      if (isDomainError(error, 'store_source_refused')) throw error;
      if (isDomainError(error, 'store_blob_missing')) {
        const text = 'HTTP datastore could not find image at URI.';
        throw new DomainError('store_blob_missing', text, { cause: error });
      }
      // One text, so that nobody learns what is at an address (OSSN-0078).
      throw new DomainError('store_source_unusable', 'The external source cannot be read.', {
        cause: error,
      });
    }
  }
}
