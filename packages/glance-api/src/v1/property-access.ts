import {
  DomainError,
  type ImageProperty,
  type ImageRecord,
  type UpdateImageRequest,
} from '@glance/common';
import type { Caller } from '../auth/caller';
import type { PropertyProtections } from '../policy/property-protections';
import type { PropertyOperation } from '../policy/property-rules';

/** What property protections mean for the routes of v1 (the operations of api-v1 sheet §8). */
export class PropertyAccess {
  constructor(private readonly protections: PropertyProtections) {}

  permits(operation: PropertyOperation, name: string, caller: Caller): boolean {
    return this.protections.permits(operation, name, caller);
  }

  /** @throws DomainError `forbidden`. */
  checkCreate(properties: readonly ImageProperty[], caller: Caller): void {
    for (const [name] of properties) {
      if (!this.protections.permits('create', name, caller)) throw isProtected(name);
    }
  }

  /** The image without the properties that the caller may not read. */
  readable(image: ImageRecord, caller: Caller): ImageRecord {
    const properties = image.properties.filter(([name]) =>
      this.protections.permits('read', name, caller),
    );
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
    const others = stored.map(([name]) => name).filter((name) => purge && !names.has(name));
    const remove = others.filter((name) => this.protections.permits('read', name, caller));
    for (const name of remove) {
      if (!this.protections.permits('delete', name, caller)) throw isProtected(name);
    }
    // By name, so that nothing goes that was added since and not checked.
    return { set: [...given], remove };
  }

  private checkSet(
    [name, value]: ImageProperty,
    stored: readonly ImageProperty[],
    caller: Caller,
  ): void {
    // Databases take names that differ in case or accents for the same one, and overwrite it.
    const existing = stored.filter(([each]) => each === name || folded(each) === folded(name));
    if (!existing.some(([each]) => each === name)) this.checkCreate([[name, value]], caller);
    for (const [each, current] of existing) {
      const permitted =
        this.protections.permits('read', each, caller) &&
        (current === value || this.protections.permits('update', each, caller));
      if (!permitted) throw isProtected(each);
    }
  }
}

function isProtected(name: string): DomainError {
  return new DomainError('forbidden', `Property '${name}' is protected`, {
    details: { property: name },
  });
}

function folded(name: string): string {
  return name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
