/**
 * The client's part of Sheepdog's wire protocol, version 2 (stores sheet §8): headers of 48 bytes,
 * little-endian, with data behind them.
 */
const VERSION = 2;
/** Flag: data follows the request. */
const WITH_DATA = 1;

export const HEADER_BYTES = 48;
/** Of the fields that each kind of request has its own of: the header's end. */
const FIELDS_OFFSET = 16;

export const Opcode = {
  createObject: 0x01,
  readObject: 0x02,
  writeObject: 0x03,
  newVdi: 0x11,
  findVdi: 0x14,
  readVdis: 0x15,
  removeVdi: 0x17,
} as const;

export const Result = {
  ok: 0x00,
  noObject: 0x02,
  ioError: 0x03,
  vdiExists: 0x04,
  systemError: 0x06,
  noVdi: 0x08,
  vdiUnreadable: 0x0a,
  vdiUnwritable: 0x0d,
  startup: 0x0f,
  shutdown: 0x11,
  noMemory: 0x12,
  noVdiLeft: 0x13,
  noSpace: 0x15,
  waitForFormat: 0x16,
  waitForJoin: 0x17,
  halt: 0x19,
  readOnly: 0x1a,
} as const;

export interface SheepRequest {
  opcode: number;
  /** What stands in the header behind the length, from byte 16 on; 32 bytes. */
  fields: Buffer;
  /** Bytes to send. */
  data?: Uint8Array | undefined;
  /** Where the answer's bytes go: as many as this has are asked for. */
  into?: Uint8Array | undefined;
}

export function encodeHeader({ opcode, fields, data, into }: SheepRequest, id: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(VERSION, 0);
  header.writeUInt8(opcode, 1);
  header.writeUInt16LE(data === undefined ? 0 : WITH_DATA, 2);
  header.writeUInt32LE(id, 8);
  header.writeUInt32LE((data ?? into)?.length ?? 0, 12);
  fields.copy(header, FIELDS_OFFSET);
  return header;
}

export interface SheepAnswer {
  id: number;
  dataBytes: number;
  result: number;
  /** Of the image, in answers about one. */
  vid: number;
}

export function decodeHeader(header: Buffer): SheepAnswer {
  return {
    id: header.readUInt32LE(8),
    dataBytes: header.readUInt32LE(12),
    result: header.readUInt32LE(16),
    vid: header.readUInt32LE(24),
  };
}

/** The fields of a request about a part of an object. */
export function objectFields(objectId: bigint, offset: number): Buffer {
  const fields = Buffer.alloc(HEADER_BYTES - FIELDS_OFFSET);
  fields.writeBigUInt64LE(objectId, 0);
  fields.writeUInt32LE(offset, 24);
  return fields;
}

/** The fields of a request about an image; the cluster's own number of copies. */
export function vdiFields({ sizeBytes = 0, objectShift = 0 } = {}): Buffer {
  const fields = Buffer.alloc(HEADER_BYTES - FIELDS_OFFSET);
  fields.writeBigUInt64LE(BigInt(sizeBytes), 0);
  fields.writeUInt8(objectShift, 15);
  return fields;
}

const INODE_BIT = 1n << 63n;
const VID_SHIFT = 32n;

export function inodeId(vid: number): bigint {
  return INODE_BIT | (BigInt(vid) << VID_SHIFT);
}

export function dataId(vid: number, index: number): bigint {
  return (BigInt(vid) << VID_SHIFT) | BigInt(index);
}
