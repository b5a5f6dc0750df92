import { DomainError, isDomainError, type ImageRecord } from '@glance/common';
import type { AddRequest, AddedBlob, StoreSet } from '@glance/stores';
import { activeLocations } from '../images/open-image-data';
import type { TransferDestination } from '../images/upload-image';
import type { UploadDigests } from '../transfer/upload-source';

/**
 * Takes the data of another image: by the store itself where that has it and can copy, else by the
 * bytes that come.
 */
export class CloneDestination implements TransferDestination {
  private copied: UploadDigests | undefined;

  constructor(
    private readonly stores: StoreSet,
    private readonly storeId: string,
    private readonly findOriginal: () => Promise<ImageRecord>,
    /** Ends a copy, which asks for no bytes that could fail. */
    private readonly ended: AbortSignal,
  ) {}

  /** Of data that the store has copied, which is what the other image has. */
  get digests(): UploadDigests | undefined {
    return this.copied;
  }

  async add(request: AddRequest): Promise<AddedBlob> {
    const store = this.stores.get(this.storeId);
    const original = await this.findOriginal();
    const digests = digestsOf(original);
    const location = activeLocations(original).find(
      (each) => this.stores.forLocation(each) === store,
    );
    if (!digests || !location || !store.canCopy) return await store.add(request);
    try {
      const added = await store.copy(location.url, { ...request, signal: this.ended });
      if (added.sizeBytes !== digests.sizeBytes) {
        await added.discard();
        throw new DomainError('data_mismatch', 'The copied data has another size than the image');
      }
      this.copied = digests;
      return added;
    } catch (error) {
      if (isDomainError(error, 'store_get_unsupported')) return await store.add(request);
      throw error;
    }
  }
}

/** @returns undefined when not all is known: then the data is read */
function digestsOf(image: ImageRecord): UploadDigests | undefined {
  const { sizeBytes, checksum: md5, hashAlgorithm, hashValue, virtualSizeBytes } = image;
  if (sizeBytes === null || md5 === null || hashAlgorithm === null || hashValue === null) {
    return undefined;
  }
  return { sizeBytes, md5, hashAlgorithm, hashValue, virtualSizeBytes };
}
