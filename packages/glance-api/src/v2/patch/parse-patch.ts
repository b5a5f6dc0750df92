import { DomainError, invalidRequest } from '@glance/common';
import { checkPropertyName, isReadOnly, isReserved, isReservedProperty } from '../new-image';
import type { ImageSchemas } from '../schemas/image-schemas';
import { parsePointer } from './json-pointer';

const MEDIA_TYPES = {
  'application/openstack-images-v2.0-json-patch': '2.0',
  'application/openstack-images-v2.1-json-patch': '2.1',
} as const;
export type PatchDialect = (typeof MEDIA_TYPES)[keyof typeof MEDIA_TYPES];

export const PATCH_MEDIA_TYPES = Object.keys(MEDIA_TYPES).join(', ');

const OPERATIONS = ['add', 'remove', 'replace'] as const;
type OperationName = (typeof OPERATIONS)[number];

/** One step of a patch; `value` of a removal is undefined. */
export interface PatchOperation {
  op: OperationName;
  /** The field or property. */
  name: string;
  /** Of `/locations/…`: a position, or `-`. */
  position: string | undefined;
  value: unknown;
}

export type ImagePatch = readonly PatchOperation[];

const READ_ONLY: ReadonlySet<string> = new Set([
  'created_at',
  'updated_at',
  'status',
  'checksum',
  'size',
  'virtual_size',
  'direct_url',
  'self',
  'file',
  'schema',
  'stores',
  'id',
  'os_hash_algo',
  'os_hash_value',
]);

/**
 * The dialect that a request's content type names, whatever its parameters (api-v2 sheet 4.1).
 * @throws DomainError `unsupported_media_type`.
 */
export function patchDialect(contentType: string | undefined): PatchDialect {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const dialect = Object.entries(MEDIA_TYPES).find(([name]) => name === type)?.[1];
  if (dialect !== undefined) return dialect;
  throw new DomainError(
    'unsupported_media_type',
    `The request media type ${type === '' ? 'None' : type.slice(0, 100)} is not supported by this server: it must be one of ${PATCH_MEDIA_TYPES}`,
    { details: { inDetail: true } },
  );
}

/**
 * Decodes and checks a whole patch before the image is looked at (api-v2 sheet 4.2).
 * @throws DomainError of the first operation at fault: `invalid_request`, or `forbidden` for names
 * that nobody may change.
 */
export function parsePatch(
  body: unknown,
  dialect: PatchDialect,
  schemas: ImageSchemas,
): ImagePatch {
  if (!Array.isArray(body))
    throw invalidRequest('Request body must be a JSON array of operation objects.');
  return body.map((each: unknown) => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) {
      throw invalidRequest('Operations must be JSON objects.');
    }
    const change = each as Readonly<Record<string, unknown>>;
    const { op, path } = dialect === '2.1' ? currentForm(change) : firstForm(change);
    return checked(operation(op, path, change), schemas);
  });
}

/** `{"op": "add", "path": P, "value": V}` */
function currentForm(change: Readonly<Record<string, unknown>>): {
  op: OperationName;
  path: string;
} {
  const op = OPERATIONS.find((name) => name === change['op']);
  if (op === undefined) {
    throw invalidRequest(`Operations must be one of: ${OPERATIONS.join(', ')}.`);
  }
  return { op, path: pathOf(change['path'], 'path') };
}

/** `{"add": P, "value": V}` */
function firstForm(change: Readonly<Record<string, unknown>>): { op: OperationName; path: string } {
  const named = OPERATIONS.filter((name) => Object.hasOwn(change, name));
  const [op] = named;
  if (op === undefined || named.length > 1) {
    throw invalidRequest(
      `Operation objects must contain exactly one of: ${OPERATIONS.join(', ')}.`,
    );
  }
  return { op, path: pathOf(change[op], op) };
}

function pathOf(path: unknown, member: string): string {
  if (typeof path === 'string') return path;
  throw invalidRequest(`Operation objects must contain a member "${member}" with a JSON pointer.`);
}

function operation(
  op: OperationName,
  path: string,
  change: Readonly<Record<string, unknown>>,
): PatchOperation {
  if (op !== 'remove' && !Object.hasOwn(change, 'value')) {
    throw invalidRequest(`Operation "${op}" requires a member named "value".`);
  }
  const [name = '', position, ...rest] = parsePointer(path);
  const depth = name === 'locations' && op !== 'replace' ? 2 : 1;
  if (rest.length > 0 || (depth === 2) !== (position !== undefined)) {
    throw invalidRequest(`Invalid JSON pointer for this resource: '${path.slice(0, 300)}'`);
  }
  return { op, name, position, value: op === 'remove' ? undefined : change['value'] };
}

function checked(each: PatchOperation, schemas: ImageSchemas): PatchOperation {
  const { op, name, position, value } = each;
  if (READ_ONLY.has(name)) throw isReadOnly(name);
  if (isReservedProperty(name)) throw isReserved(name);
  if (op === 'remove') return each;
  if (!schemas.isBase(name)) checkPropertyName(name);
  schemas.checkPart({ [name]: position === undefined ? value : [value] });
  return each;
}
