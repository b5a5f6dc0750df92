import { ageOf } from '../../remote/unfinished-marks';
import { parseBlobName } from '../../store-driver';
import type { StoredBlob } from '../../store-driver';
import type { SwiftContainer } from './swift-container';

/** The blobs of a container; what is not named as one is passed over. */
export async function* listBlobsIn(
  container: SwiftContainer,
  locationOf: (object: string) => string,
): AsyncGenerator<StoredBlob, undefined> {
  for await (const { key, sizeBytes, modified } of container.list()) {
    const parsed = parseBlobName(key);
    if (parsed === undefined) continue;
    // A manifest has no bytes of its own.
    const found = sizeBytes > 0 ? { sizeBytes } : await container.find(key);
    if (found === undefined) continue;
    yield {
      ...parsed,
      name: key,
      locationUrl: locationOf(key),
      sizeBytes: found.sizeBytes,
      ageSeconds: ageOf(modified),
    };
  }
}
