import type { JsonSchema } from './image-schema';

/** Digests that a caller may announce, and how many hexadecimal digits each has. */
export const ANNOUNCED_HASHES: Readonly<Record<string, number>> = {
  sha1: 40,
  sha256: 64,
  sha512: 128,
  md5: 32,
};

/** The body of `POST /v2/images/{id}/locations` (api-v2 sheet §9.2). */
export const LOCATION_REQUEST_SCHEMA: JsonSchema = {
  name: 'location',
  type: 'object',
  properties: {
    url: { type: 'string' },
    validation_data: {
      type: 'object',
      additionalProperties: false,
      properties: {
        os_hash_algo: { type: 'string', enum: Object.keys(ANNOUNCED_HASHES) },
        os_hash_value: { type: 'string' },
      },
      dependencies: { os_hash_algo: ['os_hash_value'], os_hash_value: ['os_hash_algo'] },
    },
  },
  required: ['url'],
};
