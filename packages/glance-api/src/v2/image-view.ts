import type { DataPlace, ImageRecord } from '@glance/common';
import type { StoreSet } from '@glance/stores';
import { looksLikeService } from '../images/reserved-names';
import type { PropertyValues } from './schemas/property-values';
import { locationViews } from './image-locations';

export interface ImageViewOptions {
  /** `show_image_direct_url` */
  directUrl: boolean;
  /** `show_multiple_locations` */
  locations: boolean;
  stores: StoreSet;
}

/** Custom properties that are never shown (api-v2 sheet 2.2). */
const NEVER_SHOWN: ReadonlySet<string> = new Set([
  'os_glance_stage_host',
  'os_glance_hash_op_host',
]);

/** An image as API v2 shows it (api-v2 sheet 2.1). Properties the caller may not read are gone. */
export function imageView(
  image: ImageRecord,
  options: ImageViewOptions,
  values: PropertyValues,
): Record<string, unknown> {
  // Without a prototype, so that any name is data.
  const view = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of image.properties) {
    // Upstream's API v1 stored properties of any name.
    if (!NEVER_SHOWN.has(name) && !looksLikeService(name)) view[name] = values.valueOf(name, value);
  }
  const locations = locationViews(image, options.stores);
  const [best] = locations;
  if (options.directUrl && best) view['direct_url'] = best.url;
  if (options.locations) view['locations'] = locations;
  const storeIds = options.stores.areNamed ? storeIdsOf(locations) : [];
  if (storeIds.length > 0) view['stores'] = storeIds.join(',');
  return Object.assign(view, {
    id: image.id,
    name: image.name,
    status: image.status,
    visibility: image.visibility,
    protected: image.protected,
    os_hidden: image.hidden,
    checksum: image.checksum,
    os_hash_algo: image.hashAlgorithm,
    os_hash_value: image.hashValue,
    owner: image.owner,
    size: image.sizeBytes,
    virtual_size: image.virtualSizeBytes,
    container_format: image.containerFormat,
    disk_format: image.diskFormat,
    min_ram: image.minRam,
    min_disk: image.minDisk,
    tags: image.tags,
    created_at: zulu(image.createdAt),
    updated_at: zulu(image.updatedAt),
    self: `/v2/images/${image.id}`,
    file: `/v2/images/${image.id}/file`,
    schema: '/v2/schemas/image',
  });
}

/** Of the stores that hold the data, in the order of its places. */
export function storeIdsOf(places: readonly DataPlace[]): string[] {
  return places
    .map(({ metadata }) => metadata['store'])
    .filter((store): store is string => typeof store === 'string');
}

export function zulu(wireTime: string): string {
  return `${wireTime}Z`;
}
