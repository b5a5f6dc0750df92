import {
  IMAGE_STATUSES,
  MEMBER_STATUSES,
  TASK_STATUSES,
  VISIBILITIES,
  type AbandonResult,
  type BeginUploadResult,
  type ClaimCopy,
  type ClaimImport,
  type ClaimedCopy,
  type ClaimedImport,
  type ContractInfo,
  type CreateImageRequest,
  type CreateImageResult,
  type DataHash,
  type DeletionPlan,
  type ImageLocation,
  type ImageMember,
  type ImageRecord,
  type JudgeBlobs,
  type LocationRemoval,
  type ProjectUsage,
  type SharedImage,
  type StagedData,
  type TaskRecord,
  type TimelineEntry,
  type UnownedBlob,
  type UploadInfo,
  type UploadLease,
  type UploadState,
} from '@glance/common';
import { foreignAnswer } from './failed-try';

export type Check = (value: unknown) => boolean;
/** A check for every field, so that a new field of the contract does not go unchecked. */
export type Checks<T> = { readonly [Field in keyof T]-?: Check };

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const isText: Check = (value) => typeof value === 'string';
export const isFlag: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
export const isTime: Check = (value) =>
  typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/.test(value);
export const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
export const oneOf = (values: readonly string[]): Check => {
  const known = new Set<unknown>(values);
  return (value) => known.has(value);
};
export const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

export function matches<T>(checks: Checks<T>): Check {
  const entries = Object.entries<Check>(checks);
  return (value) => isRecord(value) && entries.every(([field, check]) => check(value[field]));
}

const isProperty: Check = (value) =>
  Array.isArray(value) &&
  value.length === 2 &&
  isText(value[0]) &&
  (value[1] === null || isText(value[1]));

const isLocation = matches<ImageLocation>({
  id: isCount,
  url: isText,
  metadata: isRecord,
  status: oneOf(['active', 'pending_delete', 'deleted']),
});

const isStatus = oneOf(IMAGE_STATUSES);

const isImage = matches<ImageRecord>({
  id: (value) => isText(value) && value !== '',
  name: orNull(isText),
  status: isStatus,
  visibility: oneOf(VISIBILITIES),
  owner: orNull(isText),
  sizeBytes: orNull(isCount),
  virtualSizeBytes: orNull(isCount),
  diskFormat: orNull(isText),
  containerFormat: orNull(isText),
  checksum: orNull(isText),
  hashAlgorithm: orNull(isText),
  hashValue: orNull(isText),
  minDisk: isCount,
  minRam: isCount,
  protected: isFlag,
  hidden: isFlag,
  deleted: isFlag,
  createdAt: isTime,
  updatedAt: isTime,
  deletedAt: orNull(isTime),
  properties: listOf(isProperty),
  tags: listOf(isText),
  locations: listOf(isLocation),
});

const isDataHash = matches<DataHash>({ algorithm: isText, value: isText });

const isLease = matches<UploadLease>({
  uploadId: isText,
  leaseSeconds: (value) => isCount(value) && value !== 0,
  heartbeatSeconds: (value) => isCount(value) && value !== 0,
  firstAttempt: (value) => value === undefined || isFlag(value),
});

const UPLOAD_STATES: readonly UploadState[] = [
  'live',
  'staged',
  'committed',
  'abandoned',
  'expired',
  'void',
];
const isUploadState = oneOf(UPLOAD_STATES);

/** The id itself; ids compare without case under the collation of the tables (schema sheet §1). */
const theId =
  (id: string): Check =>
  (value) =>
    typeof value === 'string' && value.toLowerCase() === id.toLowerCase();
const both =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.every((check) => check(value));
const isImageOf = (id: string) => both(isImage, (value) => isRecord(value) && theId(id)(value.id));
const isLeaseOf = (uploadId: string) =>
  both(isLease, (value) => isRecord(value) && theId(uploadId)(value.uploadId));

export type Decode<T> = (body: unknown) => T;

/** Throws FailedTry when the answer is something else: garbage never passes as an image. */
export function decoder<T>(what: string, check: Check): Decode<T> {
  return (body) => {
    if (!check(body)) throw foreignAnswer(`answered with something that is no ${what}`);
    return body as T;
  };
}

export const decodeContract = decoder<ContractInfo>(
  'contract description',
  matches<ContractInfo>({
    contract: matches<ContractInfo['contract']>({ major: isCount, minor: isCount }),
    release: isText,
  }),
);

export const decodeImages = decoder<{ images: ImageRecord[] }>(
  'list of images',
  matches({ images: listOf(isImage) }),
);

export function decodeImage(imageId: string): Decode<{ image: ImageRecord }> {
  return decoder(`image ${imageId}`, matches({ image: isImageOf(imageId) }));
}

export function decodeCreated({ image, upload }: CreateImageRequest): Decode<CreateImageResult> {
  return decoder(
    'image just created',
    matches<CreateImageResult>({
      image: image.id === undefined ? isImage : isImageOf(image.id),
      lease: upload === undefined ? (value) => value === null : isLeaseOf(upload.uploadId),
    }),
  );
}

export function decodeBegun(imageId: string, uploadId: string): Decode<BeginUploadResult> {
  return decoder(
    `upload begun to image ${imageId}`,
    matches<BeginUploadResult>({ image: isImageOf(imageId), lease: isLeaseOf(uploadId) }),
  );
}

export function decodeLease(uploadId: string): Decode<UploadLease> {
  return decoder(`lease of upload ${uploadId}`, isLeaseOf(uploadId));
}

export function decodeUpload(imageId: string, uploadId: string): Decode<UploadInfo> {
  return decoder(
    `upload ${uploadId}`,
    matches<UploadInfo>({
      uploadId: theId(uploadId),
      imageId: theId(imageId),
      state: isUploadState,
      image: orNull(isImageOf(imageId)),
    }),
  );
}

export const decodeAbandoned = decoder<AbandonResult>(
  'end of an upload',
  matches<AbandonResult>({
    state: isUploadState,
    imageStatus: orNull(isStatus),
    blobRemovable: isFlag,
  }),
);

export function decodeClaimedCopy({
  imageId,
  uploadId,
}: ClaimCopy): Decode<{ copy: ClaimedCopy | null }> {
  return decoder(
    'claim of a copy',
    matches<{ copy: ClaimedCopy | null }>({
      copy: orNull(
        matches<ClaimedCopy>({
          image: imageId === undefined ? isImage : isImageOf(imageId),
          lease: isLeaseOf(uploadId),
          storeId: isText,
          attempt: isCount,
          check: (value) => value === undefined || isDataHash(value),
        }),
      ),
    }),
  );
}

const isTask = matches<TaskRecord>({
  id: isText,
  type: isText,
  status: oneOf(TASK_STATUSES),
  owner: isText,
  input: (value) => value !== undefined,
  result: (value) => value !== undefined,
  message: isText,
  imageId: orNull(isText),
  requestId: orNull(isText),
  userId: orNull(isText),
  expiresAt: orNull(isTime),
  deleted: isFlag,
  createdAt: isTime,
  updatedAt: isTime,
  deletedAt: orNull(isTime),
});

export function decodeTask(taskId: string): Decode<{ task: TaskRecord }> {
  const isTheTask = both(isTask, (value) => isRecord(value) && theId(taskId)(value.id));
  return decoder('task', matches<{ task: TaskRecord }>({ task: isTheTask }));
}

export const decodeTasks = decoder<{ tasks: TaskRecord[] }>(
  'list of tasks',
  matches<{ tasks: TaskRecord[] }>({ tasks: listOf(isTask) }),
);

export const decodeTimeline = decoder<{ entries: TimelineEntry[] }>(
  'timeline',
  matches<{ entries: TimelineEntry[] }>({
    entries: listOf(
      matches<TimelineEntry>({
        number: isCount,
        at: isTime,
        event: isText,
        step: isText,
        userId: orNull(isText),
        projectId: orNull(isText),
        requestId: orNull(isText),
        bytes: orNull(isCount),
        reason: orNull(isText),
        storeId: orNull(isText),
        taskId: orNull(isText),
        memberId: orNull(isText),
      }),
    ),
  }),
);

const isStaged = matches<StagedData>({
  uploadId: isText,
  areaId: isText,
  url: isText,
  sizeBytes: isCount,
  checksum: isText,
  hash: isDataHash,
});

export function decodeClaimedImport({
  imageId,
  uploadId,
}: ClaimImport): Decode<{ claimed: ClaimedImport | null }> {
  return decoder(
    'claim of an import',
    matches<{ claimed: ClaimedImport | null }>({
      claimed: orNull(
        matches<ClaimedImport>({
          task: isTask,
          image: imageId === undefined ? isImage : isImageOf(imageId),
          lease: isLeaseOf(uploadId),
          storeId: isText,
          source: oneOf(['staged', 'url', 'image', 'held', 'clone']),
          staged: orNull(isStaged),
          sourceImageId: orNull(isText),
          certificate: orNull(isText),
          attempt: isCount,
        }),
      ),
    }),
  );
}

export const decodeRecorded = decoder<{ recorded: boolean }>(
  'record of hashes',
  matches<{ recorded: boolean }>({ recorded: isFlag }),
);

export const decodeCopySource = decoder<{ sourceUrl: string }>(
  'source of a copy',
  matches<{ sourceUrl: string }>({ sourceUrl: isText }),
);

export function decodeDeletion(imageId: string): Decode<DeletionPlan> {
  return decoder(
    `deletion of image ${imageId}`,
    matches<DeletionPlan>({ image: isImageOf(imageId), locations: listOf(isLocation) }),
  );
}

const isDeletion = matches<DeletionPlan>({ image: isImage, locations: listOf(isLocation) });

export const decodeClaimedDeletion = decoder<{ deletion: DeletionPlan | null }>(
  'claim of a deletion',
  matches<{ deletion: DeletionPlan | null }>({
    deletion: (value) => value === null || isDeletion(value),
  }),
);

export const decodeReleased = decoder<{ released: boolean }>(
  'release of a deletion',
  matches<{ released: boolean }>({ released: isFlag }),
);

export const decodeRemovals = decoder<{ removals: LocationRemoval[] }>(
  'list of removals',
  matches({
    removals: listOf(
      matches<LocationRemoval>({
        imageId: isText,
        location: isLocation,
        begunAt: isTime,
        isDelayed: (value) => value === undefined || isFlag(value),
      }),
    ),
  }),
);

export const decodeRemovalEnd = decoder<{ ended: boolean }>(
  'end of a removal',
  matches<{ ended: boolean }>({ ended: isFlag }),
);

const isMemberStatus = oneOf(MEMBER_STATUSES);
const isMember = matches<ImageMember>({
  memberId: isText,
  canShare: isFlag,
  status: isMemberStatus,
  createdAt: isTime,
  updatedAt: isTime,
});

export const decodeMembers = decoder<{ members: ImageMember[] }>(
  'list of members',
  matches({ members: listOf(isMember) }),
);

export function decodeMember(memberId: string): Decode<{ member: ImageMember }> {
  return decoder(
    'member of an image',
    matches<{ member: ImageMember }>({
      member: both(isMember, (value) => isRecord(value) && value.memberId === memberId),
    }),
  );
}

export const decodeSharedImages = decoder<{ sharedImages: SharedImage[] }>(
  'list of shared images',
  matches({
    sharedImages: listOf(
      matches<SharedImage>({ imageId: isText, canShare: isFlag, status: isMemberStatus }),
    ),
  }),
);

export function decodeUnownedBlobs({ blobs }: JudgeBlobs): Decode<{ unowned: UnownedBlob[] }> {
  return decoder(
    'judgement of blobs',
    matches<{ unowned: UnownedBlob[] }>({
      unowned: listOf(
        matches<UnownedBlob>({
          // What was not asked about must not be removed on the strength of the answer.
          name: oneOf(blobs.map(({ name }) => name)),
          firstSeenAt: isTime,
          isOrphan: isFlag,
        }),
      ),
    }),
  );
}

export const decodeProjects = decoder<{ projects: string[] }>(
  'list of projects',
  matches({ projects: listOf(isText) }),
);

export const decodeUsage = decoder<{ usage: ProjectUsage }>(
  'usage of a project',
  matches({
    usage: matches<ProjectUsage>({
      imageSizeTotalBytes: isCount,
      imageStageTotalBytes: isCount,
      imageCountTotal: isCount,
      imageCountUploading: isCount,
    }),
  }),
);

export const decodeSweepClaim = decoder<{ claimed: boolean }>(
  'claim of a sweep',
  matches<{ claimed: boolean }>({ claimed: isFlag }),
);

export const decodeDownloadsReport = decoder<{ wanted: boolean }>(
  'report of downloads',
  matches<{ wanted: boolean }>({ wanted: isFlag }),
);
