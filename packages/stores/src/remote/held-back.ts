import type { ByteSource } from '../store-driver';

/**
 * A source whose last chunk is held back until it has ended, so that a request whose source fails
 * is never complete.
 * @param onEnd called when the source has ended well, before the last chunk goes out.
 */
export async function* heldBack(
  source: ByteSource,
  sizeBytes: number,
  { signal, onEnd }: { signal?: AbortSignal | undefined; onEnd?: () => void } = {},
): AsyncGenerator<Uint8Array, undefined> {
  let left = sizeBytes;
  let last: Buffer | undefined;
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    left -= chunk.length;
    if (left < 0) throw new Error('the source has more bytes than announced');
    if (left > 0) yield chunk;
    else last = Buffer.from(chunk);
  }
  if (left > 0) throw new Error('the source has fewer bytes than announced');
  signal?.throwIfAborted();
  onEnd?.();
  if (last !== undefined) yield last;
}
