import Joi from 'joi';
import { MEMBER_STATUSES, VISIBILITIES } from '../image';
import { IMAGE_SORT_KEYS, TIME_OPERATORS, type ImageListQuery } from './list-types';
import { bytes, wireTime } from './schema-parts';

const count = Joi.number().integer().min(0);
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
  hashAlgorithm: Joi.string().allow('').max(255),
  hashValue: Joi.string().allow('').max(255),
  minDisk: count,
  minRam: count,
  sizeBytes: bytes,
  virtualSizeBytes: bytes,
  protected: Joi.boolean(),
  sizeMin: bytes,
  sizeMax: bytes,
  virtualSizeMin: bytes,
  virtualSizeMax: bytes,
  minDiskMin: count,
  minDiskMax: count,
  minRamMin: count,
  minRamMax: count,
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
