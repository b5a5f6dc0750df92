import { DomainError, describeError, isDomainError, type ImageRecord } from '@glance/common';
import type { Logger } from '@glance/service-kit';
import type { ByteSource, StoreSet } from '@glance/stores';

export interface ImageData {
  sizeBytes: number;
  chunks: ByteSource;
}

/**
 * Opens the data of an image at the first location that has it whole, before a byte or a header
 * was sent, so that a bad location still has a clear answer.
 * @throws DomainError of the last location tried; `store_blob_missing` when there is none.
 */
export async function openImageData(
  image: ImageRecord,
  stores: StoreSet,
  logger: Logger,
): Promise<ImageData> {
  const locations = image.locations.filter(({ status }) => status === 'active');
  if (locations.length === 0 && image.sizeBytes === 0) {
    return { sizeBytes: 0, chunks: noBytes() };
  }
  let failure: unknown = new DomainError('store_blob_missing', `Image ${image.id} has no data`);
  for (const location of locations) {
    try {
      const store = stores.forLocation(location);
      const { stream, sizeBytes } = await store.get(location.url);
      if (image.sizeBytes === null || image.sizeBytes === sizeBytes) {
        return { sizeBytes, chunks: stream };
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

// eslint-disable-next-line @typescript-eslint/require-await -- an async iterable of nothing
async function* noBytes(): AsyncGenerator<Uint8Array> {
  yield* [];
}
