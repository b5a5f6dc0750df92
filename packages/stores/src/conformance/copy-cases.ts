import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Bench } from './bench';
import { MIB } from './memory-use';
import { patternBytes, readAll } from './pattern';

const MISSING = { code: 'store_blob_missing' };
const SIZES = [0, 1, 3 * MIB + 7];

/** Blobs with the bytes of others, of stores that can. */
export function describeCopying(bench: Bench): void {
  const bytesAt = async (location: string): Promise<Buffer> =>
    await readAll((await bench.store.get(location)).stream);

  describe('copy', () => {
    it('is done by stores that can, and refused by others', async () => {
      const copied = bench.copy(await bench.given(1));
      if (bench.store.canCopy) expect(await copied).toMatchObject({ sizeBytes: 1 });
      else await expect(copied).rejects.toMatchObject({ code: 'store_get_unsupported' });
    });

    it.each(SIZES)('of %i bytes is a blob of its own', async (sizeBytes) => {
      if (!bench.store.canCopy) return;
      const original = await bench.given(sizeBytes);
      const imageId = randomUUID();
      const { locationUrl, sizeBytes: copied } = await bench.copy(original, {
        imageId,
        firstAttempt: true,
      });
      expect(copied).toBe(sizeBytes);
      expect(locationUrl).toContain(imageId);
      expect((await bytesAt(locationUrl)).equals(patternBytes(sizeBytes))).toBe(true);
      await bench.store.delete(original);
      expect((await bytesAt(locationUrl)).equals(patternBytes(sizeBytes))).toBe(true);
    });

    it('is listed as unfinished until it is settled, and swept when it is abandoned', async () => {
      if (!bench.store.canCopy) return;
      const original = await bench.given(100);
      const name = { imageId: randomUUID(), uploadId: randomUUID() };
      const { locationUrl } = await bench.copy(original, name);
      expect(await bench.store.listUnfinished()).toMatchObject([name]);
      await bench.store.removeUnfinished(name, 'abandoned');
      await expect(bench.store.get(locationUrl)).rejects.toMatchObject(MISSING);
      expect(await bench.store.sizeOf(original)).toBe(100);
    });

    it('is discarded without the blob that it was made of', async () => {
      if (!bench.store.canCopy) return;
      const original = await bench.given(100);
      const copied = await bench.copy(original);
      await copied.discard();
      await expect(bench.store.get(copied.locationUrl)).rejects.toMatchObject(MISSING);
      expect(await bench.store.sizeOf(original)).toBe(100);
    });

    it('of nothing leaves nothing', async () => {
      if (!bench.store.canCopy) return;
      const original = await bench.given(100);
      await bench.store.delete(original);
      await expect(bench.copy(original)).rejects.toMatchObject(MISSING);
      expect(await bench.store.listUnfinished()).toEqual([]);
    });
  });
}
