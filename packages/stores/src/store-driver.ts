import { isCanonicalUuid } from '@glance/common';
import type { StoreOptionTable, StoreOptions } from './store-options';

/**
 * Bytes on their way from a producer to one consumer. A chunk is valid only until the next one is
 * requested: producers recycle their buffers, so a consumer that keeps bytes copies them, and
 * nothing that reads ahead (such as `Readable.from`) may stand between the two.
 *
 * A source throws to abort. When it ends, its producer has verified what it knows about the bytes
 * (declared size, hash, inspection), so nothing may become visible before it has ended.
 */
export type ByteSource = AsyncIterable<Uint8Array>;

/** An open blob. Iterate it to its end, or call `return()`: both free what it holds. */
export interface BlobStream extends AsyncIterableIterator<Uint8Array, undefined> {
  return(): Promise<IteratorResult<Uint8Array, undefined>>;
}

/** One attempt to store the bytes of an image, named by the image and by the attempt. */
export interface UploadName {
  /** Canonical UUID. */
  imageId: string;
  /** Canonical UUID, the fencing token of the attempt: no two attempts share one. */
  uploadId: string;
}

/**
 * On whose behalf a store is asked. A store that keeps blobs in the accounts of projects asks its
 * server as them; without one it is the service itself that asks.
 */
export interface StoreCaller {
  /** Whose account new blobs go to; null: the service's. */
  projectId: string | null;
  /** Of the caller, as the identity service gave it out. Undefined where only the project is known. */
  token?: string | undefined;
}

/** Who may get at a blob by the server that it is stored on, besides its project. */
export interface BlobAccess {
  /** Every project may read it; `readers` are of no account then. */
  isPublic: boolean;
  /** Ids of projects. */
  readers: readonly string[];
}

export interface AddRequest extends UploadName {
  source: ByteSource;
  /** Bytes announced by the client, when it announced any. */
  expectedSizeBytes?: number | undefined;
  /**
   * The image had no attempt before: the blob gets the plain name, if it is free. Any other gets a
   * name no attempt ever had or will have, so that whoever removes what a failed attempt left,
   * however late, removes nothing else.
   */
  firstAttempt?: boolean | undefined;
  caller?: StoreCaller | undefined;
  signal?: AbortSignal | undefined;
}

/** As for an add, of a blob whose bytes are in the store already. */
export type CopyRequest = Omit<AddRequest, 'source' | 'expectedSizeBytes'>;

export interface AddedBlob {
  locationUrl: string;
  sizeBytes: number;
  /** To be stored beside the location: strings, lists and objects all the way down. */
  metadata: Record<string, unknown>;
  /**
   * The image owns the blob now: the attempt is not listed as unfinished any more. When this fails
   * or is never called, a sweep does the same.
   */
  settle(): Promise<void>;
  /**
   * Removes exactly the blob that this add made visible, never one that took its name later. To be
   * called only on the registry's word that no image owns it. A blob already gone is a success.
   */
  discard(): Promise<void>;
}

export interface ByteRange {
  offset: number;
  length: number;
}

export interface GetOptions {
  /** Must lie within the blob. */
  range?: ByteRange | undefined;
  caller?: StoreCaller | undefined;
  /** Ends the stream with the signal's reason and frees what it holds. */
  signal?: AbortSignal | undefined;
}

export interface OpenedBlob {
  stream: BlobStream;
  /** Size of the whole blob, also when only a range of it is read. */
  sizeBytes: number;
}

/**
 * What became of an attempt: its blob `abandoned`, which no image owns and none will, or anything
 * else.
 */
export type UnfinishedFate = 'abandoned' | 'owned or unknown';

/** An add that runs, or that was neither settled nor discarded because its process died. */
export interface UnfinishedBlob extends UploadName {
  /** Since the last byte was written. */
  ageSeconds: number;
  sizeBytes: number;
}

/**
 * The image and the attempt that a blob is named after: `<image id>`, or `<image id>.<upload id>`.
 * @returns undefined for any other name, which no service ever gave to a blob.
 */
export function parseBlobName(name: string): Pick<StoredBlob, 'imageId' | 'uploadId'> | undefined {
  const [imageId = '', uploadId, ...rest] = name.split('.');
  if (rest.length > 0 || !isCanonicalUuid(imageId)) return undefined;
  if (uploadId !== undefined && !isCanonicalUuid(uploadId)) return undefined;
  return { imageId, uploadId };
}

/** A visible blob under a name that this service, or upstream, gives to blobs. */
export interface StoredBlob {
  locationUrl: string;
  /**
   * `<image id>` or `<image id>.<upload id>`: a part of the location, between `/` or `:`, in most
   * stores the last.
   */
  name: string;
  imageId: string;
  /** Of the attempt that the name tells of; undefined for the plain name. */
  uploadId: string | undefined;
  sizeBytes: number;
  /** Since the last byte was written. */
  ageSeconds: number;
}

/** Optional abilities. The instrumented store never asks a driver for one it lacks. */
export interface StoreCapabilities {
  readonly add: boolean;
  /** `unless in use`: it refuses while somebody else, such as a clone, depends on the blob. */
  readonly delete: boolean | 'unless in use';
  readonly partialRead: boolean;
  /** It can tell which blobs it holds: all at once, or those in the account of a project. */
  readonly list: boolean | 'by project';
}

/** One of the directories that a store keeps blobs in. */
export interface StoreRoom {
  directory: string;
  /** Of its file system, whatever else is on it. */
  sizeBytes: number;
  /** What the service may still write. */
  freeBytes: number;
}

/**
 * A place for image bytes. Drivers are always used behind an `InstrumentedStore`, which checks
 * arguments and capabilities, counts, enforces the announced size, makes every source abortable and
 * names the store in errors; a driver repeats none of that.
 *
 * Drivers reject with `DomainError`s of the `store_` family, with the underlying error as `cause`
 * and a message that a client may read: no path, no host, no credential. What they do not know how
 * to name they let through; it becomes `store_failed`.
 */
export interface StoreDriver {
  /** URI schemes of the locations this store can read, in lower case. */
  readonly schemes: readonly string[];
  readonly capabilities: StoreCapabilities;
  /** What `/v2/info/stores/detail` shows of this store, under upstream's names. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Time limit of everything but the transfer of bytes, where the store's own options set one. */
  readonly metadataTimeoutMs?: number | undefined;

  /**
   * Whether a location has exactly the form this store writes and lies within its area. Looks at
   * the text only; says nothing about the blob being there.
   */
  claims(locationUrl: string): boolean;

  /**
   * Stores the source's bytes durably. All or nothing: the blob becomes visible only after the
   * source ended, and on an error, an abort or a failing source nothing remains. The source's own
   * error and the signal's reason are thrown unchanged.
   * @throws `store_duplicate` when both names of the attempt are taken, `store_full`,
   * `store_write_denied`, `store_unavailable`.
   */
  add(request: AddRequest): Promise<AddedBlob>;

  /**
   * Adds a blob that has the bytes of another one of this store, by what is below the store: they
   * do not pass through this service. All or nothing, as add; the signal ends it.
   * @throws as add; `store_blob_missing`; `store_get_unsupported` where this one has to be read
   * and added.
   */
  copy?(locationUrl: string, request: CopyRequest): Promise<AddedBlob>;

  /**
   * Opens a blob: once this resolves the blob was there and readable. The stream yields exactly the
   * range (or the whole) as it was at that moment; a blob that turns out shorter ends with
   * `store_blob_corrupt`, never with a clean short end.
   * @throws `store_blob_missing` also for a location outside this store's area;
   * `store_blob_corrupt` when the range does not lie within the blob; `store_unavailable`.
   */
  get(locationUrl: string, options?: GetOptions): Promise<OpenedBlob>;

  /** @throws `store_blob_missing`, `store_unavailable`. */
  sizeOf(locationUrl: string): Promise<number>;

  /**
   * Removes a blob for good. Running readers finish or fail, they never end short and clean.
   * @throws `store_blob_missing`, which a caller that wants the blob gone takes as success;
   * `store_in_use`, `store_delete_denied`, `store_unavailable`.
   */
  delete(locationUrl: string): Promise<void>;

  /**
   * Where the server itself decides who reads a blob: lets these, and nobody who was let before.
   * Asked when an image has become active and when its visibility, members or locations changed.
   * @throws as delete.
   */
  setAccess?(locationUrl: string, access: BlobAccess): Promise<void>;

  /**
   * Every visible blob whose name has the form of {@link parseBlobName}, in no order. Anything else
   * in the store is its operator's and is passed over. What comes and goes meanwhile may be missing
   * or not. Takes memory for some blobs, never for all.
   * @param projectId where listed by project: only those in its account, none when it is that of
   * the store's own user or there is none; absent: only those in the account of that user.
   * @throws `store_unavailable`
   */
  listBlobs(projectId?: string): AsyncIterable<StoredBlob>;

  /** What adds of processes that died left behind, what running adds have written so far, and blobs not settled yet. */
  listUnfinished(): Promise<UnfinishedBlob[]>;

  /**
   * Removes what `listUnfinished` told of; of an abandoned attempt also the blob, if it came to
   * one. Nothing there is a success. Blobs of other attempts are out of reach.
   */
  removeUnfinished(name: UploadName, fate: UnfinishedFate): Promise<void>;

  /** Cheap proof that an add could begin now. Rejects like `add`. */
  checkWritable(): Promise<void>;

  /**
   * Cheap proof that blobs could be read now, which writes nothing, where there is one besides
   * having been made. Rejects like `get`.
   */
  checkReadable?(): Promise<void>;

  /** Where the store is on file systems of this host: what room they have. Asked for metrics. */
  room?(): Promise<StoreRoom[]>;

  /** Frees connections. Transfers still running may fail. */
  close(): Promise<void>;
}

export interface StoreContext {
  storeId: string;
  /** For the operator's log. */
  warn: (message: string) => void;
  /**
   * The store is only looked at: what is missing is a mistake and is not made, and nothing is tried
   * out by writing.
   */
  readOnly?: boolean | undefined;
}

/** A kind of store an operator can configure. */
export interface StoreType {
  /** Upstream's option names, and own ones. */
  readonly options: StoreOptionTable;
  /**
   * Builds a store that is ready for use.
   * @throws StoreConfigurationError naming option, value and remedy.
   */
  create(options: StoreOptions, context: StoreContext): Promise<StoreDriver>;
}
