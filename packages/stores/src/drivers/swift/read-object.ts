import type { IncomingMessage } from 'node:http';
import { isDomainError } from '@glance/common';
import { emptyStream } from '../../empty-stream';
import { ResponseStream } from '../../outbound/response-stream';
import { totalOf } from '../../remote/content-range';
import { blobCorrupt, blobMissing, rangeOutsideBlob } from '../../store-errors';
import type { BlobStream, ByteRange, GetOptions, OpenedBlob } from '../../store-driver';
import { toFound } from './found-object';
import type { FoundObject } from './found-object';
import { ResumingStream } from './resuming-stream';
import type { SwiftContainer } from './swift-container';
import { statusOf, toStoreError } from './swift-errors';

/** Without a byte for so long a download has failed. */
const IDLE_MS = 60_000;

/** An object, or where one may be. */
export interface ObjectPlace {
  container: SwiftContainer;
  object: string;
}

/** A blob whose answer has begun. */
interface OpenedObject {
  body: IncomingMessage;
  sizeBytes: number;
  etag: string | undefined;
}

/**
 * Opens a blob as `StoreDriver.get` says.
 * @param retries how often a download that breaks off goes on where it was.
 */
export async function readObject(
  place: ObjectPlace,
  { range, signal }: GetOptions,
  retries: number,
): Promise<OpenedBlob> {
  if (range?.length === 0) {
    const sizeBytes = requireWhole(await requireObject(place, signal));
    if (range.offset > sizeBytes) throw rangeOutsideBlob();
    return { stream: emptyStream(), sizeBytes };
  }
  const { body, sizeBytes, etag } = await open(place, range, signal);
  if (range && range.offset + range.length > sizeBytes) {
    body.destroy();
    throw rangeOutsideBlob();
  }
  const { offset, length } = range ?? { offset: 0, length: sizeBytes };
  const openRest = async (readBytes: number): Promise<BlobStream> => {
    const rest = { offset: offset + readBytes, length: length - readBytes };
    if (rest.length === 0) return emptyStream();
    const next = await open(place, rest, signal);
    if (next.etag !== etag || next.sizeBytes !== sizeBytes) {
      next.body.destroy();
      throw blobCorrupt('The image data is not what it was when the download began');
    }
    return new ResponseStream(next.body, IDLE_MS, signal);
  };
  const stream = new ResponseStream(body, IDLE_MS, signal);
  return { stream: new ResumingStream(stream, openRest, retries, signal), sizeBytes };
}

/** @throws `store_blob_missing`, `store_blob_corrupt`, `store_unavailable`. */
export async function sizeOfObject(place: ObjectPlace): Promise<number> {
  return requireWhole(await requireObject(place));
}

/** @throws `store_blob_missing`, `store_unavailable`. */
export async function requireObject(
  { container, object }: ObjectPlace,
  signal?: AbortSignal,
): Promise<FoundObject> {
  const found = await container.find(object, signal);
  if (found) return found;
  throw await container.missing(blobMissing);
}

async function open(
  { container, object }: ObjectPlace,
  range: ByteRange | undefined,
  signal?: AbortSignal,
): Promise<OpenedObject> {
  const header = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
  try {
    const body = await container.open(object, header, signal);
    try {
      return { body, sizeBytes: sizeIn(body, range), etag: body.headers.etag };
    } catch (error) {
      body.destroy();
      throw error;
    }
  } catch (error) {
    if (isDomainError(error) || signal?.aborted === true) throw error;
    if (statusOf(error) === 416) throw rangeOutsideBlob();
    if (statusOf(error) === 404) throw await container.missing(() => blobMissing(error));
    throw toStoreError(error, 'read');
  }
}

/** The size of the whole blob, whatever part of it the answer has. */
function sizeIn({ statusCode, headers }: IncomingMessage, range: ByteRange | undefined): number {
  if (range === undefined) return requireWhole(toFound(headers));
  const total = statusCode === 206 ? totalOf(headers['content-range']) : undefined;
  if (total === undefined) throw new Error('Swift server: no part of the blob for a Range');
  return requireWhole({ ...toFound(headers), sizeBytes: total });
}

/** @throws `store_blob_corrupt` when segments of it are missing. */
export function requireWhole({
  sizeBytes,
  recordedBytes = sizeBytes,
}: Pick<FoundObject, 'sizeBytes' | 'recordedBytes'>): number {
  if (sizeBytes === recordedBytes) return sizeBytes;
  throw blobCorrupt('Segments of the stored image data are not there');
}
