import type { ImageRecord } from '@glance/common';

/** An image as API v1 shows it: never a location, no tags, no visibility. */
export interface ImageView {
  id: string;
  name: string | null;
  status: string;
  size: number | null;
  virtual_size: number | null;
  disk_format: string | null;
  container_format: string | null;
  checksum: string | null;
  min_disk: number;
  min_ram: number;
  is_public: boolean;
  protected: boolean;
  owner: string | null;
  deleted: boolean;
  created_at: string;
  updated_at: string;
  deleted_at: string | null;
  properties: Record<string, string | null>;
}

export function imageView(image: ImageRecord): ImageView {
  return {
    id: image.id,
    name: image.name,
    status: image.status,
    size: image.sizeBytes,
    virtual_size: image.virtualSizeBytes,
    disk_format: image.diskFormat,
    container_format: image.containerFormat,
    checksum: image.checksum,
    min_disk: image.minDisk,
    min_ram: image.minRam,
    is_public: image.visibility === 'public',
    protected: image.protected,
    owner: image.owner,
    deleted: image.deleted,
    created_at: withMicroseconds(image.createdAt),
    updated_at: withMicroseconds(image.updatedAt),
    deleted_at: image.deletedAt === null ? null : withMicroseconds(image.deletedAt),
    properties: propertiesOf(image),
  };
}

/** The six keys of `GET /v1/images`. */
export function briefImageView(image: ImageRecord): unknown {
  return {
    id: image.id,
    name: image.name,
    size: image.sizeBytes,
    disk_format: image.diskFormat,
    container_format: image.containerFormat,
    checksum: image.checksum,
  };
}

/** Naive UTC with microseconds and no zone. */
function withMicroseconds(time: string): string {
  return `${time}.000000`;
}

/** Without a prototype, so that any name is data. */
function propertiesOf(image: ImageRecord): Record<string, string | null> {
  const properties = Object.create(null) as Record<string, string | null>;
  for (const [name, value] of image.properties) properties[name] = value;
  return properties;
}
