import { isDomainError } from '@glance/common';
import { storeDuplicate } from '../../store-errors';
import type { AddRequest, CopyRequest } from '../../store-driver';
import { copyImage } from './copy-image';
import { ImageWriter } from './image-writer';
import type { ConnectedHelper } from './rbd-cluster';
import { isTaken, toStoreError } from './rbd-errors';
import type { RbdSettings } from './rbd-options';

export interface WrittenBlob {
  image: string;
  sizeBytes: number;
}

/** An image that the helper has open for reading. */
export interface OpenImage {
  /** The helper's number of it. */
  reader: number;
  sizeBytes: number;
}

/**
 * Stores a source as an image that nobody has. Whoever dies here leaves the mark of the attempt
 * behind.
 */
export async function writeBlob(
  helper: ConnectedHelper,
  request: AddRequest,
  settings: RbdSettings,
  warn: (message: string) => void,
): Promise<WrittenBlob> {
  const { imageId, source, expectedSizeBytes: sizeBytes } = request;
  const wanted = { sizeBytes, order: settings.order, thin: settings.thin };
  return await storeImage(helper, request, wanted, warn, async (upload) => {
    const writer = new ImageWriter(helper, upload);
    for await (const chunk of source) await named(imageId, () => writer.write(chunk));
    await named(imageId, () => writer.end());
  });
}

/**
 * The same with the bytes of another image. All of them are written anew, but pieces of zeros: a
 * clone of Ceph's would keep the other image from being deleted.
 */
export async function copyBlob(
  helper: ConnectedHelper,
  original: OpenImage,
  request: CopyRequest,
  settings: RbdSettings,
  warn: (message: string) => void,
): Promise<WrittenBlob> {
  const { imageId, signal } = request;
  const { reader, sizeBytes } = original;
  const wanted = { sizeBytes, order: settings.order, thin: true };
  return await storeImage(helper, request, wanted, warn, async (upload) => {
    const named = (error: unknown): unknown => toWriteError(imageId, error);
    await copyImage(helper, { reader, upload, sizeBytes, signal, toWriteError: named });
  });
}

interface WantedImage {
  sizeBytes: number | undefined;
  order: number;
  thin: boolean;
}

/** @param fill brings the bytes to the helper's upload of this number. */
async function storeImage(
  helper: ConnectedHelper,
  { imageId, uploadId, firstAttempt = false, signal }: CopyRequest,
  wanted: WantedImage,
  warn: (message: string) => void,
  fill: (upload: number) => Promise<void>,
): Promise<WrittenBlob> {
  signal?.throwIfAborted();
  const { upload, image } = await named(imageId, () =>
    helper.call('beginUpload', { imageId, uploadId, firstAttempt, ...wanted }),
  );
  try {
    await fill(upload);
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
    throw toWriteError(imageId, error);
  }
}

function toWriteError(imageId: string, error: unknown): unknown {
  return isTaken(error) ? storeDuplicate(imageId, error) : toStoreError(error, 'write');
}
