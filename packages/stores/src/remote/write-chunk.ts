import type { Writable } from 'node:stream';
import { storeUnavailable } from '../store-errors';

/** Within which a server must take a chunk. */
const WRITE_MS = 60_000;

/**
 * Resolves when the stream needs the chunk no longer: its memory may be used again then.
 * @throws `store_unavailable` when it takes none of it for too long, or is closed.
 */
export function writeChunk(stream: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      done(storeUnavailable(new Error(`the server took no bytes for ${WRITE_MS / 1000} s`)));
    }, WRITE_MS);
    const onClose = (): void => {
      done(storeUnavailable(new Error('the server ended the connection')));
    };
    const done = (error?: Error | null): void => {
      clearTimeout(timer);
      stream.off('close', onClose);
      if (error) reject(error);
      else resolve();
    };
    stream.once('close', onClose);
    stream.write(chunk, done);
  });
}
