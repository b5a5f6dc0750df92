import Joi from 'joi';
import { bytes, imageProperty, projectLimits, text, uuid } from './schema-parts';
import {
  TASK_SORT_KEYS,
  TASK_STATUSES,
  TASK_TYPES,
  TRANSFER_METHODS,
  type BeginImport,
  type TaskOfImage,
  type ClaimImport,
  type CommitStaging,
  type TaskListQuery,
} from './task-types';

const LONGEST_TIME_TO_LIVE_HOURS = 24 * 366 * 10;

export const taskListQuerySchema = Joi.object<TaskListQuery>({
  status: Joi.string().valid(...TASK_STATUSES),
  type: text(30),
  sortKey: Joi.string()
    .valid(...TASK_SORT_KEYS)
    .required(),
  sortDirection: Joi.string().valid('asc', 'desc').required(),
  marker: uuid,
  limit: Joi.number().integer().min(0).max(10_000).required(),
});

const taskOfImage = {
  taskId: uuid.required(),
  owner: text(255).allow('').required(),
  userId: text(64).allow(null).required(),
  requestId: text(64).allow(null).required(),
  input: Joi.object().unknown(true).required(),
  timeToLiveHours: Joi.number().integer().min(0).max(LONGEST_TIME_TO_LIVE_HOURS).required(),
};

export const taskOfImageSchema = Joi.object<TaskOfImage>(taskOfImage);

export const beginImportSchema = Joi.object<BeginImport>({
  ...taskOfImage,
  method: Joi.string()
    .valid(...TRANSFER_METHODS)
    .required(),
  sourceUrl: Joi.when('method', {
    is: 'web-download',
    then: text(16_384).invalid('').required(),
    otherwise: Joi.forbidden(),
  }),
  taskType: Joi.string().valid(...TASK_TYPES),
  sourceImageId: Joi.when('method', {
    is: 'clone',
    then: uuid.required(),
    otherwise: Joi.forbidden(),
  }),
  deletesImage: Joi.boolean(),
  certificate: text(65_536).invalid(''),
  heldBy: Joi.when('method', {
    is: Joi.valid('glance-download', 'export'),
    then: Joi.object({ id: uuid.required(), node: text(255).required() }).required(),
    otherwise: Joi.forbidden(),
  }),
  storeIds: Joi.array().items(text(255).invalid('')).min(1).max(100).unique().required(),
  storesAreNamed: Joi.boolean().required(),
  allStoresMustSucceed: Joi.boolean().required(),
  properties: Joi.array().items(imageProperty),
  limits: projectLimits,
});

export const claimImportSchema = Joi.object<ClaimImport>({
  imageId: uuid,
  stagingAreaId: uuid.allow(null).required(),
  holderIds: Joi.array().items(uuid).max(10),
  uploadId: uuid.required(),
  node: text(255).required(),
  storageQuotaBytes: bytes.allow(null).required(),
  maxAttempts: Joi.number().integer().min(1).max(1000).required(),
});

export const commitStagingSchema = Joi.object<CommitStaging>({
  areaId: uuid.required(),
  node: text(255).required(),
  url: text(16_384).invalid('').required(),
  sizeBytes: bytes.required(),
  checksum: text(32).required(),
  hashAlgorithm: text(64).required(),
  hashValue: text(128).required(),
});
