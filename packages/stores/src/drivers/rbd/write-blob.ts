import { isDomainError } from '@glance/common';
import { storeDuplicate } from '../../store-errors';
import type { AddRequest } from '../../store-driver';
import { ImageWriter } from './image-writer';
import type { ConnectedHelper } from './rbd-cluster';
import { isTaken, toStoreError } from './rbd-errors';
import type { RbdSettings } from './rbd-options';

export interface WrittenBlob {
  image: string;
  sizeBytes: number;
}

/**
 * Stores a source as an image that nobody has. Whoever dies here leaves the mark of the attempt
 * behind.
 */
export async function writeBlob(
  helper: ConnectedHelper,
  { source, imageId, uploadId, signal, ...request }: AddRequest,
  { order, thin }: RbdSettings,
  warn: (message: string) => void,
): Promise<WrittenBlob> {
  signal?.throwIfAborted();
  const { upload, image } = await named(imageId, () =>
    helper.call('beginUpload', {
      imageId,
      uploadId,
      firstAttempt: request.firstAttempt === true,
      sizeBytes: request.expectedSizeBytes,
      order,
      thin,
    }),
  );
  const writer = new ImageWriter(helper, upload);
  try {
    for await (const chunk of source) await named(imageId, () => writer.write(chunk));
    await named(imageId, () => writer.end());
    signal?.throwIfAborted();
    const { sizeBytes } = await named(imageId, () => helper.call('finishUpload', { upload }));
    return { image, sizeBytes };
  } catch (error) {
    await helper.call('abandonUpload', { upload }).catch((failure: unknown) => {
      const reason = isDomainError(failure) ? failure.cause : failure;
      warn(`what is left of ${image} could not be removed, a sweep will: ${String(reason)}`);
    });
    throw error;
  }
}

async function named<T>(imageId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isTaken(error) ? storeDuplicate(imageId, error) : toStoreError(error, 'write');
  }
}
