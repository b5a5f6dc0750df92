import {
  checkCountQuota,
  DomainError,
  invalidRequest,
  isSamePlace,
  type DataPlace,
  type ImageRecord,
  type ImageStatus,
  type UpdateImageRequest,
} from '@glance/common';
import type { StoreSet } from '@glance/stores';
import type { ExternalSources } from '../../images/external-sources';
import { refusalInDetail } from '../error-view';
import { probeLocation, recordedPlaces } from '../image-locations';
import type { ImagePatch, PatchOperation } from './parse-patch';
import { AnnouncedDigests, type ValidationData } from './validation-data';

export interface LocationContext {
  /** The caller may name locations in stores. */
  mayNameStores: boolean;
  sources: ExternalSources;
  stores: StoreSet;
  /** Null for no limit. */
  locationQuota: number | null;
  storageQuotaBytes: number | null;
  /** The data of what is taken away is left to the scrubber. */
  delayedDelete: boolean;
}

interface GivenLocation extends DataPlace {
  validation_data?: ValidationData;
}

const ADDABLE: readonly ImageStatus[] = ['queued', 'active'];

/**
 * What the operations of a patch make of the places of an image's data (api-v2 sheet §9.1), to be
 * carried out together with its other changes. Asks new places whether they hold the data.
 * @returns nothing when the patch leaves them alone.
 * @throws DomainError `conflict`, `forbidden`, `invalid_request`, `quota_exceeded`.
 */
export async function planLocations(
  image: ImageRecord,
  patch: ImagePatch,
  context: LocationContext,
): Promise<Pick<UpdateImageRequest, 'locations' | 'ifStatus' | 'unlessPromised'>> {
  const operations = patch.filter(({ name }) => name === 'locations');
  if (operations.length === 0) return {};
  const changes = new LocationChanges(image, context);
  for (const operation of operations) await changes.apply(operation);
  return {
    locations: changes.change(),
    ifStatus: [image.status],
    // A location that is being checked must not be overtaken by one that is not.
    ...(image.status === 'queued' ? { unlessPromised: true } : {}),
  };
}

/** The places of an image while a patch is applied. */
class LocationChanges {
  private readonly seen: readonly DataPlace[];
  private places: DataPlace[];
  private readonly digests: AnnouncedDigests;
  private sizeBytes: number | null;

  constructor(
    private readonly image: ImageRecord,
    private readonly context: LocationContext,
  ) {
    this.seen = recordedPlaces(image);
    this.places = context.stores.arrange(this.seen);
    this.digests = new AnnouncedDigests(image);
    // A size of 0 counts as not known, as for uploads.
    this.sizeBytes = image.sizeBytes === 0 ? null : image.sizeBytes;
  }

  async apply({ op, position = '', value }: PatchOperation): Promise<void> {
    this.checkStatus(op);
    if (op === 'remove') this.remove(position);
    else if (op === 'add') await this.add(position, value as GivenLocation);
    else await this.replace(value as GivenLocation[]);
  }

  change(): NonNullable<UpdateImageRequest['locations']> {
    if (this.sizeBytes === null) throw new Error('an image became active without a size');
    const { storageQuotaBytes, delayedDelete } = this.context;
    return {
      // A registry of the release before does not know the word.
      ...(delayedDelete ? { delayed: true } : {}),
      seen: [...this.seen],
      wanted: this.places,
      sizeBytes: this.sizeBytes,
      storageQuotaBytes,
      ...this.digests.found(),
    };
  }

  private async add(position: string, given: GivenLocation): Promise<void> {
    const index = position === '-' ? this.places.length : positionOf(position);
    checkCountQuota('image locations', this.places.length + 1, this.context.locationQuota);
    const place = await this.newPlace(given);
    if (this.places.some((each) => isSamePlace(each, place))) throw duplicate();
    this.places.splice(index, 0, place);
  }

  /** With places there already only their order and metadata may change. */
  private async replace(given: GivenLocation[]): Promise<void> {
    if (given.length === 0) {
      throw refusalInDetail('forbidden', 'Cannot set locations to empty list.');
    }
    checkCountQuota('image locations', given.length, this.context.locationQuota);
    const places: DataPlace[] = [];
    if (this.places.length === 0) {
      for (const each of given) places.push(await this.newPlace(each));
    } else {
      if (!haveSameUrls(given, this.places)) {
        throw invalidRequest('Cannot replace locations: only metadata and order may change.');
      }
      for (const each of given) places.push(this.knownPlace(each));
    }
    const isRepeated = places.some((place, index) =>
      places.slice(0, index).some((each) => isSamePlace(each, place)),
    );
    if (isRepeated) throw duplicate();
    this.places = places;
  }

  private remove(position: string): void {
    if (this.places.length === 1) {
      throw new DomainError('forbidden', 'Cannot delete last location from image.');
    }
    const last = this.places.length - 1;
    const index = position === '-' ? last : positionOf(position);
    if (index > last) throw badPosition(position);
    this.places.splice(index, 1);
  }

  private async newPlace(given: GivenLocation): Promise<DataPlace> {
    const { sources, mayNameStores } = this.context;
    const place = this.knownPlace({ ...given, url: sources.check(given.url, mayNameStores) });
    const sizeBytes = await probeLocation(sources, place.url, null);
    if (this.sizeBytes !== null && sizeBytes !== this.sizeBytes) {
      throw invalidRequest(
        `Invalid location: it has ${sizeBytes} bytes, and the image ${this.sizeBytes}`,
      );
    }
    this.sizeBytes = sizeBytes;
    return this.context.stores.arrange([place])[0] ?? place;
  }

  private knownPlace({ url, metadata, validation_data: announced }: GivenLocation): DataPlace {
    if (!Object.values(metadata).every((value) => typeof value === 'string')) {
      throw invalidRequest('Metadata of a location must be texts');
    }
    this.digests.add(announced);
    return { url, metadata };
  }

  private checkStatus(op: PatchOperation['op']): void {
    const { status } = this.image;
    if (op === 'remove' ? status === 'active' : ADDABLE.includes(status)) return;
    throw new DomainError(
      'conflict',
      `It's not allowed to ${op} locations if image status is ${status}.`,
    );
  }
}

function haveSameUrls(a: readonly DataPlace[], b: readonly DataPlace[]): boolean {
  const [urlsOfA, urlsOfB] = [a, b].map((places) => new Set(places.map(({ url }) => url)));
  return a.every(({ url }) => urlsOfB?.has(url)) && b.every(({ url }) => urlsOfA?.has(url));
}

function positionOf(position: string): number {
  if (!/^\d{1,9}$/.test(position)) throw badPosition(position);
  return Number(position);
}

function badPosition(position: string): DomainError {
  return invalidRequest(`Invalid position of a location: '${position.slice(0, 60)}'`);
}

function duplicate(): DomainError {
  return invalidRequest('Invalid location: it is there already');
}
