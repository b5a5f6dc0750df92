/** The memory that one transfer works in, whatever the size of its image. */
export const TRANSFER_MEMORY_BYTES = 1024 * 1024;

/** Memory of ended transfers kept for the next ones. Given up it would stay until a full collection. */
const MAX_SPARE = 32;
const spare: SharedArrayBuffer[] = [];

/** Memory for an upload or a download, shared so that threads can work on it. It holds old bytes. */
export function takeTransferMemory(): SharedArrayBuffer {
  return spare.pop() ?? new SharedArrayBuffer(TRANSFER_MEMORY_BYTES);
}

/** Only when nobody reads or writes it any more: the next transfer's bytes come into it. */
export function giveBackTransferMemory(memory: SharedArrayBuffer): void {
  if (spare.length < MAX_SPARE) spare.push(memory);
}
