import Joi from 'joi';
import { IMAGE_STATUSES } from '../image-status';
import { MAX_INT32, MEMBER_STATUSES, VISIBILITIES } from '../image';
import { hasFourByteCharacter, isCanonicalUuid, isPrototypeName } from '../text';
import { DomainError } from '../errors';
import type { Identity } from '../identity';
import {
  IMAGE_SORT_KEYS,
  TIME_OPERATORS,
  type AbandonUpload,
  type BeginDeletion,
  type BeginUpload,
  type ClaimCopy,
  type ClaimSweep,
  type CommitUpload,
  type CopyFrom,
  type CreateImageRequest,
  type ExternalLocation,
  type ImageListQuery,
  type JudgeBlobs,
  type PutMember,
  type ReplaceMembers,
  type UpdateImageRequest,
  type UploadHeartbeat,
} from './types';

/** Text that fits the 3-byte utf8 tables (schema sheet §1). */
function text(maxLength: number): Joi.StringSchema {
  return Joi.string()
    .allow('')
    .max(maxLength)
    .custom((value: string, helpers) => {
      if (hasFourByteCharacter(value)) {
        return helpers.message({
          custom: "{{#label}} can't contain 4 byte unicode characters.",
        });
      }
      // eslint-disable-next-line no-control-regex -- NUL is what is looked for
      return /\u0000/.test(value)
        ? helpers.message({ custom: '{{#label}} must not contain NUL characters' })
        : value;
    });
}

const uuid = Joi.string().custom((value: string, helpers) =>
  isCanonicalUuid(value) ? value : helpers.message({ custom: '{{#label}} must be a UUID' }),
);
const bytes = Joi.number().integer().min(0).max(Number.MAX_SAFE_INTEGER);
const wireTime = Joi.string().pattern(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/, 'wire time');
const status = Joi.string().valid(...IMAGE_STATUSES);

/** TEXT columns hold 65,535 bytes; three bytes a character at the most. */
const propertyValue = text(65_535).custom((value: string, helpers) =>
  Buffer.byteLength(value) > 65_535
    ? helpers.message({ custom: '{{#label}} is longer than 65535 bytes' })
    : value,
);
const propertyName = text(255)
  .invalid('')
  .custom((value: string, helpers) =>
    isPrototypeName(value)
      ? helpers.message({ custom: `Property name '${value}' is not allowed` })
      : value,
  );
const property = Joi.array().ordered(propertyName.required(), propertyValue.allow(null).required());

const imageFields = {
  name: text(255).allow(null),
  visibility: Joi.string().valid(...VISIBILITIES),
  owner: text(255).allow(null),
  sizeBytes: bytes.allow(null),
  virtualSizeBytes: bytes.allow(null),
  diskFormat: text(20).allow(null),
  containerFormat: text(20).allow(null),
  checksum: text(32).allow(null),
  minDisk: Joi.number().integer().min(0).max(MAX_INT32),
  minRam: Joi.number().integer().min(0).max(MAX_INT32),
  protected: Joi.boolean(),
  hidden: Joi.boolean(),
};

export const beginUploadSchema = Joi.object<BeginUpload>({
  uploadId: uuid.required(),
  node: text(255).required(),
  failureStatus: Joi.string().valid('killed', 'queued').required(),
  expectedSizeBytes: bytes.allow(null).required(),
  storageQuotaBytes: bytes.allow(null).required(),
});

const externalLocation = Joi.object<ExternalLocation>({
  url: text(16_384).invalid('').required(),
  metadata: Joi.object().unknown(true).required(),
  sizeBytes: bytes.required(),
  storageQuotaBytes: bytes.allow(null).required(),
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
    properties: Joi.array().items(property),
    tags: Joi.array().items(text(255)),
  }).required(),
  upload: beginUploadSchema,
  location: externalLocation,
  copyFrom,
}).oxor('upload', 'location', 'copyFrom');

export const uploadHeartbeatSchema = Joi.object<UploadHeartbeat>({
  bytesReceived: bytes.required(),
  reserveBytes: bytes,
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
});

export const abandonUploadSchema = Joi.object<AbandonUpload>({
  reason: Joi.string().allow('').max(1024).required(),
  locationUrl: Joi.string().max(16_384).allow(null).required(),
  copy: Joi.string().valid('failed', 'failed_for_good', 'handed_back'),
});

export const claimCopySchema = Joi.object<ClaimCopy>({
  imageId: uuid,
  uploadId: uuid.required(),
  node: text(255).required(),
  storageQuotaBytes: bytes.allow(null).required(),
  maxAttempts: Joi.number().integer().min(1).max(1000).required(),
  retrySeconds: Joi.number().integer().min(1).max(86_400).required(),
});

export const updateImageSchema = Joi.object<UpdateImageRequest>({
  fields: Joi.object(imageFields),
  properties: Joi.object({
    set: Joi.array().items(property).required(),
    removeOthers: Joi.boolean(),
    keep: Joi.array().items(Joi.string()),
    remove: Joi.array().items(Joi.string()),
  }),
  tags: Joi.array().items(text(255)),
  ifStatus: Joi.array().items(status),
  location: externalLocation,
  copyFrom,
}).oxor('location', 'copyFrom');

export const beginDeletionSchema = Joi.object<BeginDeletion>({
  delayed: Joi.boolean().required(),
});

/** A project as it stands in a URL: dots alone would be taken for a relative path. */
const memberId = text(255)
  .invalid('', '.', '..')
  .custom((value: string, helpers) =>
    /\p{Surrogate}/u.test(value)
      ? helpers.message({ custom: '{{#label}} is not valid text' })
      : value,
  );
const memberQuota = Joi.number().integer().min(0).allow(null);

const memberSchema = Joi.object<{ memberId: string }>({ memberId: memberId.required() });

export const putMemberSchema = Joi.object<PutMember>({
  canShare: Joi.boolean(),
  memberQuota: memberQuota.required(),
});

export const replaceMembersSchema = Joi.object<ReplaceMembers>({
  members: Joi.array()
    .items(Joi.object({ memberId: memberId.required(), canShare: Joi.boolean() }))
    .max(5000)
    .required(),
  memberQuota: memberQuota.required(),
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

export const claimSweepSchema = Joi.object<ClaimSweep>({
  name: text(64).invalid('').required(),
  intervalSeconds: Joi.number().integer().min(1).max(MAX_INT32).required(),
});

const texts = Joi.array().items(Joi.string().allow('').max(255)).max(1000);
const timeCondition = Joi.object({
  operator: Joi.string()
    .valid(...TIME_OPERATORS)
    .required(),
  value: wireTime.required(),
});

export const imageListQuerySchema = Joi.object<ImageListQuery>({
  scope: Joi.string().valid('caller', 'all').required(),
  visibility: Joi.array().items(Joi.string().valid(...VISIBILITIES)),
  memberStatus: Joi.string()
    .valid(...MEMBER_STATUSES, 'all')
    .required(),
  deleted: Joi.valid(true, false, 'any').required(),
  hidden: Joi.boolean(),
  id: texts,
  name: texts,
  status: texts,
  containerFormat: texts,
  diskFormat: texts,
  owner: Joi.string().allow('').max(255),
  checksum: Joi.string().allow('').max(255),
  hashValue: Joi.string().allow('').max(255),
  minDisk: Joi.number().integer().min(0),
  minRam: Joi.number().integer().min(0),
  protected: Joi.boolean(),
  sizeMin: bytes,
  sizeMax: bytes,
  changesSince: wireTime,
  createdAt: timeCondition,
  updatedAt: timeCondition,
  properties: Joi.array().items(
    Joi.array().ordered(Joi.string().allow('').required(), Joi.string().allow('').required()),
  ),
  tags: texts,
  sort: Joi.array()
    .items(
      Joi.object({
        key: Joi.string()
          .valid(...IMAGE_SORT_KEYS)
          .required(),
        direction: Joi.string().valid('asc', 'desc').required(),
      }),
    )
    .required(),
  limit: Joi.number().integer().min(0).max(100_000).required(),
  marker: Joi.string().max(255),
});

export const identitySchema = Joi.object<Identity>({
  userId: Joi.string().allow(null, '').required(),
  projectId: Joi.string().allow(null, '').required(),
  roles: Joi.array().items(Joi.string().allow('')).required(),
  isAdmin: Joi.boolean().required(),
  readOnly: Joi.boolean().required(),
}).unknown(true);

/**
 * Checks a decoded body against a contract schema. Values are taken as they are (no conversion).
 * @throws DomainError `invalid_request` that names the first field at fault.
 */
export function checkAgainst<T>(schema: Joi.ObjectSchema<T>, value: unknown): T {
  const result = prepared(schema).validate(value);
  if (result.error) {
    throw new DomainError('invalid_request', result.error.message.replaceAll('"', "'"));
  }
  return result.value;
}

const preparedSchemas = new WeakMap<Joi.Schema, Joi.Schema>();

/** The schema with the rules of every check. Made once: joi copies the whole schema for it. */
function prepared<T>(schema: Joi.ObjectSchema<T>): Joi.ObjectSchema<T> {
  const known = preparedSchemas.get(schema) as Joi.ObjectSchema<T> | undefined;
  if (known) return known;
  const made = schema.required().prefs({ convert: false, abortEarly: true });
  preparedSchemas.set(schema, made);
  return made;
}

/** @throws DomainError `invalid_request` for an id that no member can have. */
export function checkMemberId(memberId: string): void {
  checkAgainst(memberSchema, { memberId });
}
