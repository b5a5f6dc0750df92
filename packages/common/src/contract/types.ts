import type { BeginImport, TaskOfImage } from './task-types';
import type { DataPlace } from '../data-place';
import type { ErrorCode, ErrorDetails } from '../errors';
import type { ImageLocation, ImageProperty, ImageRecord, Visibility } from '../image';
import type { ImageStatus } from '../image-status';
import type { ProjectLimits } from '../project-limits';

/** A change that an older peer cannot serve raises `major`; additions raise `minor`. */
export const CONTRACT_VERSION = { major: 1, minor: 14 } as const;

export interface ContractInfo {
  contract: { major: number; minor: number };
  release: string;
}

/** The body of every answer that is not 2xx. */
export interface WireError {
  error: { code: ErrorCode; message: string; details: ErrorDetails };
}

/** The plain columns a caller may set. Absent means unchanged, or the default on creation. */
export interface ImageFields {
  name?: string | null;
  visibility?: Visibility;
  /** Only an admin's value is used; anybody else's image belongs to their own project. */
  owner?: string | null;
  sizeBytes?: number | null;
  virtualSizeBytes?: number | null;
  diskFormat?: string | null;
  containerFormat?: string | null;
  checksum?: string | null;
  minDisk?: number;
  minRam?: number;
  protected?: boolean;
  hidden?: boolean;
}

export interface NewImage extends ImageFields {
  /** Canonical UUID; generated when absent. */
  id?: string;
  /** `active` only for an image of no bytes. */
  status?: 'queued' | 'active';
  properties?: ImageProperty[];
  tags?: string[];
}

/** Where the data of a `queued` image comes from, when no client sends it: one of them at most. */
export interface ExternalData {
  /** Makes the image active in the same transaction. */
  location?: ExternalLocation;
  /** Promises a copy in the same transaction: the image stays `queued` until one is claimed. */
  copyFrom?: CopyFrom;
  /** Promises a check in the same transaction: the image stays `queued` until one is claimed. */
  register?: RegisterLocation;
}

/** Data that lies outside of our stores and stays there. */
export interface ExternalLocation {
  /** It may carry credentials: never log it, never show it to a client. */
  url: string;
  metadata: Record<string, unknown>;
  sizeBytes: number;
  /** The owner's limit over all images; null for none. */
  storageQuotaBytes: number | null;
  /** What somebody says that the data hashes to, unchecked. Absent: not known. */
  hash?: DataHash;
  /** Shows that it was done (tasks sheet §10). */
  task?: TaskOfImage;
}

/** A digest of an image's data. */
export interface DataHash {
  /** As node:crypto names it. */
  algorithm: string;
  /** Hexadecimal. */
  value: string;
}

/**
 * Data that lies outside of our stores and stays there, once whatever process claims that first has
 * read it and found that it is what the caller says.
 */
export interface RegisterLocation {
  /** As {@link CopyFrom.sourceUrl}. */
  url: string;
  hash: DataHash;
  /** What the image has been shown with; its size until the check has ended. */
  sizeBytes: number | null;
  /** The owner's limit over all images; null for none. */
  storageQuotaBytes: number | null;
  /** Shows how the check goes (tasks sheet §10). */
  task?: TaskOfImage;
}

/** Data that is to be copied into a store by whatever process claims that first. */
export interface CopyFrom {
  /** It may carry credentials: never log it, never show it; kept only until the copy has ended. */
  sourceUrl: string;
  /** The store to copy into. */
  storeId: string;
  /** What the source is known to hold; the image's size until it is there. */
  sizeBytes: number | null;
  /** The owner's limit over all images; null for none. */
  storageQuotaBytes: number | null;
}

export interface CreateImageRequest extends ExternalData {
  image: NewImage;
  /** Claims the new image for an upload in the same transaction: it starts as `saving`. */
  upload?: BeginUpload;
  /** Accepts an import of the new image in the same transaction: it starts as `importing`. */
  import?: BeginImport;
  /** Of the owner, for the image and for external data; those for an upload are in `upload`. */
  limits?: ProjectLimits;
}

export interface BeginUpload {
  /** Canonical UUID chosen by the uploader: the fencing token of this attempt. */
  uploadId: string;
  /** The uploading process, for operators: host name and process id. */
  node: string;
  /** Where the image goes when the upload fails: v1 kills it, v2 lets it be uploaded again. */
  failureStatus: 'killed' | 'queued';
  /** Bytes announced by the client; null when unknown. Reserved against the quota. */
  expectedSizeBytes: number | null;
  /** The owner's limit over all images; null for none. */
  storageQuotaBytes: number | null;
  /** Those of the owner that this upload may not exceed; `imageCountTotal` has no effect. */
  limits?: ProjectLimits;
  /** Into a staging area: the image is `uploading`, and a CommitStaging ends the attempt. */
  stage?: boolean;
}

export interface UploadLease {
  uploadId: string;
  /** The lease ends this long after the last heartbeat, by the database's clock. */
  leaseSeconds: number;
  heartbeatSeconds: number;
  /** Told when the lease begins: no upload of this image was ever begun before. */
  firstAttempt?: boolean;
}

export interface CreateImageResult {
  image: ImageRecord;
  lease: UploadLease | null;
}

export interface BeginUploadResult {
  image: ImageRecord;
  lease: UploadLease;
}

export interface UploadHeartbeat {
  bytesReceived: number;
  /** Raises the quota reservation to this many bytes; refused with `quota_exceeded`. */
  reserveBytes?: number;
  /** Limits of bytes which the reservation may not exceed. */
  limits?: ProjectLimits;
}

/** What an import finds out about an image while it brings the data. */
export interface LearnedFacts {
  diskFormat?: string;
  containerFormat?: string;
  /** Over those that the image has. */
  properties?: ImageProperty[];
}

export interface CommitUpload {
  location: { url: string; metadata: Record<string, unknown> };
  sizeBytes: number;
  virtualSizeBytes: number | null;
  checksum: string;
  hashAlgorithm: string;
  hashValue: string;
  /** Of an import that fills its first store: what it has made of the image. */
  learned?: LearnedFacts;
  /** Limits of bytes which the data may not exceed. */
  limits?: ProjectLimits;
}

export interface AbandonUpload {
  /** For the operator's log: why the upload ended. */
  reason: string;
  /** The final location this attempt made visible, if it came that far. */
  locationUrl: string | null;
  /**
   * Of a copy or a check; an import is tried again only when `handed_back`. `failed` (unless said): tried again until its attempts are used up.
   * `failed_for_good`: the image is killed, or after a check as it was before. `handed_back`: the process ends; any other may go on at
   * once, and the attempt does not count.
   */
  copy?: 'failed' | 'failed_for_good' | 'handed_back';
  /** What users may know of the failure: the timeline says it, and the task of an import. */
  message?: string;
}

/** Takes a promised copy or check, to carry it out under a lease as an upload. */
export interface ClaimCopy {
  /** Checks of locations too. Absent: copies alone. */
  withChecks?: boolean;
  /** Only the copy to this image. Absent: the one that has been due for longest. */
  imageId?: string;
  /** As in {@link BeginUpload}. */
  uploadId: string;
  node: string;
  storageQuotaBytes: number | null;
  /** When the last attempt fails a copy kills the image, and a check is forgotten. */
  maxAttempts: number;
  /** Until the second attempt; it doubles with each further one. */
  retrySeconds: number;
}

export interface ClaimedCopy {
  image: ImageRecord;
  lease: UploadLease;
  /** Empty for a check. */
  storeId: string;
  /** This one, from 1. */
  attempt: number;
  /**
   * Nothing is copied: the data at the source must hash to this, and the source is the location to
   * commit. Absent for a copy.
   */
  check?: DataHash;
}

/** What the data of an active image was found to hash to. */
export interface RecordHashes {
  /** Where the data was read. */
  locationUrl: string;
  sizeBytes: number;
  /** MD5 */
  checksum: string;
  hash: DataHash;
}

/**
 * `live`: running. `committed`: the image became active through this upload. `abandoned`: given up
 * by the uploader. `expired`: rolled back after missed heartbeats. `void`: the image was deleted
 * under it. `staged`: its data waits for an import, after which it is `abandoned`.
 */
export type UploadState = 'live' | 'staged' | 'committed' | 'abandoned' | 'expired' | 'void';

export interface AbandonResult {
  /** What the upload is now: `committed` when the commit had won after all. */
  state: UploadState;
  imageStatus: ImageStatus | null;
  /**
   * True when the blob at `locationUrl` belongs to no image and to no other running upload of this
   * image, so that the uploader may remove it. Otherwise it is left to the sweepers.
   */
  blobRemovable: boolean;
}

export interface UploadInfo {
  uploadId: string;
  imageId: string;
  state: UploadState;
  image: ImageRecord | null;
}

export interface UpdateImageRequest extends ExternalData {
  fields?: ImageFields;
  properties?: {
    /** Created or overwritten. */
    set: ImageProperty[];
    /** Removes every property not named in `set` or `keep`, but those of the service (`os_glance…`). */
    removeOthers?: boolean;
    /** With `removeOthers`: names left as they are, because the caller may not read them. */
    keep?: string[];
    remove?: string[];
    /** The update is a `conflict` when the image has a property of one of these names. */
    createOnly?: string[];
    /** The update is a `conflict` unless the image has a property of each of these names. */
    mustExist?: string[];
  };
  /**
   * The most properties, those of the service (`os_glance…`) not counted, that an update may leave
   * which adds one; null for no limit.
   */
  propertyQuota?: number | null;
  /** Exactly these, whatever there was. Not together with `addTags` or `removeTags`. */
  tags?: string[];
  /** A tag that is there already stays as it is. */
  addTags?: string[];
  /** The update is `not_found` unless the image has each of them. They go before any is added. */
  removeTags?: string[];
  /** The most tags that an update may leave which adds one by `addTags`; null for no limit. */
  tagQuota?: number | null;
  /** The update is a `conflict` unless the image has one of these statuses. */
  ifStatus?: ImageStatus[];
  /** A `conflict` for an image that is neither `queued` nor `active`. */
  locations?: ChangeLocations;
  /** The update is a `conflict` while a copy or a check is promised to the image. */
  unlessPromised?: boolean;
  /** Of the owner, for data that comes with the update; `imageCountTotal` has no effect. */
  limits?: ProjectLimits;
}

/**
 * Changes the places of an image's data. One that is taken away is nobody's to see any more; its
 * data is removed as {@link LocationRemoval}. A `queued` image becomes active with its first place.
 */
export interface ChangeLocations {
  /** What the caller was shown, in order. The update is a `conflict` when that has changed. */
  seen: DataPlace[];
  /** What is to be there, in order; at least one. */
  wanted: DataPlace[];
  /** What each of them holds; the size of an image that becomes active. */
  sizeBytes: number;
  /** The owner's limit over all images; null for none. */
  storageQuotaBytes: number | null;
  /** What somebody says that the data hashes to, unchecked; for a `queued` image only. */
  checksum?: string;
  hash?: DataHash;
  /** Leave the data of what is taken away to the scrubber (`delayed_delete`). */
  delayed?: boolean;
}

/**
 * A place that was taken away from an image, and whose data may still be there. The image has others,
 * or is deleted.
 */
export interface LocationRemoval {
  imageId: string;
  location: ImageLocation;
  /** Wire time by the database's clock. */
  begunAt: string;
  /** The data is kept as that of images that are deleted with delay. */
  isDelayed?: boolean;
}

export interface ListRemovals {
  /** Only those of this image. */
  imageId?: string;
  /** The location id after which the page starts. */
  after?: number;
  limit: number;
}

/** `gone`: the data is no longer there. `refused`: it stays, and the place is the image's again. */
export interface EndRemoval {
  outcome: 'gone' | 'refused';
}

/** Takes an image out of use or back into it. */
export interface SetImageStatus {
  status: 'active' | 'deactivated';
}

/** What to remove from the stores, after the image is already gone for every reader. */
export interface DeletionPlan {
  image: ImageRecord;
  locations: ImageLocation[];
}

export interface BeginDeletion {
  /** Leave the data to the scrubber (`delayed_delete`). */
  delayed: boolean;
}

/** Asks for a deletion that waits to be finished. */
export interface ClaimDeletion {
  /** Only images whose id comes after this one: so a pass meets each once. */
  after?: string;
  /** Seconds that a deletion is left to the process that began it. */
  graceSeconds: number;
  /** Seconds that the data of images is kept that were deleted with delay, or by upstream. */
  scrubSeconds: number;
}

/** Asks which blobs of a store no image has. */
export interface JudgeBlobs {
  storeId: string;
  /** A blob without image is an orphan once it was seen so this long ago for the first time. */
  confirmAfterSeconds: number;
  blobs: {
    /** `<image id>` or `<image id>.<upload id>`. */
    name: string;
    locationUrl: string;
  }[];
}

/** Asks for projects that have images or had them, in the order of their ids. */
export interface ListProjects {
  /** The id after which the page starts. */
  after?: string;
  limit: number;
}

/** A blob that no image has, nor any upload that runs or waits to be rolled back. */
export interface UnownedBlob {
  name: string;
  /** Wire time by the database's clock. */
  firstSeenAt: string;
  /** Seen before, long enough ago: it may be removed. */
  isOrphan: boolean;
}

/** Asks to be the one process that does work which is due once per interval. */
export interface ClaimSweep {
  name: string;
  intervalSeconds: number;
}
