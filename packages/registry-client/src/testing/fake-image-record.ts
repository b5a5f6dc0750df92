import {
  DomainError,
  isServiceProperty,
  type Identity,
  type ImageFields,
  type ImageProperty,
  type ImageRecord,
  type NewImage,
  type UpdateImageRequest,
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

/** @throws DomainError `conflict`, `quota_exceeded` as `Registry.updateImage` */
export function changedProperties(
  { id, properties: current }: ImageRecord,
  change: NonNullable<UpdateImageRequest['properties']>,
  quota: number | null = null,
): ImageProperty[] {
  const { set, removeOthers, keep, remove, createOnly = [], mustExist = [] } = change;
  const before = new Map(current);
  const present = createOnly.find((name) => before.has(name));
  const absent = mustExist.find((name) => !before.has(name));
  if (present !== undefined) throw propertyConflict(id, present, 'already present');
  if (absent !== undefined) throw propertyConflict(id, absent, 'does not exist');
  const after = new Map(
    current
      .filter(
        ([name]) =>
          removeOthers !== true || keep?.includes(name) === true || isServiceProperty(name),
      )
      .filter(([name]) => remove?.includes(name) !== true),
  );
  for (const [name, value] of set) after.set(name, value);
  const counted = [...after.keys()].filter((name) => !isServiceProperty(name));
  if (counted.some((name) => !before.has(name))) {
    checkQuotaOf('image properties', counted.length, quota);
  }
  return [...after];
}

function propertyConflict(imageId: string, property: string, how: string): DomainError {
  return new DomainError('conflict', `Property ${property} ${how}.`, {
    details: { imageId, property },
  });
}

/** @throws DomainError `not_found`, `quota_exceeded` as `Registry.updateImage` */
export function changedTags(
  { tags: current }: ImageRecord,
  { tags, addTags = [], removeTags = [], tagQuota = null }: UpdateImageRequest,
): string[] {
  if (tags) return [...new Set(tags)];
  const absent = removeTags.find((tag) => !current.includes(tag));
  if (absent !== undefined) throw new DomainError('not_found', `Tag ${absent} is not there.`);
  const after = new Set(current.filter((tag) => !removeTags.includes(tag)));
  for (const tag of addTags) after.add(tag);
  if (addTags.some((tag) => !current.includes(tag))) {
    checkQuotaOf('image tags', after.size, tagQuota);
  }
  return [...after];
}

function checkQuotaOf(what: string, attempted: number, maximum: number | null): void {
  if (maximum === null || attempted <= maximum) return;
  throw new DomainError(
    'quota_exceeded',
    `The limit has been exceeded on the number of allowed ${what}. Attempted: ${attempted}, Maximum: ${maximum}`,
    { details: { attempted, maximum } },
  );
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
