import type { UnfinishedBlob, UnfinishedFate, UploadName } from '../../store-driver';

/** What the helper needs to connect. */
export interface RbdConnection {
  /** Path of a ceph.conf; unset, Ceph looks where it always does. */
  configurationFile: string | undefined;
  /** Without `client.`; unset, Ceph decides. */
  user: string | undefined;
  pool: string;
  /** Seconds that Ceph may take for an operation; unset, as Ceph's configuration says. */
  timeoutSeconds: number | undefined;
}

/** An image, or a snapshot of one. */
export interface RbdPlace {
  image: string;
  snapshot: string | undefined;
}

export interface UploadRequest extends UploadName {
  firstAttempt: boolean;
  sizeBytes: number | undefined;
  /** Power of two of the size of an object. */
  order: number;
  thin: boolean;
}

export interface ImageDescription {
  sizeBytes: number;
  ageSeconds: number;
}

/** Bytes at an offset of an image, in a slot of the shared memory. */
export interface SlotBytes {
  slot: number;
  offset: number;
  /** At most {@link SLOT_BYTES}. */
  length: number;
}

/** What can be asked of the helper. Numbers of uploads and readers are its own, and end with it. */
export interface RbdCalls {
  /** Answered with the helper's descriptor of the shared memory. */
  connect: { asked: RbdConnection; answer: { fsid: string; memory: number } };
  checkWritable: { asked: object; answer: object };
  beginUpload: { asked: UploadRequest; answer: { upload: number; image: string } };
  /** Answered when the bytes are stored, for instance before those of an earlier call. */
  write: { asked: SlotBytes & { upload: number }; answer: object };
  finishUpload: { asked: { upload: number }; answer: { sizeBytes: number } };
  abandonUpload: { asked: { upload: number }; answer: object };
  settle: { asked: UploadName; answer: object };
  listAttempts: { asked: object; answer: { attempts: UnfinishedBlob[] } };
  removeAttempt: { asked: UploadName & { fate: UnfinishedFate }; answer: object };
  open: { asked: RbdPlace; answer: { reader: number; sizeBytes: number } };
  /** Answered when exactly these bytes are in the slot. */
  read: { asked: SlotBytes & { reader: number }; answer: object };
  closeReader: { asked: { reader: number }; answer: object };
  remove: { asked: RbdPlace; answer: object };
  /** Names of all images of the pool that a service may have given. */
  listImages: { asked: object; answer: { names: string[] } };
  /** Of the snapshot that makes an upload visible; null where there is none. */
  describe: { asked: { image: string }; answer: { description: ImageDescription | null } };
  shutDown: { asked: object; answer: object };
}

export type RbdCall = keyof RbdCalls;

/** Why the helper could not do what it was asked. */
export interface RbdFailure {
  message: string;
  errno?: number | undefined;
  /** The option that is to blame. */
  option?: string | undefined;
  /** The pool is not there any more. */
  poolMissing?: boolean | undefined;
}

export interface RbdQuestion {
  id: number;
  call: RbdCall;
  asked: unknown;
}

export interface RbdReply {
  id: number;
  answer?: unknown;
  failure?: RbdFailure | undefined;
}

/**
 * What a call writes or reads at most. Reads of it cost less than smaller ones; writes are what
 * glance-api has at a time, half of it, and larger ones were not faster (docs/performance.md).
 */
export const SLOT_BYTES = 1024 * 1024;
/**
 * Slots of the shared memory, whose unused halves take none. Ceph's libraries have each write and
 * each read in memory once more.
 */
export const SLOTS = 16;

/** The snapshot that makes an upload visible (stores sheet §7). */
export const SNAPSHOT = 'snap';
