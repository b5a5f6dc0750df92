import { describeError, isDomainError, type ImageRecord } from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { BlobAccess, InstrumentedStore, StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { activeLocations } from './open-image-data';

/** So often changes that meet each other are followed, before the last of them is left to itself. */
const ROUNDS = 5;

interface StoreAccessParts {
  registry: Registry;
  stores: StoreSet;
  logger: Logger;
}

/** What stores are to be told of an image. */
interface Told {
  access: BlobAccess;
  places: { url: string; store: InstrumentedStore }[];
}

/**
 * The registry, which tells stores with access lists of their own (stores sheet §6, `set_acls`)
 * whenever a call may have changed who reads an image: here alone, so that no caller forgets it.
 *
 * The change is committed before the stores are told. Whoever dies in between, or finds a store that
 * does not answer, leaves the list as it was until the next change of the image or the AccessSweeper
 * comes by: the change holds, and the log says what to do.
 */
export function tellingStores(
  registry: Registry,
  parts: Omit<StoreAccessParts, 'registry'>,
): Registry {
  if (!areTold(parts.stores)) return registry;
  const access = new StoreAccess({ ...parts, registry });
  /** A call about an image, and then the stores. */
  const after =
    <Rest extends unknown[], T>(call: (imageId: string, ...rest: Rest) => Promise<T>) =>
    async (imageId: string, ...rest: Rest): Promise<T> => {
      const result = await call.call(registry, imageId, ...rest);
      await access.tell(imageId, rest.at(-1) as CallContext);
      return result;
    };
  const telling: Partial<Registry> = {
    createImage: async (request, context) => {
      const result = await registry.createImage(request, context);
      if (request.location !== undefined) await access.tell(result.image.id, context);
      return result;
    },
    updateImage: async (imageId, request, context) => {
      const image = await registry.updateImage(imageId, request, context);
      const { fields, location, locations } = request;
      if (fields?.visibility !== undefined || location !== undefined || locations !== undefined) {
        await access.tell(imageId, context);
      }
      return image;
    },
    commitUpload: async (imageId, uploadId, request, context) => {
      const image = await registry.commitUpload(imageId, uploadId, request, context);
      await access.tell(imageId, context);
      return image;
    },
    abandonUpload: async (imageId, uploadId, request, context) => {
      const verdict = await registry.abandonUpload(imageId, uploadId, request, context);
      // The commit succeeded and its answer was lost.
      if (verdict.state === 'committed') await access.tell(imageId, context);
      return verdict;
    },
    addMember: after(registry.addMember),
    putMember: after(registry.putMember),
    replaceMembers: after(registry.replaceMembers),
    deleteMember: after(registry.deleteMember),
    removeMember: after(registry.removeMember),
  };
  return new Proxy(registry, {
    get(target, name) {
      const own: unknown = Reflect.get(telling, name) ?? Reflect.get(target, name);
      return typeof own === 'function' ? (own.bind(target) as unknown) : own;
    },
  });
}

/** Whether any of the stores has access lists of its own. */
export function areTold(stores: StoreSet): boolean {
  return stores.list().some(({ keepsAccess }) => keepsAccess);
}

/** What stores with access lists of their own hold of images. */
export class StoreAccess {
  constructor(private readonly parts: StoreAccessParts) {}

  /** Never fails: who reads an image by this service does not depend on it. */
  async tell(imageId: string, context: Pick<CallContext, 'requestId'>): Promise<void> {
    try {
      await this.set(imageId, context);
    } catch (error) {
      this.parts.logger.error(
        'Who may read the data of an image in its store could not be set there: projects that it is shared with may not be able to download it, and those it was shared with may read it yet. Any change of its visibility or members sets it again, and so does the next sweep ([transfer] access_sweep_interval); see that the user of the store may set the access of containers',
        { image: imageId, error: describeError(error) },
      );
    }
  }

  /** @throws DomainError of a store, or of the registry. An image that is gone needs nothing. */
  async set(imageId: string, { requestId }: Pick<CallContext, 'requestId'>): Promise<void> {
    const context = serviceContext(requestId);
    try {
      let told = '';
      for (let round = 1; round <= ROUNDS; round += 1) {
        const wanted = await this.wanted(imageId, context);
        // Somebody else's change may have come first to the registry and last to the store.
        const now = JSON.stringify([wanted.access, wanted.places.map(({ url }) => url)]);
        if (wanted.places.length === 0 || now === told) return;
        for (const { url, store } of wanted.places) await store.setAccess(url, wanted.access);
        told = now;
      }
    } catch (error) {
      if (!isDomainError(error, 'image_not_found')) throw error;
    }
  }

  /** Where an image lies that a store keeps an access list of. */
  placesOf(image: ImageRecord): Told['places'] {
    const { stores } = this.parts;
    return stores.arrange(activeLocations(image)).flatMap((location) => {
      const store = stores.find(location);
      return store?.keepsAccess === true ? [{ url: location.url, store }] : [];
    });
  }

  private async wanted(imageId: string, context: CallContext): Promise<Told> {
    const image = await this.parts.registry.getImage(imageId, context);
    const places = this.placesOf(image);
    if (places.length === 0) return { places, access: { isPublic: false, readers: [] } };
    return { places, access: await this.accessTo(image, context) };
  }

  /** Members count whatever they have answered, as they do here (api-v2 sheet §7). */
  private async accessTo(image: ImageRecord, context: CallContext): Promise<BlobAccess> {
    const { id, visibility } = image;
    const isPublic = visibility === 'public' || visibility === 'community';
    if (visibility !== 'shared') return { isPublic, readers: [] };
    const members = await this.parts.registry.listMembers(id, context);
    return { isPublic, readers: members.map(({ memberId }) => memberId).sort() };
  }
}
