import {
  DomainError,
  isServiceProperty,
  invalidRequest,
  type ImageFields,
  type ImageProperty,
  type NewImage,
  type Visibility,
} from '@glance/common';
import { LINKS, isReservedName } from '../images/reserved-names';
import { refusalInDetail } from './error-view';
import type { ImageSchemas } from './schemas/image-schemas';

/** Refused after the checks that policies and quotas make (step 11); the hashes by recommendation. */
const READ_ONLY_FIELDS = [
  'size',
  'status',
  'checksum',
  'created_at',
  'updated_at',
  'virtual_size',
  'os_hash_algo',
  'os_hash_value',
];
const MAX_NAME_LENGTH = 255;

/** The body of a create request, decoded; what remains to be checked needs the caller. */
export interface NewImageBody {
  image: NewImage & { properties: ImageProperty[]; tags: string[] };
  /** Fields in the body that nobody may set. */
  readOnly: string[];
}

/**
 * Decodes `POST /v2/images` (api-v2 sheet §3, steps 2 to 4).
 * @throws DomainError `forbidden` for read-only and reserved names, `invalid_request`.
 */
export function parseNewImage(body: unknown, schemas: ImageSchemas): NewImageBody {
  if (Array.isArray(body)) throw invalidRequest('Unexpected body type. Expected list/dict.');
  const given = new Map(Object.entries(body as Record<string, unknown>));
  // Before anything else is looked at (step 2).
  for (const name of LINKS) if (given.has(name)) throw isReadOnly(name);
  schemas.checkImage(body);
  const properties: ImageProperty[] = [];
  for (const [name, value] of given) {
    if (schemas.isBase(name)) continue;
    checkPropertyName(name);
    if (isReservedProperty(name)) throw isReserved(name);
    properties.push([name, propertyText(value)]);
  }
  return {
    image: {
      ...imageFieldsOf(given),
      ...(given.has('id') ? { id: (given.get('id') as string).toLowerCase() } : {}),
      properties,
      tags: (given.get('tags') ?? []) as string[],
    },
    readOnly: [...READ_ONLY_FIELDS, 'locations'].filter((name) => given.has(name)),
  };
}

/** @throws DomainError `forbidden` for a field that a create request must not have (step 11). */
export function checkReadOnlyFields({ readOnly }: NewImageBody): void {
  for (const name of readOnly) throw name === 'locations' ? isReserved(name) : isReadOnly(name);
}

/** The fields of an image that its users set, from checked values under their public names. */
export function imageFieldsOf(given: ReadonlyMap<string, unknown>): ImageFields {
  const fields: ImageFields = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    if (given.has(name)) Object.assign(fields, { [field]: given.get(name) });
  }
  if (fields.owner === '') fields.owner = null;
  return fields;
}

/** The registry's names of the fields that users set. */
const FIELDS = {
  name: 'name',
  visibility: 'visibility',
  protected: 'protected',
  os_hidden: 'hidden',
  owner: 'owner',
  container_format: 'containerFormat',
  disk_format: 'diskFormat',
  min_ram: 'minRam',
  min_disk: 'minDisk',
} as const satisfies Record<string, keyof ImageFields>;

/** Stored as text, whatever a declared property's schema lets it be. */
export function propertyText(value: unknown): string | null {
  return value === null || typeof value === 'string' ? value : JSON.stringify(value);
}

/** @throws DomainError `invalid_request`. */
export function checkPropertyName(name: string): void {
  if (name.length > MAX_NAME_LENGTH) {
    throw invalidRequest(
      `Custom property can't be longer than ${MAX_NAME_LENGTH} characters: ${name.slice(0, 60)}...`,
    );
  }
}

export function isReservedProperty(name: string): boolean {
  return isReservedName(name) || isServiceProperty(name);
}

export function isReadOnly(name: string): DomainError {
  return new DomainError('forbidden', `Attribute '${name}' is read-only.`);
}

export function isReserved(name: string): DomainError {
  return refusalInDetail('forbidden', `Attribute '${name}' is reserved.`);
}

export function visibilityAction(
  visibility: Visibility | undefined,
): 'publicize_image' | 'communitize_image' | undefined {
  if (visibility === 'public') return 'publicize_image';
  return visibility === 'community' ? 'communitize_image' : undefined;
}
