import type { ImageProperty, ImageRecord } from '../image';
import type { ProjectLimits } from '../project-limits';
import type { DataHash, UploadLease } from './types';

export const TASK_STATUSES = ['pending', 'processing', 'success', 'failure'] as const;
/** `success` and `failure` are final. */
export type TaskStatus = (typeof TASK_STATUSES)[number];

/** Work that goes on after its request was answered. Times are as in {@link ImageRecord}. */
export interface TaskRecord {
  id: string;
  type: string;
  status: TaskStatus;
  owner: string;
  input: unknown;
  /** Null unless it succeeded. */
  result: unknown;
  /** How far it is, or why it failed; empty before that. */
  message: string;
  imageId: string | null;
  requestId: string | null;
  userId: string | null;
  /** From when on nobody sees it. Null until it has ended. */
  expiresAt: string | null;
  deleted: boolean;
  createdAt: string;
  updatedAt: string;
  deletedAt: string | null;
}

export const TASK_SORT_KEYS = [
  'created_at',
  'updated_at',
  'expires_at',
  'id',
  'type',
  'status',
  'owner',
] as const;
export type TaskSortKey = (typeof TASK_SORT_KEYS)[number];

export interface TaskListQuery {
  status?: TaskStatus;
  type?: string;
  sortKey: TaskSortKey;
  sortDirection: 'asc' | 'desc';
  /** The task after which the page starts. */
  marker?: string;
  limit: number;
}

export const IMPORT_METHODS = [
  'glance-direct',
  'web-download',
  'copy-image',
  'glance-download',
] as const;
/** Where the data of an import comes from: what was staged, a URL, the image's own data, or the same service elsewhere. */
export type ImportMethod = (typeof IMPORT_METHODS)[number];

/** Types of tasks that administrators make (tasks sheet §3); what imports by users are is not among them. */
export const TASK_TYPES = ['import', 'export', 'clone'] as const;
export type TaskType = (typeof TASK_TYPES)[number];

/**
 * Beside the methods of users: `clone` takes the data of another image, and `export` leaves the
 * image as it is and writes its data to an area of the process that takes it.
 */
export const TRANSFER_METHODS = [...IMPORT_METHODS, 'clone', 'export'] as const;
export type TransferMethod = (typeof TRANSFER_METHODS)[number];

/** A new task that shows how something goes with an image. */
export interface TaskOfImage {
  /** Canonical UUID of the task. */
  taskId: string;
  /** The project that sees the task; empty for none. */
  owner: string;
  userId: string | null;
  requestId: string | null;
  /** As the task shows it. */
  input: Record<string, unknown>;
  /** For how long the task is kept once it has ended. */
  timeToLiveHours: number;
}

/** Promises an import: task, lock and status in one transaction (reliability sheet §4, I1). */
export interface BeginImport extends TaskOfImage {
  method: TransferMethod;
  /** What the task is called; `api_image_import` unless set. */
  taskType?: TaskType;
  /** Of `clone`: whose data it takes. */
  sourceImageId?: string;
  /** An image that was made for this is deleted when it comes to nothing. */
  deletesImage?: boolean;
  /** Of `web-download`. It may carry credentials: kept only until the import has ended. */
  sourceUrl?: string;
  /** As PEM: that of the signature which the data must have. */
  certificate?: string;
  /** Of `glance-download` and `export`: what alone can go on, a process with the caller's token, or those that have the area. */
  heldBy?: { id: string; node: string };
  /** The stores to fill, in this order; at least one. */
  storeIds: string[];
  /** Whether properties of the image tell their names. */
  storesAreNamed: boolean;
  /** One that fails fails the import, and what the others got is removed. */
  allStoresMustSucceed: boolean;
  /** Given to the image with the acceptance, over those it has. */
  properties?: ImageProperty[];
  /** Of the image's owner. */
  limits?: ProjectLimits;
}

/** Takes the next step of an import: one store to be filled, under a lease as an upload. */
export interface ClaimImport {
  /** Only the import of this image. Absent: the one that has waited for longest. */
  imageId?: string;
  /** The staging area that the claimer reads; null for none. */
  stagingAreaId: string | null;
  /** What the claimer has beside that imports need. */
  holderIds?: string[];
  /** As in BeginUpload. */
  uploadId: string;
  node: string;
  storageQuotaBytes: number | null;
  /** When the last attempt at a store is lost with its process, the store has failed. */
  maxAttempts: number;
}

/** Data that a client has left in a staging area until it is imported. */
export interface StagedData {
  /** The attempt that brought it. */
  uploadId: string;
  areaId: string;
  url: string;
  sizeBytes: number;
  /** MD5 */
  checksum: string;
  hash: DataHash;
}

export interface ClaimedImport {
  task: TaskRecord;
  image: ImageRecord;
  lease: UploadLease;
  storeId: string;
  /** Once one store has been filled the others are filled from it, whatever the method. */
  source: 'staged' | 'url' | 'image' | 'held' | 'clone';
  /** Whose data it is, when the source is `clone`. */
  sourceImageId: string | null;
  /** The data to read, when the source is `staged`. */
  staged: StagedData | null;
  /** As in BeginImport. */
  certificate: string | null;
  /** At this store, from 1. */
  attempt: number;
}

/** The end of an upload into a staging area: the image waits, `uploading`, for its import. */
export interface CommitStaging {
  areaId: string;
  /** Names the area to operators. */
  node: string;
  url: string;
  sizeBytes: number;
  checksum: string;
  hashAlgorithm: string;
  hashValue: string;
}

/** Properties by which an image tells of its imports (tasks sheet §6, §7). */
export const IMPORT_PROPERTIES = {
  task: 'os_glance_import_task',
  importingTo: 'os_glance_importing_to_stores',
  failed: 'os_glance_failed_import',
} as const;

/** One store of an import. */
export interface ImportTarget {
  storeId: string;
  state: 'waiting' | 'done' | 'failed';
}

/**
 * What becomes of an import once one of its stores was filled or has failed.
 * @returns `next` when another store waits.
 */
export function importVerdict(
  targets: readonly ImportTarget[],
  allStoresMustSucceed: boolean,
): 'next' | 'succeeded' | 'failed' {
  const has = (state: ImportTarget['state']): boolean =>
    targets.some((target) => target.state === state);
  if (allStoresMustSucceed && has('failed')) return 'failed';
  if (has('waiting')) return 'next';
  return has('done') ? 'succeeded' : 'failed';
}
