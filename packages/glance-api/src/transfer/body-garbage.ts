import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of dropped body pieces, of all transfers together, that may wait for their collection. */
const MAX_GARBAGE_BYTES = 4 * 1024 * 1024;

type CollectGarbage = (options: { type: 'minor' }) => void;

const collectGarbage = findCollector();
let garbageBytes = 0;

/**
 * To be told of every piece of a request body that has been used.
 *
 * Node's HTTP parser hands each piece over in a buffer of its own. When V8 decides whether to
 * collect young objects, it sees the small object and not the 64 KiB behind it, so the pieces pile
 * up until they are 64 MiB and make it collect the whole heap: a fifth of the CPU time of an upload
 * (docs/performance.md). Young objects are collected in about a millisecond; asked for in time, that
 * is all there is to pay, and the pile stays small.
 */
export function pieceUsed(bytes: number): void {
  garbageBytes += bytes;
  if (garbageBytes < MAX_GARBAGE_BYTES) return;
  garbageBytes = 0;
  collectGarbage?.({ type: 'minor' });
}

/** V8 shows its collector to contexts that are made while the flag is set: here to none but one. */
function findCollector(): CollectGarbage | undefined {
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('globalThis.gc') as CollectGarbage | undefined;
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
