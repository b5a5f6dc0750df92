import {
  hasFourByteCharacter,
  type ImageFields,
  type ImageLocation,
  type ImageProperty,
  type ImageRecord,
  type ImageStatus,
  type Visibility,
} from '@glance/common';
import { sqlText } from '../db/sql';
import { toNumber, toNumberOrNull, toWireTime } from '../db/values';

type Integer = number | string;

/** A row of `images` as both databases give it. */
export interface ImageRow {
  id: string;
  name: string | null;
  size: Integer | null;
  virtual_size: Integer | null;
  status: ImageStatus;
  visibility: Visibility;
  owner: string | null;
  disk_format: string | null;
  container_format: string | null;
  checksum: string | null;
  os_hash_algo: string | null;
  os_hash_value: string | null;
  min_disk: number;
  min_ram: number;
  protected: number;
  os_hidden: number;
  deleted: number;
  created_at: string;
  updated_at: string | null;
  deleted_at: string | null;
}

const COLUMN_NAMES = [
  'id',
  'name',
  'size',
  'virtual_size',
  'status',
  'visibility',
  'owner',
  'disk_format',
  'container_format',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'min_disk',
  'min_ram',
  'protected',
  'os_hidden',
  'deleted',
  'created_at',
  'updated_at',
  'deleted_at',
] as const satisfies readonly (keyof ImageRow)[];

/** The columns of an {@link ImageRow}, for a SELECT from `images`. */
export const IMAGE_COLUMNS = sqlText(COLUMN_NAMES.map((name) => `images.${name}`).join(', '));

/** Those columns where there is no image, for a union. */
export const NO_IMAGE_COLUMNS = sqlText(COLUMN_NAMES.map(() => 'NULL').join(', '));

const MAX_ID_LENGTH = 36;

/** Longer ids are not found without a query (schema sheet §5.1), nor what no column can hold. */
export function isPossibleId(id: string): boolean {
  return id.length <= MAX_ID_LENGTH && !hasFourByteCharacter(id);
}

/** Children of an image, each in the order in which they were added. */
export interface ImageChildren {
  properties: ImageProperty[];
  tags: string[];
  locations: ImageLocation[];
}

export function noChildren(): ImageChildren {
  return { properties: [], tags: [], locations: [] };
}

export function toImageRecord(row: ImageRow, children: ImageChildren): ImageRecord {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    visibility: row.visibility,
    owner: row.owner,
    sizeBytes: toNumberOrNull(row.size),
    virtualSizeBytes: toNumberOrNull(row.virtual_size),
    diskFormat: row.disk_format,
    containerFormat: row.container_format,
    checksum: row.checksum,
    hashAlgorithm: row.os_hash_algo,
    hashValue: row.os_hash_value,
    minDisk: toNumber(row.min_disk),
    minRam: toNumber(row.min_ram),
    protected: row.protected !== 0,
    hidden: row.os_hidden !== 0,
    deleted: row.deleted !== 0,
    createdAt: toWireTime(row.created_at),
    // Rows of old releases may have none.
    updatedAt: toWireTime(row.updated_at ?? row.created_at),
    deletedAt: row.deleted_at === null ? null : toWireTime(row.deleted_at),
    ...(row.deleted === 0 ? liveChildren(children) : remains(children)),
  };
}

function liveChildren(children: ImageChildren): ImageChildren {
  return { ...children, locations: withStatus(children, 'active') };
}

/**
 * What is left of a deleted image: the data that somebody has to remove. Properties and tags are
 * kept while the deletion may still be taken back, but nobody sees them.
 */
function remains(children: ImageChildren): ImageChildren {
  return { ...noChildren(), locations: withStatus(children, 'pending_delete') };
}

function withStatus(
  { locations }: ImageChildren,
  status: ImageLocation['status'],
): ImageLocation[] {
  return locations.filter((location) => location.status === status);
}

/** Columns of `images` that a caller may set; an absent field stays absent. */
export function toImageColumns(fields: ImageFields): Record<string, string | number | null> {
  const columns: Record<string, string | number | null> = {};
  const put = (column: string, value: string | number | boolean | null | undefined): void => {
    if (value !== undefined) columns[column] = typeof value === 'boolean' ? Number(value) : value;
  };
  put('name', fields.name);
  put('visibility', fields.visibility);
  put('owner', fields.owner === '' ? null : fields.owner);
  put('size', fields.sizeBytes);
  put('virtual_size', fields.virtualSizeBytes);
  put('disk_format', fields.diskFormat);
  put('container_format', fields.containerFormat);
  put('checksum', fields.checksum);
  put('min_disk', fields.minDisk);
  put('min_ram', fields.minRam);
  put('protected', fields.protected);
  put('os_hidden', fields.hidden);
  return columns;
}

/** Metadata of a location. `backend` is what `store` was called before Train (schema sheet §3). */
export function toLocationMetadata(text: string | null): Record<string, unknown> {
  const parsed = text === null ? null : parseObject(text);
  if (parsed === null) return {};
  const { backend, ...metadata } = parsed;
  if (backend === undefined || metadata['store'] !== undefined) return parsed;
  return { ...metadata, store: backend };
}

/** Null for what is no JSON object: one spoilt row must not take a whole list away. */
function parseObject(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown> | null)
      : null;
  } catch {
    return null;
  }
}
