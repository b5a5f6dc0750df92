import {
  DomainError,
  MAX_INT32,
  hasFourByteCharacter,
  invalidRequest,
  isPrototypeName,
  isServiceProperty,
  parseIso8601,
  toCanonicalUuid,
  type ImageProperty,
  type ImageRecord,
} from '@glance/common';
import { encodeHeaderValue, isTrueText } from '../http/header-value';
import { looksLikeService } from '../images/reserved-names';
import { imageView } from './image-view';

const META_PREFIX = 'x-image-meta-';
const PROPERTY_PREFIX = 'x-image-meta-property-';
const MAX_PROPERTY_BYTES = 65_535;

/** The metadata of a v1 request. Absent means that the header was not sent. */
export interface ImageMeta {
  id?: string;
  name?: string | null;
  diskFormat?: string;
  containerFormat?: string;
  sizeBytes?: number;
  virtualSizeBytes?: number | null;
  checksum?: string | null;
  minDisk?: number;
  minRam?: number;
  isPublic?: boolean;
  protected?: boolean;
  owner?: string | null;
  status?: string;
  /** An external source; empty text when the header was empty. */
  location?: string;
  store?: string;
  properties: ImageProperty[];
}

export interface FormatRules {
  diskFormats: readonly string[];
  containerFormats: readonly string[];
}

/**
 * Decodes `x-image-meta-*` (api-v1 sheet 2.2).
 * @param rawHeaders names and values in turn, as Node's `rawHeaders`.
 * @throws DomainError `invalid_request` in upstream's words.
 */
export function parseImageMeta(rawHeaders: readonly string[], formats: FormatRules): ImageMeta {
  const fields = new Map<string, string | null>();
  const properties = new Map<string, string | null>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = (rawHeaders[index] as string).toLowerCase();
    if (!header.startsWith(META_PREFIX)) continue;
    const text = decodeUtf8(rawHeaders[index + 1] as string, header);
    const value = text === '' ? null : text;
    const isProperty = header.startsWith(PROPERTY_PREFIX);
    const name = header
      .slice(isProperty ? PROPERTY_PREFIX.length : META_PREFIX.length)
      .replaceAll('-', '_');
    const target = isProperty ? properties : fields;
    if (isProperty) checkProperty(name, value);
    else if (!KNOWN_FIELDS.has(name)) throw invalidRequest(`Bad header: ${printable(header)}`);
    if (target.has(name)) {
      throw invalidRequest(`The header ${printable(header)} is given more than once`);
    }
    target.set(name, value);
  }
  return toImageMeta(fields, [...properties], formats);
}

const KNOWN_FIELDS = new Set([
  'checksum',
  'container_format',
  'copy_from',
  'created_at',
  'deleted',
  'deleted_at',
  'disk_format',
  'id',
  'is_public',
  'location',
  'min_disk',
  'min_ram',
  'name',
  'owner',
  'protected',
  'size',
  'status',
  'store',
  'updated_at',
  'uri',
  'virtual_size',
]);

function toImageMeta(
  fields: ReadonlyMap<string, string | null>,
  properties: ImageProperty[],
  formats: FormatRules,
): ImageMeta {
  const meta: ImageMeta = { properties };
  const when = (name: string, use: (value: string | null) => void): void => {
    const value = fields.get(name);
    if (value !== undefined) use(value);
  };
  // In upstream's order: integers, formats, times, lengths.
  when('size', (value) => (meta.sizeBytes = integer('size', value)));
  when('virtual_size', (value) => {
    meta.virtualSizeBytes = value === 'None' ? null : integer('virtual_size', value);
  });
  when('min_disk', (value) => (meta.minDisk = integer('min_disk', value, MAX_INT32)));
  when('min_ram', (value) => (meta.minRam = integer('min_ram', value, MAX_INT32)));
  readFormats(meta, fields, formats);
  for (const name of ['created_at', 'updated_at', 'deleted_at']) {
    when(name, (value) => {
      if (value !== null && !parseIso8601(value)) {
        throw invalidRequest(`Invalid time format for ${name}.`);
      }
    });
  }
  when('name', (value) => {
    if (value !== null && value.length > 255) {
      throw invalidRequest(`Image name too long: ${value.length}`);
    }
    meta.name = value;
  });
  when('checksum', (value) => {
    if (value !== null && value.length > 32) throw invalidRequest(`Invalid checksum '${value}'`);
    meta.checksum = value;
  });
  when('id', (value) => {
    const id = toCanonicalUuid(value ?? '');
    if (id === undefined) throw invalidRequest('Invalid image id format');
    meta.id = id;
  });
  when('is_public', (value) => (meta.isPublic = isTrueText(value)));
  when('protected', (value) => (meta.protected = isTrueText(value)));
  when('owner', (value) => {
    if (value !== null && value.length > 255) throw invalidRequest('Image owner too long');
    meta.owner = value;
  });
  when('status', (value) => {
    if (value !== null) meta.status = value;
  });
  when('location', (value) => (meta.location = value ?? ''));
  when('store', (value) => {
    if (value !== null) meta.store = value;
  });
  return meta;
}

const AMAZON_FORMATS = ['ami', 'ari', 'aki'];

/** Sheet §5: one of ami, ari, aki names the other format as well. */
function readFormats(
  meta: ImageMeta,
  fields: ReadonlyMap<string, string | null>,
  formats: FormatRules,
): void {
  const disk = fields.get('disk_format');
  const container = fields.get('container_format');
  if (disk !== undefined && (disk === null || !formats.diskFormats.includes(disk))) {
    throw invalidRequest(`Invalid disk format '${disk ?? ''}' for image.`);
  }
  if (
    container !== undefined &&
    (container === null || !formats.containerFormats.includes(container))
  ) {
    throw invalidRequest(`Invalid container format '${container ?? ''}' for image.`);
  }
  const amazon = [disk, container].find((each) => AMAZON_FORMATS.includes(each ?? ''));
  const chosenDisk = disk ?? amazon;
  const chosenContainer = container ?? amazon;
  if (typeof chosenDisk === 'string') meta.diskFormat = chosenDisk;
  if (typeof chosenContainer === 'string') meta.containerFormat = chosenContainer;
  checkFormatMix(meta.diskFormat, meta.containerFormat);
}

/** @throws DomainError when only one of the two is one of Amazon's, or they are different ones. */
export function checkFormatMix(disk: string | undefined, container: string | undefined): void {
  const amazon = [disk, container].some((each) => AMAZON_FORMATS.includes(each ?? ''));
  if (amazon && disk !== undefined && container !== undefined && disk !== container) {
    throw invalidRequest(
      "Invalid mix of disk and container formats. When setting a disk or container format to one of 'aki', 'ari', or 'ami', the container and disk formats must match.",
    );
  }
}

const MAX_BIGINT = Number.MAX_SAFE_INTEGER;

function integer(name: string, value: string | null, max = MAX_BIGINT): number {
  const text = value ?? '';
  const bad = (why: string): DomainError =>
    invalidRequest(`Invalid value '${printable(text)}' for parameter '${name}': ${why}`);
  if (!/^\s*[+-]?\d+\s*$/.test(text)) {
    throw bad(`Cannot convert image ${name} '${printable(text)}' to an integer.`);
  }
  const number = Number(text);
  if (number < 0) throw bad('Cannot be a negative value.');
  if (number > max) throw bad(`'${name}' value out of range (not exceeding ${max}).`);
  return number;
}

function checkProperty(name: string, value: string | null): void {
  if (name === '') throw invalidRequest('A property header needs a name');
  if (isServiceProperty(name) || looksLikeService(name)) {
    throw new DomainError('forbidden', `Property '${printable(name)}' is reserved`);
  }
  if (isPrototypeName(name)) throw invalidRequest(`Property name '${name}' is not allowed`);
  if (name.length > 255) throw invalidRequest('Property name too long');
  if (value !== null && Buffer.byteLength(value) > MAX_PROPERTY_BYTES) {
    throw invalidRequest(`The value of property '${name}' is longer than 65535 bytes`);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Node reads header bytes as latin1; on the wire they are UTF-8. */
function decodeUtf8(value: string, header: string): string {
  let text: string;
  try {
    text = utf8.decode(Buffer.from(value, 'latin1'));
  } catch (error) {
    throw new DomainError('invalid_request', `The header ${printable(header)} is not valid UTF-8`, {
      cause: error,
    });
  }
  if (hasFourByteCharacter(text)) {
    throw invalidRequest(`${printable(header)} can't contain 4 byte unicode characters.`);
  }
  return text;
}

function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are not repeated to anybody
  return text.slice(0, 300).replace(/[\u0000-\u001f\u007f]/g, '?');
}

/** The headers of a HEAD or GET answer: every field that is not null, and the properties. */
export function imageMetaHeaders(image: ImageRecord): Record<string, string> {
  const headers: Record<string, string> = {};
  const { properties, ...fields } = imageView(image);
  for (const [name, value] of Object.entries<string | number | boolean | null>(fields)) {
    if (value === null) continue;
    headers[`${META_PREFIX}${name}`] =
      typeof value === 'boolean' ? (value ? 'True' : 'False') : encodeHeaderValue(String(value));
  }
  for (const [name, value] of Object.entries(properties)) {
    if (value === null) continue;
    headers[`${PROPERTY_PREFIX}${encodeHeaderName(name.toLowerCase())}`] = encodeHeaderValue(value);
  }
  if (image.checksum !== null) headers['ETag'] = encodeHeaderValue(image.checksum);
  return headers;
}

/** Node sends only RFC 9110 tokens as names: other characters are percent-encoded. */
function encodeHeaderName(name: string): string {
  return name.replace(/[^!#$&'*+\-.^_`|~0-9a-z]+/g, (characters) =>
    Buffer.from(characters).toString('hex').replace(/../g, '%$&'),
  );
}
