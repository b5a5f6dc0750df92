import {
  DomainError,
  isServiceProperty,
  type ImageProperty,
  type ImageRecord,
  type UpdateImageRequest,
} from '@glance/common';
import type { Caller } from '../auth/caller';
import type { PropertyProtections } from './property-protections';

/** In what the versions of the API differ (api-v1 sheet §8, api-v2 sheet §13.6). */
export interface PropertyManners {
  refusal(name: string): DomainError;
  /** Whether sending the value that is stored counts as an update. */
  unchangedIsUpdate: boolean;
  /** Whether a property that the caller may not read is to him as if it did not exist. */
  unreadableIsAbsent: boolean;
}

export const V1_PROPERTY_MANNERS: PropertyManners = {
  refusal: (name) => isProtected(name, `Property '${name}' is protected`),
  unchangedIsUpdate: false,
  unreadableIsAbsent: false,
};

export const V2_PROPERTY_MANNERS: PropertyManners = {
  refusal: (name) => isProtected(name, `Attribute '${name}' is reserved.`),
  unchangedIsUpdate: true,
  unreadableIsAbsent: true,
};

/**
 * What property protections mean for the routes of one version of the API. Requests to the registry
 * name what they set and remove, so that properties which the caller may not read are kept.
 */
export class PropertyAccess {
  constructor(
    private readonly protections: PropertyProtections,
    private readonly manners: PropertyManners,
  ) {}

  /** @throws DomainError `forbidden`. */
  checkCreate(properties: readonly ImageProperty[], caller: Caller): void {
    for (const [name] of properties) this.check('create', name, caller);
  }

  /**
   * Whether the caller may have the property, of a new or a known name, set to the value.
   * @param stored all properties of the image.
   * @throws DomainError `forbidden`.
   */
  checkSet([name, value]: ImageProperty, stored: readonly ImageProperty[], caller: Caller): void {
    // Databases take names that differ in case or accents for the same one, and overwrite it.
    const existing = stored.filter(([each]) => each === name || folded(each) === folded(name));
    if (!existing.some(([each]) => each === name)) this.check('create', name, caller);
    for (const [each, current] of existing) {
      const isUpdate = current !== value || this.manners.unchangedIsUpdate;
      if (this.mayRead(each, caller)) {
        if (isUpdate) this.check('update', each, caller);
      } else if (this.manners.unreadableIsAbsent) {
        this.check('create', each, caller);
      } else {
        throw this.manners.refusal(each);
      }
    }
  }

  /** Whether the caller may remove a property that he may read. @throws DomainError `forbidden`. */
  checkRemove(name: string, caller: Caller): void {
    this.check('delete', name, caller);
  }

  mayRead(name: string, caller: Caller): boolean {
    return this.protections.permits('read', name, caller);
  }

  /** False where there are no protections: everybody may do everything. */
  get areProtected(): boolean {
    return this.protections.enabled;
  }

  /**
   * Whether a list may be asked for images with these properties: what the caller may not read is
   * not to be found out by filters (security sheet §1, OSSN-0013).
   */
  mayFilterBy(filters: readonly ImageProperty[], caller: Caller): boolean {
    return filters.every(([name]) => this.mayRead(name, caller));
  }

  /**
   * Whether what filters have found is the caller's to find: databases compare names without case
   * and accents, protections do not.
   */
  mayBeFound(
    { properties }: ImageRecord,
    filters: readonly ImageProperty[],
    caller: Caller,
  ): boolean {
    if (!this.protections.enabled) return true;
    return filters.every(([name]) =>
      properties.some(([each]) => folded(each) === folded(name) && this.mayRead(each, caller)),
    );
  }

  /** The image without the properties that the caller may not read. */
  readable(image: ImageRecord, caller: Caller): ImageRecord {
    if (!this.protections.enabled) return image;
    const properties = image.properties.filter(([name]) => this.mayRead(name, caller));
    return { ...image, properties };
  }

  /**
   * What an update does to the properties of an image. One that the caller may not read is kept.
   * @param purge removes the properties that are not given.
   * @throws DomainError `forbidden` when anything of it is.
   */
  plan(
    given: readonly ImageProperty[],
    stored: readonly ImageProperty[],
    purge: boolean,
    caller: Caller,
  ): NonNullable<UpdateImageRequest['properties']> {
    for (const property of given) this.checkSet(property, stored, caller);
    if (!this.protections.enabled) return { set: [...given], removeOthers: purge };
    const names = new Set(given.map(([name]) => name));
    const others = stored
      .map(([name]) => name)
      .filter((name) => purge && !names.has(name) && !isServiceProperty(name));
    const remove = others.filter((name) => this.mayRead(name, caller));
    for (const name of remove) this.checkRemove(name, caller);
    const known = new Set(stored.map(([name]) => name));
    // By name, so that nothing goes or is overwritten that was added since and not checked.
    return { set: [...given], remove, createOnly: [...names].filter((name) => !known.has(name)) };
  }

  private check(operation: 'create' | 'update' | 'delete', name: string, caller: Caller): void {
    if (!this.protections.permits(operation, name, caller)) throw this.manners.refusal(name);
  }
}

function isProtected(name: string, message: string): DomainError {
  return new DomainError('forbidden', message, { details: { property: name } });
}

function folded(name: string): string {
  return name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
