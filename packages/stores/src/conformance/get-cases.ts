import { describe, expect, it } from '@jest/globals';
import type { ByteRange } from '../store-driver';
import type { Bench } from './bench';
import { eventually } from './bench';
import { MIB } from './memory-use';
import { patternBytes, readAll } from './pattern';

const SIZE = 3 * MIB + 5;

/** Reading bytes: exactly the asked ones, or an error that cannot be taken for an end. */
export function describeReading(bench: Bench): void {
  if (bench.harness.capabilities.partialRead) describeRanges(bench);
  else describeNoRanges(bench);

  describe('get', () => {
    it('serves ten readers at once', async () => {
      const location = await bench.given(SIZE);
      const matches = Array.from({ length: 10 }, async () => {
        const { stream } = await bench.store.get(location);
        return (await readAll(stream)).equals(patternBytes(SIZE));
      });
      expect(await Promise.all(matches)).toEqual(matches.map(() => true));
    });

    it('goes on as fast as it is asked, not faster, and stays at its end', async () => {
      const location = await bench.given(3);
      const { stream } = await bench.store.get(location);
      expect((await stream.next()).done).toBe(false);
      expect((await stream.next()).done).toBe(true);
      expect((await stream.next()).done).toBe(true);
    });

    it.each([0, 1, SIZE])('frees the handle at the end of %i bytes', async (sizeBytes) => {
      const { stream } = await bench.store.get(await bench.given(sizeBytes));
      await readAll(stream);
      expect(await bench.subject.openReaders()).toBe(0);
    });

    it('frees the handle when the reader leaves early', async () => {
      const { stream } = await bench.store.get(await bench.given(SIZE));
      for await (const chunk of stream) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      await eventually(async () => {
        expect(await bench.subject.openReaders()).toBe(0);
      });
      expect((await stream.next()).done).toBe(true);
    });

    it('frees the handle of a stream that nobody began to read', async () => {
      const { stream } = await bench.store.get(await bench.given(SIZE));
      await stream.return();
      await eventually(async () => {
        expect(await bench.subject.openReaders()).toBe(0);
      });
    });

    it('ends with the reason of an abort and frees the handle', async () => {
      const reason = new Error('the client left');
      const controller = new AbortController();
      const { signal } = controller;
      const { stream } = await bench.store.get(await bench.given(SIZE), { signal });
      await stream.next();
      controller.abort(reason);
      await expect(readAll(stream)).rejects.toBe(reason);
      await eventually(async () => {
        expect(await bench.subject.openReaders()).toBe(0);
      });
    });

    it('frees the handle on an abort although nobody reads', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const { stream } = await bench.store.get(await bench.given(SIZE), { signal });
      controller.abort();
      await eventually(async () => {
        expect(await bench.subject.openReaders()).toBe(0);
      });
      expect(bench.store.metrics().openReaders).toBe(0);
      // Keeps the stream in use until here: a collected one would have freed its handle anyway.
      await stream.return();
    });

    it('opens nothing when it was aborted before', async () => {
      const reason = new Error('the client left');
      const location = await bench.given(1);
      const opening = bench.store.get(location, { signal: AbortSignal.abort(reason) });
      await expect(opening).rejects.toBe(reason);
      expect(await bench.subject.openReaders()).toBe(0);
    });
  });
}

function describeRanges(bench: Bench): void {
  describe('get of a range', () => {
    it.each<[string, ByteRange]>([
      ['the first byte', { offset: 0, length: 1 }],
      ['the last byte', { offset: SIZE - 1, length: 1 }],
      ['the middle', { offset: MIB - 3, length: MIB + 6 }],
      ['all of it', { offset: 0, length: SIZE }],
      ['the tail', { offset: 2 * MIB, length: SIZE - 2 * MIB }],
      ['nothing, inside', { offset: 7, length: 0 }],
      ['nothing, at the end', { offset: SIZE, length: 0 }],
    ])('reads %s', async (_, range) => {
      const location = await bench.given(SIZE);
      const { stream, sizeBytes } = await bench.store.get(location, { range });
      expect(sizeBytes).toBe(SIZE);
      const expected = patternBytes(range.length, range.offset);
      expect((await readAll(stream)).equals(expected)).toBe(true);
    });

    it.each<[string, ByteRange]>([
      ['begins past the end', { offset: 100, length: 1 }],
      ['reaches past the end', { offset: 99, length: 2 }],
      ['lies far beyond the end', { offset: 2 ** 40, length: 2 ** 40 }],
    ])('refuses a range that %s', async (_, range) => {
      const location = await bench.given(100);
      const opening = bench.store.get(location, { range });
      await expect(opening).rejects.toMatchObject({ code: 'store_blob_corrupt' });
      expect(await bench.subject.openReaders()).toBe(0);
    });

    it.each<[string, ByteRange]>([
      ['a negative offset', { offset: -1, length: 1 }],
      ['a negative length', { offset: 0, length: -1 }],
      ['half a byte', { offset: 0.5, length: 1 }],
      ['no number', { offset: 0, length: NaN }],
      ['an end beyond exact numbers', { offset: Number.MAX_SAFE_INTEGER, length: 1 }],
    ])('refuses %s', async (_, range) => {
      const location = await bench.given(100);
      const opening = bench.store.get(location, { range });
      await expect(opening).rejects.toMatchObject({ code: 'invalid_request' });
    });

    it('serves ten readers at different offsets at once', async () => {
      const location = await bench.given(SIZE);
      const offsets = Array.from({ length: 10 }, (_, index) => index * 300_007);
      const matches = offsets.map(async (offset) => {
        const range = { offset, length: SIZE - offset };
        const { stream } = await bench.store.get(location, { range });
        return (await readAll(stream)).equals(patternBytes(range.length, offset));
      });
      expect(await Promise.all(matches)).toEqual(offsets.map(() => true));
    });
  });
}

function describeNoRanges(bench: Bench): void {
  describe('get of a range', () => {
    it('is refused', async () => {
      const location = await bench.given(100);
      const opening = bench.store.get(location, { range: { offset: 0, length: 1 } });
      await expect(opening).rejects.toMatchObject({ code: 'store_get_unsupported' });
    });
  });
}
