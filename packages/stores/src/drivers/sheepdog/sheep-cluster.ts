import {
  dataId,
  inodeId,
  objectFields,
  Opcode,
  Result,
  vdiFields,
  type SheepRequest,
} from './protocol';
import { hasResult } from './sheep-errors';
import type { SheepPool } from './sheep-pool';
import { ENTRY_BYTES, INODE, OBJECT_SHIFT, parseVdi } from './vdi';
import type { InodePart, Vdi } from './vdi';

const TAG_BYTES = 256;
/** A bit for each number that an image can have. */
const VDI_MAP_BYTES = 2 ** 24 / 8;
/** Inodes that are read at a time. */
const SCAN_WINDOW = 16;

/** What a cluster is asked for. Everything throws SheepRefusal and SheepSilence. */
export class SheepCluster {
  constructor(private readonly pool: SheepPool) {}

  /**
   * Makes an empty image. When there is no answer it may have been made.
   * @returns its number; undefined when the name is taken.
   */
  async create(name: string): Promise<number | undefined> {
    const fields = vdiFields({ objectShift: OBJECT_SHIFT });
    const request = { opcode: Opcode.newVdi, fields, data: nameData(name) };
    const making = this.pool.call(request, { what: 'create an image', repeatable: false });
    return (await unless(Result.vdiExists, making))?.vid;
  }

  async find(name: string): Promise<Vdi | undefined> {
    const vid = await this.findVid(name);
    const vdi = vid === undefined ? undefined : await this.read(vid);
    // It may have been removed in between.
    return vdi?.name === name ? vdi : undefined;
  }

  async findVid(name: string): Promise<number | undefined> {
    const data = nameData(name, TAG_BYTES);
    const request = { opcode: Opcode.findVdi, fields: vdiFields(), data };
    return (await unless(Result.noVdi, this.ask(request, 'find an image')))?.vid;
  }

  /** @returns undefined when there never was such an image. */
  async read(vid: number): Promise<Vdi | undefined> {
    const header = Buffer.alloc(INODE.headerBytes);
    const reading = this.readPart(inodeId(vid), 0, header, 'read an inode');
    return (await unless(Result.noObject, reading)) ? parseVdi(vid, header) : undefined;
  }

  /** Which images own the data objects; 0 for holes. */
  async readEntries(vid: number, first: number, count: number): Promise<Uint32Array> {
    const bytes = Buffer.alloc(count * ENTRY_BYTES);
    const offset = INODE.entries + first * ENTRY_BYTES;
    if (count > 0) await this.readPart(inodeId(vid), offset, bytes, 'read the index of an image');
    return Uint32Array.from({ length: count }, (_, index) =>
      bytes.readUInt32LE(index * ENTRY_BYTES),
    );
  }

  async writeInode(vid: number, { offset, bytes }: InodePart): Promise<void> {
    const fields = objectFields(inodeId(vid), offset);
    await this.ask({ opcode: Opcode.writeObject, fields, data: bytes }, 'write an inode');
  }

  async createData(vid: number, index: number, data: Uint8Array): Promise<void> {
    const fields = objectFields(dataId(vid, index), 0);
    await this.ask({ opcode: Opcode.createObject, fields, data }, 'write image data');
  }

  async readData(owner: number, index: number, offset: number, into: Uint8Array): Promise<void> {
    await this.readPart(dataId(owner, index), offset, into, 'read image data');
  }

  /** Removes an image without data; one with data stays. None there is a success. */
  async remove(name: string): Promise<void> {
    const data = nameData(name, TAG_BYTES);
    const request = { opcode: Opcode.removeVdi, fields: vdiFields(), data };
    await unless(Result.noVdi, this.ask(request, 'remove an image'));
  }

  /** Every image that has a name and is no snapshot; each costs a request, removed ones too. */
  async *list(): AsyncGenerator<Vdi, undefined> {
    const map = Buffer.alloc(VDI_MAP_BYTES);
    const request = { opcode: Opcode.readVdis, fields: vdiFields(), into: map };
    await this.ask(request, 'list images');
    let reading: Promise<Vdi | undefined>[] = [];
    for (const vid of setBits(map)) {
      reading.push(this.read(vid));
      if (reading.length < SCAN_WINDOW) continue;
      yield* named(await Promise.all(reading));
      reading = [];
    }
    yield* named(await Promise.all(reading));
  }

  close(): void {
    this.pool.close();
  }

  private readPart(objectId: bigint, offset: number, into: Uint8Array, what: string) {
    const fields = objectFields(objectId, offset);
    return this.ask({ opcode: Opcode.readObject, fields, into }, what);
  }

  private ask(request: SheepRequest, what: string) {
    return this.pool.call(request, { what, repeatable: true });
  }
}

function nameData(name: string, tagBytes = 0): Buffer {
  const data = Buffer.alloc(INODE.nameBytes + tagBytes);
  data.write(name);
  return data;
}

function named(vdis: readonly (Vdi | undefined)[]): Vdi[] {
  return vdis.filter((vdi) => vdi !== undefined && vdi.name !== '' && !vdi.isSnapshot) as Vdi[];
}

function* setBits(map: Buffer): Generator<number, undefined> {
  for (let byte = 0; byte < map.length; byte += 1) {
    const value = map.readUInt8(byte);
    for (let bit = 0; value >> bit > 0; bit += 1) if ((value >> bit) & 1) yield byte * 8 + bit;
  }
}

/** The result of the work, or undefined when it was refused with this. */
async function unless<T>(result: number, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasResult(error, result)) return undefined;
    throw error;
  }
}
