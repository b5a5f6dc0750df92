import {
  IMPORT_PROPERTIES,
  toWireTime,
  type ImageMember,
  type ImageRecord,
  type TaskRecord,
} from '@glance/common';

/**
 * Payloads of announcements, each a list of what may leave (api-v2 sheet §15, security sheet §8):
 * no location, because it may hold credentials, and no input of a task, for the same reason.
 */

export function imagePayload(image: ImageRecord): Record<string, unknown> {
  return {
    id: image.id,
    name: image.name,
    status: image.status,
    created_at: utc(image.createdAt),
    updated_at: utc(image.updatedAt),
    min_disk: image.minDisk,
    min_ram: image.minRam,
    protected: image.protected,
    checksum: image.checksum,
    owner: image.owner,
    disk_format: image.diskFormat,
    container_format: image.containerFormat,
    size: image.sizeBytes,
    virtual_size: image.virtualSizeBytes,
    is_public: image.visibility === 'public',
    visibility: image.visibility,
    properties: Object.fromEntries(image.properties),
    tags: image.tags,
    deleted: image.deleted,
    deleted_at: utc(image.deletedAt),
  };
}

/** An image whose data is on its way. */
export function transferPayload(
  image: ImageRecord,
  storeId: string | undefined,
): Record<string, unknown> {
  const storesIn = (name: string): string[] => {
    const value = image.properties.find(([each]) => each === name)?.[1] ?? '';
    return value.split(',').filter((each) => each !== '');
  };
  return {
    ...imagePayload(image),
    [IMPORT_PROPERTIES.importingTo]: storesIn(IMPORT_PROPERTIES.importingTo),
    [IMPORT_PROPERTIES.failed]: storesIn(IMPORT_PROPERTIES.failed),
    ...(storeId === undefined ? {} : { backend: storeId }),
  };
}

/** @param removed whether this is what the membership was. */
export function memberPayload(
  imageId: string,
  member: ImageMember,
  removed: boolean,
): Record<string, unknown> {
  return {
    image_id: imageId,
    member_id: member.memberId,
    can_share: member.canShare,
    status: member.status,
    created_at: utc(member.createdAt),
    updated_at: utc(member.updatedAt),
    deleted: removed,
    deleted_at: removed ? utc(toWireTime(new Date())) : null,
  };
}

export function taskPayload(task: TaskRecord): Record<string, unknown> {
  return {
    id: task.id,
    type: task.type,
    status: task.status,
    result: task.result,
    owner: task.owner,
    message: task.message,
    expires_at: utc(task.expiresAt),
    created_at: utc(task.createdAt),
    updated_at: utc(task.updatedAt),
    deleted: task.deleted,
    deleted_at: utc(task.deletedAt),
  };
}

function utc(at: string | null): string | null {
  return at === null ? null : `${at}Z`;
}
