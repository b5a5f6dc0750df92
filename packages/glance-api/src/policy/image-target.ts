import type { ImageRecord, Visibility } from '@glance/common';
import type { Caller } from '../auth/caller';
import type { PolicyTarget } from './check';

type ReadField = (image: ImageRecord) => unknown;

/** Every field of an image that rules may name, as API v2 names it; `is_public` and `deleted` are v1's. */
const FIELDS: ReadonlyMap<string, ReadField> = new Map<string, ReadField>([
  ['id', (image) => image.id],
  ['name', (image) => image.name],
  ['status', (image) => image.status],
  ['visibility', (image) => image.visibility],
  ['is_public', (image) => image.visibility === 'public'],
  ['owner', (image) => image.owner],
  ['project_id', (image) => image.owner],
  ['protected', (image) => image.protected],
  ['os_hidden', (image) => image.hidden],
  ['disk_format', (image) => image.diskFormat],
  ['container_format', (image) => image.containerFormat],
  ['min_disk', (image) => image.minDisk],
  ['min_ram', (image) => image.minRam],
  ['size', (image) => image.sizeBytes],
  ['virtual_size', (image) => image.virtualSizeBytes],
  ['checksum', (image) => image.checksum],
  ['os_hash_algo', (image) => image.hashAlgorithm],
  ['os_hash_value', (image) => image.hashValue],
  ['tags', (image) => image.tags],
  ['deleted', (image) => image.deleted],
  ['created_at', (image) => utc(image.createdAt)],
  ['updated_at', (image) => utc(image.updatedAt)],
  ['deleted_at', (image) => (image.deletedAt === null ? null : utc(image.deletedAt))],
]);

/**
 * An image as policy rules see it (api-v2 sheet §13.1): its fields, `project_id` for its owner, and
 * properties that are not named like a field. `member_id` is the caller's project when the image is
 * shared and somebody else's: who was shown such an image is a member. Nothing is copied, because a
 * list asks about each of its images.
 */
export function imageTarget(image: ImageRecord, caller: Caller): PolicyTarget {
  return new ImageTarget(image, memberOf(image, caller));
}

/** An image with one of its memberships; the rules about members know it as `member_id`. */
export function memberTarget(image: ImageRecord, memberId: string): PolicyTarget {
  return new ImageTarget(image, memberId);
}

/** An image that is to be made: nothing but whose it will be and who will see it. */
export function newImageTarget(
  { owner, visibility }: { owner: string | null; visibility: Visibility },
  caller: Caller,
): PolicyTarget {
  return new Map<string, unknown>([
    ['project_id', caller.projectId],
    ['owner', owner],
    ['visibility', visibility],
    ['is_public', visibility === 'public'],
  ]);
}

class ImageTarget implements PolicyTarget {
  constructor(
    private readonly image: ImageRecord,
    private readonly memberId: string | undefined,
  ) {}

  has(field: string): boolean {
    if (field === 'member_id') return this.memberId !== undefined;
    return FIELDS.has(field) || this.image.properties.some(([name]) => name === field);
  }

  get(field: string): unknown {
    if (field === 'member_id') return this.memberId;
    const read = FIELDS.get(field);
    if (read) return read(this.image);
    return this.image.properties.find(([name]) => name === field)?.[1];
  }
}

function memberOf(image: ImageRecord, { projectId }: Caller): string | undefined {
  if (image.visibility !== 'shared' || projectId === null) return undefined;
  return image.owner === projectId ? undefined : projectId;
}

function utc(time: string): string {
  return `${time}Z`;
}
