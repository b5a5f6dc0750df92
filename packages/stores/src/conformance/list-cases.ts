import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { StoredBlob } from '../store-driver';
import type { Bench } from './bench';
import { sourceOf } from './pattern';

/** Telling which blobs there are. */
export function describeListing(bench: Bench): void {
  const listed = async (): Promise<StoredBlob[]> => {
    const blobs: StoredBlob[] = [];
    for await (const blob of bench.store.listBlobs()) blobs.push(blob);
    return blobs.sort((a, b) => a.sizeBytes - b.sizeBytes);
  };

  describe('listing', () => {
    it('tells of nothing in an empty store', async () => {
      expect(await listed()).toEqual([]);
    });

    it('tells of every blob by the names it was given', async () => {
      const first = await bench.add({ source: sourceOf(Buffer.from('x')), firstAttempt: true });
      const { imageId } = first;
      const second = await bench.add({ source: sourceOf(Buffer.from('yy')), imageId });
      await second.settle();
      const ageSeconds = expect.any(Number);
      expect(await listed()).toEqual([
        {
          locationUrl: first.locationUrl,
          name: imageId,
          imageId,
          uploadId: undefined,
          sizeBytes: 1,
          ageSeconds,
        },
        {
          locationUrl: second.locationUrl,
          name: `${imageId}.${second.uploadId}`,
          imageId,
          uploadId: second.uploadId,
          sizeBytes: 2,
          ageSeconds,
        },
      ]);
      for (const blob of await listed()) {
        expect(blob.ageSeconds).toBeGreaterThanOrEqual(0);
        expect(blob.locationUrl.split(/[/:]/)).toContain(blob.name);
      }
    });

    it('does not tell of what is not there yet or any more', async () => {
      const seen: StoredBlob[] = [];
      const source = (async function* () {
        yield Buffer.from('x');
        seen.push(...(await listed()));
      })();
      const added = await bench.add({ source });
      expect(seen).toEqual([]);
      await bench.store.delete(added.locationUrl);
      expect(await listed()).toEqual([]);
    });

    it('can be given up in the middle, and goes on where blobs are removed meanwhile', async () => {
      for (let count = 0; count < 3; count += 1) await bench.given(1);
      for await (const blob of bench.store.listBlobs()) {
        expect(blob.sizeBytes).toBe(1);
        break;
      }
      const met = new Set<string>();
      for await (const { locationUrl } of bench.store.listBlobs()) {
        met.add(locationUrl);
        await bench.store.delete(locationUrl);
      }
      expect(met.size).toBe(3);
      expect(await listed()).toEqual([]);
    });

    it('names blobs that can be read under their location', async () => {
      const imageId = randomUUID();
      await bench.add({ source: sourceOf(Buffer.from('abc')), imageId });
      const [blob] = await listed();
      expect(await bench.store.sizeOf(blob?.locationUrl ?? '')).toBe(3);
    });
  });
}
