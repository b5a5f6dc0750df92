import { invalidRequest, isDomainError, type DataPlace, type ImageRecord } from '@glance/common';
import type { StoreSet } from '@glance/stores';
import type { ExternalSources } from '../images/external-sources';

/** The places where the data is as they are recorded, as far as the caller was shown them. */
export function recordedPlaces({ locations }: Pick<ImageRecord, 'locations'>): DataPlace[] {
  return locations
    .filter(({ status }) => status === 'active')
    .map(({ url, metadata }) => ({ url, metadata }));
}

/** The same as they are shown (api-v2 sheet §9.4). */
export function locationViews(
  image: Pick<ImageRecord, 'locations'>,
  stores: StoreSet,
): DataPlace[] {
  return stores.arrange(recordedPlaces(image));
}

/** @throws DomainError `invalid_request` for an image that could not become active. */
export function checkFormatsSet({
  diskFormat,
  containerFormat,
}: Pick<ImageRecord, 'diskFormat' | 'containerFormat'>): void {
  if (diskFormat !== null && containerFormat !== null) return;
  throw invalidRequest(
    'Properties disk_format, container_format must be set prior to saving data.',
  );
}

/**
 * Asks a place that a user names how many bytes it has.
 * @param wantedBytes what the image has or was shown with; null when that is not known.
 * @throws DomainError `invalid_request` for one that is not there or has none (a 404 would speak of
 * the image); else as {@link ExternalSources.probe}.
 */
export async function probeLocation(
  sources: ExternalSources,
  url: string,
  wantedBytes: number | null,
): Promise<number> {
  let sizeBytes;
  try {
    sizeBytes = await sources.probe(url, wantedBytes ?? undefined);
  } catch (error) {
    throw isDomainError(error, 'store_blob_missing') ? invalidRequest(error.message) : error;
  }
  if (sizeBytes === 0) throw invalidRequest('Invalid location: there is no data');
  return sizeBytes;
}
