import { ftruncateSync } from 'node:fs';
import * as koffi from 'koffi';
import { SLOT_BYTES, SLOTS } from '../protocol';

const CLOSE_ON_EXEC = 1;
const READ_AND_WRITE = 3;
const SHARED = 1;
const FAILED = 0xffffffffffffffffn;
const SIZE_BYTES = SLOTS * SLOT_BYTES;

// Of the program itself, which has the C library loaded.
const library = koffi.load(null);
const createFile = library.func('int memfd_create(const char *name, unsigned int flags)');
const map = library.func(
  'void *mmap(void *address, size_t length, int protection, int flags, int file, int64_t offset)',
);

/**
 * Memory in a file that has no name, which the service opens by /proc and writes and reads while
 * Ceph's libraries work on it in place (ADR 8). It is gone when both processes are.
 */
export class SharedMemory {
  private constructor(
    /** The descriptor, here. */
    readonly file: number,
    private readonly bytes: Buffer,
  ) {}

  /** @throws where the system has no such memory. */
  static make(): SharedMemory {
    const file = Number(createFile('glance-rbd', CLOSE_ON_EXEC));
    if (file < 0) throw new Error(`memfd_create failed with errno ${koffi.errno()}`);
    ftruncateSync(file, SIZE_BYTES);
    const place = map(null, SIZE_BYTES, READ_AND_WRITE, SHARED, file, 0) as bigint;
    if (place === FAILED) throw new Error(`mmap failed with errno ${koffi.errno()}`);
    return new SharedMemory(file, Buffer.from(koffi.view(place, SIZE_BYTES)));
  }

  /** The first bytes of a slot. */
  slot(slot: number, length: number): Buffer {
    return this.bytes.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + length);
  }
}
