import { STATUS_CODES } from 'node:http';
import { DEFAULT_CONTAINER_FORMATS, DEFAULT_DISK_FORMATS } from '@glance/common';
import { EXPLANATIONS } from '../http/error-page';
import { imageSchema, imagesSchema } from '../v2/schemas/image-schema';
import { MEMBER_SCHEMA } from '../v2/schemas/member-schema';
import { OLDER_CACHE_OPERATIONS } from './cache-operations';
import {
  BINARY,
  INTEGER,
  TEXT,
  json,
  object,
  renderOperation,
  statusesOf,
  type Method,
  type Operations,
} from './operation';
import { V1_OPERATIONS } from './v1-operations';
import { V2_OPERATIONS } from './v2-operations';

const TEXT_OR_NULL = { type: ['string', 'null'] };
const brief = {
  id: TEXT,
  name: TEXT_OR_NULL,
  size: { type: ['integer', 'null'] },
  disk_format: TEXT_OR_NULL,
  container_format: TEXT_OR_NULL,
  checksum: TEXT_OR_NULL,
};

function below(prefix: string, operations: Operations): Operations {
  return Object.fromEntries(
    Object.entries(operations).map(([path, methods]) => [`${prefix}${path}`, methods]),
  );
}

const versions = json('The versions', object({ versions: { type: 'array' } }));

/** Every operation of the public service, by path. */
export const PUBLIC_OPERATIONS: Operations = {
  '/': { get: { summary: 'The versions of the API', success: { 300: versions } } },
  '/versions': { get: { summary: 'The versions of the API', success: { 200: versions } } },
  ...below('/v2', V2_OPERATIONS),
  ...below('/v1', V1_OPERATIONS),
  ...below('/v1', OLDER_CACHE_OPERATIONS),
  ...below('/v2', OLDER_CACHE_OPERATIONS),
};

/** The OpenAPI 3.1 document of API v1 and v2 in their default configuration. */
export function openApiDocument(): unknown {
  const paths = Object.entries(PUBLIC_OPERATIONS).map(([path, methods]) => [
    path,
    Object.fromEntries(
      Object.entries(methods).map(([method, operation]) => [
        method,
        renderOperation(path, method as Method, operation),
      ]),
    ),
  ]);
  const refusals = new Set(
    Object.values(PUBLIC_OPERATIONS)
      .flatMap((methods) => Object.values(methods))
      .flatMap((operation) => statusesOf(operation))
      .filter((status) => status >= 400),
  );
  const formats = {
    diskFormats: DEFAULT_DISK_FORMATS,
    containerFormats: DEFAULT_CONTAINER_FORMATS,
  };
  const image = imageSchema(formats, { properties: {}, required: [] });
  return {
    openapi: '3.1.0',
    info: {
      title: 'Image service',
      version: '2.15',
      description:
        'API v2 and v1. The form of an error follows Accept: HTML where it is taken, else flat JSON, else text. Of a path that is there, other methods are 405 with Allow.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:9292' }],
    security: [{ token: [] }, {}],
    paths: Object.fromEntries(paths) as unknown,
    components: {
      securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' } },
      responses: Object.fromEntries(
        [...refusals].sort().map((status) => [
          String(status),
          {
            description: EXPLANATIONS[status] ?? STATUS_CODES[status] ?? 'Refused',
            content: {
              'text/html': { schema: TEXT },
              'application/json': { schema: { $ref: '#/components/schemas/Error' } },
              'text/plain': { schema: TEXT },
            },
          },
        ]),
      ),
      schemas: {
        Error: object({ message: TEXT, code: TEXT, title: TEXT }, ['message', 'code', 'title']),
        Image: { type: 'object', ...image },
        Images: {
          type: 'object',
          ...imagesSchema({ $ref: '#/components/schemas/Image' }),
        },
        Member: { type: 'object', ...MEMBER_SCHEMA },
        UploadForm: object({ file: BINARY }, ['file']),
        BriefImageV1: object(brief),
        ImageV1: object({
          ...brief,
          status: TEXT,
          virtual_size: { type: ['integer', 'null'] },
          min_disk: INTEGER,
          min_ram: INTEGER,
          is_public: { type: 'boolean' },
          protected: { type: 'boolean' },
          owner: TEXT_OR_NULL,
          deleted: { type: 'boolean' },
          created_at: TEXT,
          updated_at: TEXT,
          deleted_at: TEXT_OR_NULL,
          properties: { type: 'object', additionalProperties: TEXT_OR_NULL },
        }),
        MemberV1: object({ member_id: TEXT, can_share: { type: 'boolean' } }, ['member_id']),
      },
    },
  };
}
