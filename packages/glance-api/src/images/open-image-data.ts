import {
  DomainError,
  describeError,
  isDomainError,
  type ImageLocation,
  type ImageRecord,
} from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { ByteRange, ByteSource, StoreCaller, StoreSet } from '@glance/stores';

export interface ImageData {
  /** Of what is read: the image, or the range of it. */
  sizeBytes: number;
  chunks: ByteSource;
}

/** Where downloads get the data of images. */
export interface ImageDataSource {
  /**
   * The data, or the range of it that is wanted, before a byte or a header was sent.
   * @throws DomainError as {@link openImageData}.
   */
  open(image: ImageRecord, options: OpenOptions): Promise<ImageData>;
}

/** Without a cache: the stores. */
export const STORED_DATA: ImageDataSource = { open: openImageData };

export interface OpenOptions {
  stores: StoreSet;
  logger: Logger;
  /** Who reads, for a store that asks its server as them. */
  caller: StoreCaller;
  /** Must lie within the recorded size. */
  range?: ByteRange | undefined;
  /** Ids of stores whose locations are tried before all others. */
  preferredStores?: readonly string[];
  /** Ends the data with its reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Opens the data of an image at the first location that has it whole, before a byte or a header
 * was sent, so that a bad location still has a clear answer.
 * @throws DomainError of the last location tried; `store_blob_missing` when there is none.
 */
export async function openImageData(image: ImageRecord, options: OpenOptions): Promise<ImageData> {
  const { stores, logger, caller, range, signal } = options;
  const locations = stores.arrange(activeLocations(image));
  if (locations.length === 0 && image.sizeBytes === 0) {
    return { sizeBytes: 0, chunks: noBytes() };
  }
  let failure: unknown = new DomainError('store_blob_missing', `Image ${image.id} has no data`);
  for (const location of inReadOrder(locations, options)) {
    try {
      const store = stores.forLocation(location);
      const { stream, sizeBytes } = await store.get(location.url, { range, caller, signal });
      if (image.sizeBytes === null || image.sizeBytes === sizeBytes) {
        return { sizeBytes: range?.length ?? sizeBytes, chunks: stream };
      }
      await stream.return();
      throw new DomainError(
        'store_blob_corrupt',
        `The stored data of image ${image.id} has ${sizeBytes} bytes where ${image.sizeBytes} are recorded; it is not served.`,
      );
    } catch (error) {
      failure = error;
      logger.error(`A location of image ${image.id} cannot be read: ${describeError(error)}`, {
        image: image.id,
        location: location.id,
        code: isDomainError(error) ? error.code : undefined,
      });
    }
  }
  throw failure;
}

/** Where the data of an image may be read. */
export function activeLocations({ locations }: ImageRecord): ImageLocation[] {
  return locations.filter(({ status }) => status === 'active');
}

/**
 * Those in preferred stores first, each as they come; what is in a store that has just not answered
 * comes last, so that no download waits for a dead store while another has the data.
 */
function inReadOrder(
  locations: readonly ImageLocation[],
  { stores, preferredStores = [] }: OpenOptions,
): readonly ImageLocation[] {
  const rank = (location: ImageLocation): number => {
    const store = stores.find(location);
    if (store === undefined || store.isDoubtful) return 2;
    return preferredStores.includes(store.id) ? 0 : 1;
  };
  return locations
    .map((location) => ({ location, rank: rank(location) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ location }) => location);
}

// eslint-disable-next-line @typescript-eslint/require-await -- an async iterable of nothing
async function* noBytes(): AsyncGenerator<Uint8Array> {
  yield* [];
}
