import { someAtATime } from '../../remote/some-at-a-time';
import { SLOT_BYTES } from './protocol';
import type { ConnectedHelper } from './rbd-cluster';
import { toStoreError } from './rbd-errors';

/** Pieces on their way: some of the slots that all transfers of the store share. */
const PIECES_AT_A_TIME = 4;

export interface ImageCopy {
  /** The helper's number of the image that is read. */
  reader: number;
  /** The helper's number of the one that is written. */
  upload: number;
  sizeBytes: number;
  signal?: AbortSignal | undefined;
  toWriteError: (error: unknown) => unknown;
}

/**
 * Copies the bytes of one image into another, in the memory of the helper: this process only says
 * what is next, so that a copy ends when its signal does, and each step has its limit of time.
 * @throws errors of the store family; the reason of the signal.
 */
export async function copyImage(
  { memory, call }: ConnectedHelper,
  { reader, upload, sizeBytes, signal, toWriteError }: ImageCopy,
): Promise<void> {
  const copyPiece = async (index: number, stop: AbortSignal): Promise<void> => {
    const offset = index * SLOT_BYTES;
    const slot = await memory.take();
    try {
      stop.throwIfAborted();
      const piece = { slot, offset, length: Math.min(SLOT_BYTES, sizeBytes - offset) };
      await call('read', { reader, ...piece }).catch((error: unknown) => {
        throw toStoreError(error, 'read');
      });
      await call('write', { upload, ...piece }).catch((error: unknown) => {
        throw toWriteError(error);
      });
    } finally {
      memory.giveBack(slot);
    }
  };
  await someAtATime(Math.ceil(sizeBytes / SLOT_BYTES), PIECES_AT_A_TIME, copyPiece, signal);
}
