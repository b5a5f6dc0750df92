import Joi from 'joi';
import type { DataPlace } from '../data-place';
import type { Identity } from '../identity';
import { MAX_INT32, VISIBILITIES } from '../image';
import { IMAGE_STATUSES } from '../image-status';
import { isCanonicalUuid } from '../text';
import { bytes, imageProperty, int32, projectLimits, quota, text, uuid } from './schema-parts';
import { beginImportSchema, taskOfImageSchema } from './task-schemas';
import type {
  AbandonUpload,
  BeginDeletion,
  BeginUpload,
  ChangeLocations,
  ClaimCopy,
  ClaimDeletion,
  ClaimSweep,
  CommitUpload,
  LearnedFacts,
  CopyFrom,
  CreateImageRequest,
  DataHash,
  EndRemoval,
  ExternalLocation,
  JudgeBlobs,
  ListProjects,
  ListRemovals,
  RecordHashes,
  RegisterLocation,
  SetImageStatus,
  UpdateImageRequest,
  UploadHeartbeat,
} from './types';

const status = Joi.string().valid(...IMAGE_STATUSES);

const imageFields = {
  name: text(255).allow(null),
  visibility: Joi.string().valid(...VISIBILITIES),
  owner: text(255).allow(null),
  sizeBytes: bytes.allow(null),
  virtualSizeBytes: bytes.allow(null),
  diskFormat: text(20).allow(null),
  containerFormat: text(20).allow(null),
  checksum: text(32).allow(null),
  minDisk: int32,
  minRam: int32,
  protected: Joi.boolean(),
  hidden: Joi.boolean(),
};

export const beginUploadSchema = Joi.object<BeginUpload>({
  uploadId: uuid.required(),
  node: text(255).required(),
  failureStatus: Joi.string().valid('killed', 'queued').required(),
  expectedSizeBytes: bytes.allow(null).required(),
  storageQuotaBytes: bytes.allow(null).required(),
  limits: projectLimits,
  stage: Joi.boolean(),
});

const dataHash = Joi.object<DataHash>({
  algorithm: text(64).invalid('').required(),
  value: text(128).invalid('').required(),
});

const externalLocation = Joi.object<ExternalLocation>({
  url: text(16_384).invalid('').required(),
  metadata: Joi.object().unknown(true).required(),
  sizeBytes: bytes.required(),
  storageQuotaBytes: bytes.allow(null).required(),
  hash: dataHash,
  task: taskOfImageSchema,
});

const registerLocation = Joi.object<RegisterLocation>({
  url: text(16_384).invalid('').required(),
  hash: dataHash.required(),
  sizeBytes: bytes.allow(null).required(),
  storageQuotaBytes: bytes.allow(null).required(),
  task: taskOfImageSchema,
});

const copyFrom = Joi.object<CopyFrom>({
  sourceUrl: text(16_384).invalid('').required(),
  storeId: text(255).invalid('').required(),
  sizeBytes: bytes.allow(null).required(),
  storageQuotaBytes: bytes.allow(null).required(),
});

export const createImageSchema = Joi.object<CreateImageRequest>({
  image: Joi.object({
    ...imageFields,
    id: uuid,
    status: Joi.string().valid('queued', 'active'),
    properties: Joi.array().items(imageProperty),
    tags: Joi.array().items(text(255)),
  }).required(),
  upload: beginUploadSchema,
  import: beginImportSchema,
  limits: projectLimits,
  location: externalLocation,
  copyFrom,
  register: registerLocation,
}).oxor('upload', 'import', 'location', 'copyFrom', 'register');

export const uploadHeartbeatSchema = Joi.object<UploadHeartbeat>({
  bytesReceived: bytes.required(),
  reserveBytes: bytes,
  limits: projectLimits,
});

export const commitUploadSchema = Joi.object<CommitUpload>({
  location: Joi.object({
    url: text(16_384).invalid('').required(),
    metadata: Joi.object().unknown(true).required(),
  }).required(),
  sizeBytes: bytes.required(),
  virtualSizeBytes: bytes.allow(null).required(),
  checksum: text(32).required(),
  hashAlgorithm: text(64).required(),
  hashValue: text(128).required(),
  learned: Joi.object<LearnedFacts>({
    diskFormat: text(20),
    containerFormat: text(20),
    properties: Joi.array().items(imageProperty),
  }),
  limits: projectLimits,
});

export const abandonUploadSchema = Joi.object<AbandonUpload>({
  reason: Joi.string().allow('').max(1024).required(),
  locationUrl: Joi.string().max(16_384).allow(null).required(),
  copy: Joi.string().valid('failed', 'failed_for_good', 'handed_back'),
  message: Joi.string().allow('').max(1024),
});

export const recordHashesSchema = Joi.object<RecordHashes>({
  locationUrl: Joi.string().max(16_384).required(),
  sizeBytes: bytes.required(),
  checksum: text(32).required(),
  hash: dataHash.required(),
});

export const claimCopySchema = Joi.object<ClaimCopy>({
  withChecks: Joi.boolean(),
  imageId: uuid,
  uploadId: uuid.required(),
  node: text(255).required(),
  storageQuotaBytes: bytes.allow(null).required(),
  maxAttempts: Joi.number().integer().min(1).max(1000).required(),
  retrySeconds: Joi.number().integer().min(1).max(86_400).required(),
});

const dataPlace = Joi.object<DataPlace>({
  url: text(16_384).invalid('').required(),
  metadata: Joi.object().unknown(true).required(),
});

const changeLocations = Joi.object<ChangeLocations>({
  seen: Joi.array().items(dataPlace).required(),
  wanted: Joi.array().items(dataPlace).min(1).required(),
  sizeBytes: bytes.required(),
  storageQuotaBytes: bytes.allow(null).required(),
  checksum: text(32),
  hash: dataHash,
  delayed: Joi.boolean(),
});

export const listRemovalsSchema = Joi.object<ListRemovals>({
  imageId: uuid,
  after: Joi.number().integer().min(0),
  limit: Joi.number().integer().min(1).max(1000).required(),
});

export const endRemovalSchema = Joi.object<EndRemoval>({
  outcome: Joi.string().valid('gone', 'refused').required(),
});

export const updateImageSchema = Joi.object<UpdateImageRequest>({
  fields: Joi.object(imageFields),
  properties: Joi.object({
    set: Joi.array().items(imageProperty).required(),
    removeOthers: Joi.boolean(),
    keep: Joi.array().items(Joi.string()),
    remove: Joi.array().items(Joi.string()),
    createOnly: Joi.array().items(Joi.string()),
    mustExist: Joi.array().items(Joi.string()),
  }),
  propertyQuota: quota,
  tags: Joi.array().items(text(255)),
  addTags: Joi.array().items(text(255)),
  removeTags: Joi.array().items(Joi.string().allow('')),
  tagQuota: quota,
  ifStatus: Joi.array().items(status),
  unlessPromised: Joi.boolean(),
  limits: projectLimits,
  location: externalLocation,
  copyFrom,
  register: registerLocation,
  locations: changeLocations,
})
  .oxor('location', 'copyFrom', 'register', 'locations')
  .without('tags', ['addTags', 'removeTags']);

export const setImageStatusSchema = Joi.object<SetImageStatus>({
  status: Joi.string().valid('active', 'deactivated').required(),
});

export const beginDeletionSchema = Joi.object<BeginDeletion>({
  delayed: Joi.boolean().required(),
});

/** Upstream's own default ages are days; a century is for ever. */
const keptSeconds = Joi.number()
  .integer()
  .min(0)
  .max(100 * 365 * 86_400);

export const claimDeletionSchema = Joi.object<ClaimDeletion>({
  after: Joi.string().max(36),
  graceSeconds: keptSeconds.required(),
  scrubSeconds: keptSeconds.required(),
});

/** Blobs judged in one call. */
export const MAX_JUDGED_BLOBS = 200;

const blobName = Joi.string().custom((value: string, helpers) => {
  const [imageId = '', uploadId, ...rest] = value.split('.');
  const isName = isCanonicalUuid(imageId) && (uploadId === undefined || isCanonicalUuid(uploadId));
  return isName && rest.length === 0
    ? value
    : helpers.message({ custom: '{{#label}} must be the name of a blob' });
});

export const judgeBlobsSchema = Joi.object<JudgeBlobs>({
  storeId: text(255).invalid('').required(),
  confirmAfterSeconds: Joi.number().integer().min(0).max(MAX_INT32).required(),
  blobs: Joi.array()
    .items(
      Joi.object({
        name: blobName.required(),
        // Together they stay below the limit of a body.
        locationUrl: Joi.string().max(4608).required(),
      }),
    )
    .max(MAX_JUDGED_BLOBS)
    .required(),
});

export const listProjectsSchema = Joi.object<ListProjects>({
  after: text(255),
  limit: Joi.number().integer().min(1).max(1000).required(),
});

export const claimSweepSchema = Joi.object<ClaimSweep>({
  name: text(64).invalid('').required(),
  intervalSeconds: Joi.number().integer().min(1).max(MAX_INT32).required(),
});

export const identitySchema = Joi.object<Identity>({
  userId: Joi.string().allow(null, '').required(),
  projectId: Joi.string().allow(null, '').required(),
  roles: Joi.array().items(Joi.string().allow('')).required(),
  isAdmin: Joi.boolean().required(),
  readOnly: Joi.boolean().required(),
}).unknown(true);
