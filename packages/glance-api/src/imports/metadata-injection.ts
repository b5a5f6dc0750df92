import {
  SERVICE_IDENTITY,
  isServiceProperty,
  type ImageProperty,
  type ImageRecord,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Caller } from '../auth/caller';

export interface InjectionOptions {
  registry: Registry;
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

  /** To be called once the import is accepted: the image takes no other change of its data then. */
  async apply(
    image: ImageRecord,
    caller: Caller,
    method: string,
    context: CallContext,
  ): Promise<void> {
    const { registry, ignoredRoles } = this.options;
    if (method === 'copy-image' || this.properties.length === 0) return;
    if (caller.roles.some((role) => ignoredRoles.includes(role))) return;
    const request = { properties: { set: this.properties } };
    await registry.updateImage(image.id, request, { ...context, identity: SERVICE_IDENTITY });
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
