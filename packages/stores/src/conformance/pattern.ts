import { createHash } from 'node:crypto';
import type { ByteSource } from '../store-driver';

// A prime length: no two chunks of a transfer are alike, so swapped or repeated ones show.
const PERIOD = 65_537;
const PATTERN = Buffer.alloc(2 * PERIOD);
for (let i = 0, state = 1; i < PERIOD; i += 1) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  PATTERN[i] = PATTERN[i + PERIOD] = state >>> 24;
}

/** Fills the buffer with what stands at `offset` of an endless, non-repeating-looking text. */
export function fillPattern(buffer: Uint8Array, offset: number): void {
  for (let done = 0; done < buffer.length;) {
    const start = (offset + done) % PERIOD;
    const count = Math.min(buffer.length - done, PERIOD);
    buffer.set(PATTERN.subarray(start, start + count), done);
    done += count;
  }
}

export function patternBytes(sizeBytes: number, offset = 0): Buffer {
  const buffer = Buffer.alloc(sizeBytes);
  fillPattern(buffer, offset);
  return buffer;
}

interface PatternSourceOptions {
  sizeBytes: number;
  chunkBytes?: number;
  offset?: number;
  /** Called before each chunk and before the end. */
  onRequest?: (deliveredBytes: number) => Promise<void> | void;
}

/**
 * A source that hands out one buffer again and again and spoils it as soon as the next chunk is
 * requested, as the service's own sources may.
 */
export async function* patternSource(options: PatternSourceOptions): AsyncGenerator<Uint8Array> {
  const { sizeBytes, chunkBytes = 256 * 1024, offset = 0, onRequest } = options;
  const buffer = Buffer.alloc(Math.min(chunkBytes, sizeBytes));
  for (let position = 0; position < sizeBytes;) {
    await onRequest?.(position);
    const chunk = buffer.subarray(0, Math.min(chunkBytes, sizeBytes - position));
    fillPattern(chunk, offset + position);
    yield chunk;
    chunk.fill(0xee);
    position += chunk.length;
  }
  await onRequest?.(sizeBytes);
}

export async function* sourceOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

export async function readAll(stream: ByteSource): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export async function digestOf(stream: ByteSource): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}
