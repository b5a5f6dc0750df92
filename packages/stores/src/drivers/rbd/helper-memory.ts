import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { SLOT_BYTES, SLOTS } from './protocol';

/**
 * The bytes on their way to and from a helper, in memory that it shares with this process: as many
 * slots as there is memory, for all uploads and downloads of the store. Nobody holds one while he
 * waits for a client, only while Ceph works on it, so that slow clients keep nobody waiting.
 */
export class HelperMemory {
  /** The one used last comes next: the others take no memory until they are needed. */
  private readonly free = Array.from({ length: SLOTS }, (_, index) => SLOTS - 1 - index);
  private readonly waiting: ((slot: number) => void)[] = [];
  private file: number | undefined;

  /** @throws when the process is not there, or not this user's. */
  constructor({ pid, file }: { pid: number; file: number }) {
    this.file = openSync(`/proc/${pid}/fd/${file}`, 'r+');
  }

  /** A slot, in the order of asking. */
  take(): Promise<number> {
    const slot = this.free.pop();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Only when the helper has answered, or is gone. */
  giveBack(slot: number): void {
    const next = this.waiting.shift();
    if (next) next(slot);
    else this.free.push(slot);
  }

  /** Copies bytes into a slot. Once the helper is gone nothing is copied: the call fails. */
  put(slot: number, bytes: Uint8Array): void {
    if (this.file === undefined) return;
    writeSync(this.file, bytes, 0, bytes.length, slot * SLOT_BYTES);
  }

  /** Fills a buffer with the bytes of a slot, of a call that was answered. */
  get(slot: number, buffer: Uint8Array): void {
    if (this.file === undefined) throw new Error('The memory of a helper that is gone');
    readSync(this.file, buffer, 0, buffer.length, slot * SLOT_BYTES);
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}
