import {
  checkCountQuota,
  DomainError,
  type ImageFields,
  type ImageProperty,
  type ImageRecord,
  type ImageStatus,
  type UpdateImageRequest,
} from '@glance/common';
import type { Caller } from '../../auth/caller';
import type { PropertyAccess } from '../../policy/property-access';
import { refusalInDetail } from '../error-view';
import { imageFieldsOf, propertyText } from '../new-image';
import type { ImageSchemas } from '../schemas/image-schemas';
import type { ImagePatch, PatchDialect, PatchOperation } from './parse-patch';

const FORMAT_STATUSES: ImageStatus[] = ['queued', 'importing'];

export interface PatchContext {
  caller: Caller;
  dialect: PatchDialect;
  schemas: ImageSchemas;
  properties: PropertyAccess;
  /** Null for no limit. */
  tagQuota: number | null;
  /** Null for no limit. */
  propertyQuota: number | null;
}

/**
 * What a patch makes of an image but its locations, operation by operation (api-v2 sheet 4.4), as one
 * request that
 * the registry carries out as a whole or not at all. It says by name what it expects to be there, so
 * that a change made by somebody else meanwhile is not undone.
 * @throws DomainError `conflict` for a property that is there or is not, `forbidden`,
 * `quota_exceeded`.
 */
export function planPatch(
  image: ImageRecord,
  patch: ImagePatch,
  context: PatchContext,
): UpdateImageRequest {
  const fields = new Map<string, unknown>();
  const properties = new PropertyChanges(image, context);
  for (const operation of patch) {
    if (operation.name === 'locations') continue;
    if (context.schemas.isBase(operation.name)) applyToField(operation, image, context, fields);
    else properties.apply(operation);
  }
  const tags = fields.get('tags') as string[] | undefined;
  const changesFormat = fields.has('disk_format') || fields.has('container_format');
  return {
    fields: imageFieldsOf(fields) satisfies ImageFields,
    properties: properties.changes(),
    propertyQuota: context.propertyQuota,
    ...(tags === undefined ? {} : { tags: [...new Set(tags)] }),
    ...(changesFormat ? { ifStatus: FORMAT_STATUSES } : {}),
  };
}

function applyToField(
  { op, name, value }: PatchOperation,
  image: ImageRecord,
  { caller, dialect, tagQuota }: PatchContext,
  fields: Map<string, unknown>,
): void {
  if (op === 'remove') {
    throw refusalInDetail('forbidden', `Property ${name} may not be removed.`);
  }
  if (op === 'add' && dialect === '2.0') throw isPresent(name);
  if (name === 'owner' && !caller.isAdmin) {
    throw refusalInDetail('forbidden', 'Owner of an image can only be changed by an admin.');
  }
  if (/_format$/.test(name) && !FORMAT_STATUSES.includes(image.status)) {
    throw new DomainError(
      'forbidden',
      `Attribute ${name} can be only replaced for a queued image.`,
    );
  }
  if (name === 'tags') {
    checkCountQuota('image tags', (value as string[]).length, tagQuota);
  }
  fields.set(name, value);
}

/** The custom properties of an image while a patch is applied. */
class PropertyChanges {
  /** What the caller may read: the rest is to him as if it did not exist, and stays. */
  private readonly stored: ReadonlyMap<string, string | null>;
  private readonly current: Map<string, string | null>;
  private readonly unreadable: readonly ImageProperty[];
  private readonly mustExist = new Set<string>();
  private readonly createOnly = new Set<string>();

  constructor(
    image: ImageRecord,
    private readonly context: PatchContext,
  ) {
    const { properties } = context.properties.readable(image, context.caller);
    this.stored = new Map(properties);
    this.current = new Map(properties);
    this.unreadable = image.properties.filter(([name]) => !this.stored.has(name));
  }

  apply({ op, name, value }: PatchOperation): void {
    const { caller, dialect, properties } = this.context;
    const isThere = this.current.has(name);
    if (op === 'add') {
      if (isThere && dialect === '2.0') throw isPresent(name);
      if (this.isNew(name) && (dialect === '2.0' || properties.areProtected)) {
        // Somebody else's property of the name is not overwritten by the right to create one.
        this.createOnly.add(name);
      }
    } else if (!isThere) {
      throw refusalInDetail('conflict', `Property ${name} does not exist.`);
    } else if (this.stored.has(name)) {
      this.mustExist.add(name);
    }
    if (op === 'remove') {
      properties.checkRemove(name, caller);
      this.current.delete(name);
    } else {
      const text = propertyText(value);
      properties.checkSet([name, text], [...this.current, ...this.unreadable], caller);
      this.current.set(name, text);
    }
  }

  private isNew(name: string): boolean {
    return !this.stored.has(name) && !this.unreadable.some(([each]) => each === name);
  }

  changes(): NonNullable<UpdateImageRequest['properties']> {
    const set = [...this.current].filter(
      ([name, value]) => !this.stored.has(name) || this.stored.get(name) !== value,
    );
    const remove = [...this.stored.keys()].filter((name) => !this.current.has(name));
    const written = new Set([...set.map(([name]) => name), ...remove]);
    return {
      set,
      remove,
      mustExist: [...this.mustExist].filter((name) => written.has(name)),
      createOnly: [...this.createOnly].filter((name) => written.has(name)),
    };
  }
}

function isPresent(name: string): DomainError {
  return refusalInDetail('conflict', `Property ${name} already present.`);
}
