import { isCanonicalUuid } from '@glance/common';

/** Where an inode, the object that describes an image, has what (stores sheet §8). */
export const INODE = {
  name: 0,
  nameBytes: 256,
  tag: 256,
  created: 512,
  snapshotted: 520,
  sizeBytes: 536,
  storePolicy: 553,
  objectShift: 555,
  headerBytes: 556,
  entries: 4664,
} as const;
export const ENTRY_BYTES = 4;
export const MAX_OBJECTS = 2 ** 20;

/** Of images that were made before this could be chosen, and of those that this service makes. */
export const OBJECT_SHIFT = 22;
export const OBJECT_BYTES = 2 ** OBJECT_SHIFT;
export const MAX_IMAGE_BYTES = MAX_OBJECTS * OBJECT_BYTES;

/**
 * The tag of an image that is no snapshot has no meaning for Sheepdog, and is written in place: its
 * halves say what becomes of the image. They are written apart, so that nobody's word undoes
 * another's.
 */
const HALF_TAG_BYTES = 128;
const REMOVAL_OFFSET = INODE.tag;
const ATTEMPT_OFFSET = INODE.tag + HALF_TAG_BYTES;
const REMOVING = 'glance-removing';
const ATTEMPT = /^glance-(writing|unsettled) ([0-9a-f-]{36})$/;

export interface VdiAttempt {
  /** `writing`: its bytes are not all there, and nobody may see them. */
  state: 'writing' | 'unsettled';
  uploadId: string;
}

export interface Vdi {
  vid: number;
  /** Empty once it is removed. */
  name: string;
  /** Its data is being removed, or was when somebody died. */
  removing: boolean;
  /** Unset once it is settled, and in what others have made. */
  attempt: VdiAttempt | undefined;
  created: Date;
  isSnapshot: boolean;
  /** Its index is a tree, which this service cannot read. */
  isHyperVolume: boolean;
  sizeBytes: number;
  objectBytes: number;
}

export function isVisible({ attempt, removing }: Vdi): boolean {
  return attempt?.state !== 'writing' && !removing;
}

/** @param header the first bytes of an inode. */
export function parseVdi(vid: number, header: Buffer): Vdi {
  const [, state, uploadId = ''] = ATTEMPT.exec(textAt(header, ATTEMPT_OFFSET)) ?? [];
  return {
    vid,
    name: textAt(header, INODE.name, INODE.nameBytes),
    removing: textAt(header, REMOVAL_OFFSET) === REMOVING,
    attempt: isCanonicalUuid(uploadId)
      ? { state: state as VdiAttempt['state'], uploadId }
      : undefined,
    // Seconds in the upper half.
    created: new Date(header.readUInt32LE(INODE.created + 4) * 1000),
    isSnapshot: header.readBigUInt64LE(INODE.snapshotted) !== 0n,
    isHyperVolume: header.readUInt8(INODE.storePolicy) !== 0,
    sizeBytes: Number(header.readBigUInt64LE(INODE.sizeBytes)),
    objectBytes: 2 ** (header.readUInt8(INODE.objectShift) || OBJECT_SHIFT),
  };
}

export interface InodePart {
  offset: number;
  bytes: Buffer;
}

/** The attempt's state, now, and the size: all in one piece, so that none is there without the others. */
export function attemptPart({ state, uploadId }: VdiAttempt, sizeBytes: number): InodePart {
  const bytes = Buffer.alloc(INODE.sizeBytes + 8 - ATTEMPT_OFFSET);
  bytes.write(`glance-${state} ${uploadId}`);
  bytes.writeUInt32LE(Math.floor(Date.now() / 1000), INODE.created + 4 - ATTEMPT_OFFSET);
  bytes.writeBigUInt64LE(BigInt(sizeBytes), INODE.sizeBytes - ATTEMPT_OFFSET);
  return { offset: ATTEMPT_OFFSET, bytes };
}

export function settledPart(): InodePart {
  return { offset: ATTEMPT_OFFSET, bytes: Buffer.alloc(HALF_TAG_BYTES) };
}

export function removingPart(): InodePart {
  const bytes = Buffer.alloc(HALF_TAG_BYTES);
  bytes.write(REMOVING);
  return { offset: REMOVAL_OFFSET, bytes };
}

export function sizePart(sizeBytes: number): InodePart {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(sizeBytes));
  return { offset: INODE.sizeBytes, bytes };
}

/** Which images own the data objects from an index on; 0: none, it is a hole. */
export function entriesPart(first: number, owners: readonly number[]): InodePart {
  const bytes = Buffer.alloc(owners.length * ENTRY_BYTES);
  owners.forEach((owner, index) => bytes.writeUInt32LE(owner, index * ENTRY_BYTES));
  return { offset: INODE.entries + first * ENTRY_BYTES, bytes };
}

function textAt(header: Buffer, offset: number, length: number = HALF_TAG_BYTES): string {
  const field = header.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}
