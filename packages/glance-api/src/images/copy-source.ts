import { DomainError, type ClaimedCopy } from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { AddRequest, AddedBlob, OpenedBlob, StoreSet } from '@glance/stores';
import type { TransferDestination } from './upload-image';

interface CopySourceParts {
  registry: Registry;
  stores: StoreSet;
}

/**
 * Where the data of a claimed copy comes from. For a check it is the destination too: what was read
 * there to its end is at its place already.
 */
export class CopySource implements TransferDestination {
  private url: string | undefined;

  constructor(
    private readonly copy: ClaimedCopy,
    private readonly parts: CopySourceParts,
    private readonly context: CallContext,
  ) {}

  /** @throws DomainError `data_mismatch` when it has not the size that the image was shown with. */
  async open(signal: AbortSignal): Promise<OpenedBlob> {
    const { image, lease } = this.copy;
    const { registry, stores } = this.parts;
    const url = await registry.getCopySource(image.id, lease.uploadId, { ...this.context, signal });
    const opened = await stores.forLocation({ url, metadata: {} }).get(url, { signal });
    this.url = url;
    const wanted = image.sizeBytes || undefined;
    if (wanted === undefined || wanted === opened.sizeBytes) return opened;
    await opened.stream.return();
    throw new DomainError(
      'data_mismatch',
      `The external source has ${opened.sizeBytes} bytes where ${wanted} were promised.`,
    );
  }

  /** Reads without keeping anything; there is nothing to settle or to discard. */
  async add({ source }: AddRequest): Promise<AddedBlob> {
    let sizeBytes = 0;
    for await (const chunk of source) sizeBytes += chunk.length;
    if (this.url === undefined) throw new Error('the source was not opened by its reader');
    const nothing = (): Promise<void> => Promise.resolve();
    return { locationUrl: this.url, sizeBytes, metadata: {}, settle: nothing, discard: nothing };
  }
}
