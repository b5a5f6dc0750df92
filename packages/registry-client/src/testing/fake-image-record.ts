import type {
  Identity,
  ImageFields,
  ImageProperty,
  ImageRecord,
  NewImage,
  UpdateImageRequest,
} from '@glance/common';

export function newRecord(
  id: string,
  wanted: NewImage,
  now: string,
  identity: Identity,
): ImageRecord {
  const { properties = [], tags = [], status = 'queued', ...fields } = wanted;
  return {
    name: null,
    visibility: 'shared',
    owner: identity.projectId === '' ? null : identity.projectId,
    sizeBytes: null,
    virtualSizeBytes: null,
    diskFormat: null,
    containerFormat: null,
    checksum: null,
    hashAlgorithm: null,
    hashValue: null,
    minDisk: 0,
    minRam: 0,
    protected: false,
    hidden: false,
    ...allowedFields(fields, identity),
    id,
    status,
    deleted: false,
    createdAt: now,
    updatedAt: now,
    deletedAt: null,
    properties: [...new Map(properties.map((property) => [property[0], property])).values()],
    tags: [...new Set(tags)],
    locations: [],
  };
}

/** The owner is the admin's to choose; the empty owner is none (schema sheet 4.4). */
export function allowedFields({ owner, ...fields }: ImageFields, identity: Identity): ImageFields {
  if (owner === undefined || !identity.isAdmin) return fields;
  return { ...fields, owner: owner === '' ? null : owner };
}

export function changedProperties(
  current: readonly ImageProperty[],
  { set, removeOthers, keep, remove }: NonNullable<UpdateImageRequest['properties']>,
): ImageProperty[] {
  const changed = new Map(
    current
      .filter(([name]) => removeOthers !== true || keep?.includes(name) === true)
      .filter(([name]) => remove?.includes(name) !== true),
  );
  for (const [name, value] of set) changed.set(name, value);
  return [...changed];
}

/** A deactivated or deleted image shows its locations to admins only (registry sheet §3). */
export function present(record: ImageRecord, identity: Identity): ImageRecord {
  const hidesLocations = (record.deleted || record.status === 'deactivated') && !identity.isAdmin;
  return structuredClone(hidesLocations ? { ...record, locations: [] } : record);
}

export function markDeleted(record: ImageRecord, now: string): void {
  Object.assign(record, {
    deleted: true,
    deletedAt: now,
    updatedAt: now,
    properties: [],
    tags: [],
    locations: [],
  });
}
