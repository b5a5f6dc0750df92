import { describe, expect, it } from '@jest/globals';
import type { Bench } from './bench';
import { MIB } from './memory-use';
import { patternBytes, readAll } from './pattern';

const MISSING = { code: 'store_blob_missing' };

/** Removing blobs. */
export function describeDeleting(bench: Bench): void {
  describe('delete', () => {
    it('removes the blob for every reader', async () => {
      const location = await bench.given(1000);
      await bench.store.delete(location);
      await expect(bench.store.get(location)).rejects.toMatchObject(MISSING);
      await expect(bench.store.sizeOf(location)).rejects.toMatchObject(MISSING);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('says so when there is nothing, the second time too', async () => {
      const location = await bench.given(0);
      await bench.store.delete(location);
      await expect(bench.store.delete(location)).rejects.toMatchObject(MISSING);
      await expect(bench.store.delete(location)).rejects.toMatchObject(MISSING);
    });

    it('leaves other blobs alone', async () => {
      const [kept, removed] = [await bench.given(1000), await bench.given(1001)];
      await bench.store.delete(removed);
      expect(await bench.store.sizeOf(kept)).toBe(1000);
    });

    it('never gives a running reader a short end', async () => {
      const sizeBytes = 4 * MIB;
      const location = await bench.given(sizeBytes);
      const { stream } = await bench.store.get(location);
      const first = Buffer.from((await stream.next()).value ?? []);
      await bench.store.delete(location);
      const outcome = await readAll(stream).then(
        (rest) => Buffer.concat([first, rest]).equals(patternBytes(sizeBytes)),
        () => 'failed',
      );
      expect([true, 'failed']).toContain(outcome);
    });
  });
}
