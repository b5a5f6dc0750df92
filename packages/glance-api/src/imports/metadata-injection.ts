import { isServiceProperty, type ImageProperty, type ImportMethod } from '@glance/common';
import type { Caller } from '../auth/caller';

export interface InjectionOptions {
  /** Whether `inject_image_metadata` is among the plugins. */
  isEnabled: boolean;
  /** `NAME:VALUE` each. */
  properties: readonly string[];
  /** Whose imports stay as they are. */
  ignoredRoles: readonly string[];
}

/** The plugin inject_image_metadata: properties that a site gives to what is imported (tasks sheet §7). */
export class MetadataInjection {
  private readonly properties: ImageProperty[];

  /** @throws Error that names the option for an item that is no NAME:VALUE. */
  constructor(private readonly options: InjectionOptions) {
    this.properties = options.isEnabled ? readProperties(options.properties) : [];
  }

  /** What an import by the caller gives to its image, in the transaction that accepts it. */
  propertiesFor(caller: Caller, method: ImportMethod): ImageProperty[] {
    const isIgnored = caller.roles.some((role) => this.options.ignoredRoles.includes(role));
    return method === 'copy-image' || isIgnored ? [] : this.properties;
  }
}

function readProperties(items: readonly string[]): ImageProperty[] {
  return items
    .map((item): ImageProperty => {
      const [, name, value] = /^\s*['"]?([^:'"]+)['"]?\s*:\s*['"]?(.*?)['"]?\s*$/.exec(item) ?? [];
      if (name === undefined || value === undefined) {
        throw new Error(`[inject_metadata_properties] inject: ${item} is no NAME:VALUE`);
      }
      return [name.trim(), value];
    })
    .filter(([name]) => !isServiceProperty(name));
}
