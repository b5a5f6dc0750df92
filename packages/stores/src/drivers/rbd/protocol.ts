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

/** What can be asked of the helper. Numbers of uploads and readers are its own, and end with it. */
export interface RbdCalls {
  connect: { asked: RbdConnection; answer: { fsid: string } };
  checkWritable: { asked: object; answer: object };
  beginUpload: { asked: UploadRequest; answer: { upload: number; image: string } };
  /** With bytes. Answered when they are copied, which waits until there is room. */
  append: { asked: { upload: number }; answer: object };
  finishUpload: { asked: { upload: number }; answer: { sizeBytes: number } };
  abandonUpload: { asked: { upload: number }; answer: object };
  settle: { asked: UploadName; answer: object };
  listAttempts: { asked: object; answer: { attempts: UnfinishedBlob[] } };
  removeAttempt: { asked: UploadName & { fate: UnfinishedFate }; answer: object };
  open: { asked: RbdPlace; answer: { reader: number; sizeBytes: number } };
  /** Answered with exactly these bytes. */
  read: { asked: { reader: number; offset: number; length: number }; answer: object };
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

/** The snapshot that makes an upload visible (stores sheet §7). */
export const SNAPSHOT = 'snap';
