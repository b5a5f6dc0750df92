import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Bench } from './bench';
import { digestOf, patternBytes, patternSource, readAll, sourceOf } from './pattern';
import { MIB, peakBufferBytes } from './memory-use';

const KIB = 1024;
const NEVER = new Promise<never>(() => undefined);

/** Storing bytes: all of them, exactly them, or nothing. */
export function describeAdding(bench: Bench, timeoutMs: number): void {
  describe('add', () => {
    const sizes = [0, 1, 255, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 512 * KIB, MIB, 3 * MIB + 7];
    it.each(sizes)(
      'keeps a blob of %i bytes',
      async (sizeBytes) => {
        const added = await bench.add({ source: patternSource({ sizeBytes }) });
        expect(added.sizeBytes).toBe(sizeBytes);
        expect(await bench.store.sizeOf(added.locationUrl)).toBe(sizeBytes);
        const opened = await bench.store.get(added.locationUrl);
        expect(opened.sizeBytes).toBe(sizeBytes);
        expect((await readAll(opened.stream)).equals(patternBytes(sizeBytes))).toBe(true);
      },
      timeoutMs,
    );

    it('keeps bytes that are no text', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
      const { locationUrl } = await bench.add({ source: sourceOf(bytes, bytes.reverse()) });
      const { stream } = await bench.store.get(locationUrl);
      expect(await readAll(stream)).toEqual(Buffer.concat([bytes, bytes]));
    });

    it('keeps zeros as they are', async () => {
      const bytes = Buffer.alloc(2 * MIB);
      bytes[MIB] = 1;
      const source = sourceOf(bytes.subarray(0, MIB), bytes.subarray(MIB), Buffer.alloc(MIB));
      const { locationUrl } = await bench.add({ source });
      const { stream } = await bench.store.get(locationUrl);
      expect((await readAll(stream)).equals(Buffer.concat([bytes, Buffer.alloc(MIB)]))).toBe(true);
    });

    it('takes chunks of any size, empty ones too', async () => {
      const lengths = [0, 1, 0, 7, 300 * KIB, 0, 2];
      const chunks = lengths.map((length, index) => Buffer.alloc(length, index));
      const { locationUrl } = await bench.add({ source: sourceOf(...chunks) });
      const { stream } = await bench.store.get(locationUrl);
      expect((await readAll(stream)).equals(Buffer.concat(chunks))).toBe(true);
    });

    it(
      'streams 64 MiB in and out in bounded memory',
      async () => {
        const sizeBytes = 64 * MIB;
        const memory = peakBufferBytes();
        const source = patternSource({ sizeBytes, onRequest: memory.sample });
        const { locationUrl } = await bench.add({ source, expectedSizeBytes: sizeBytes });
        const { stream } = await bench.store.get(locationUrl);
        const digest = await digestOf(memory.sampled(stream));
        expect(digest).toBe(await digestOf(patternSource({ sizeBytes })));
        if (bench.harness.boundedMemory) expect(memory.growthBytes()).toBeLessThan(16 * MIB);
      },
      timeoutMs,
    );

    it('claims the locations it returns', async () => {
      const { locationUrl } = await bench.add({ source: sourceOf(Buffer.from('x')) });
      expect(bench.store.claims(locationUrl)).toBe(true);
      expect(bench.store.schemes.some((scheme) => locationUrl.startsWith(`${scheme}:`))).toBe(true);
    });

    it('keeps two uploads of one image apart', async () => {
      const imageId = randomUUID();
      const add = (text: string) =>
        bench.add({ imageId, firstAttempt: true, source: sourceOf(Buffer.from(text)) });
      const first = await add('first');
      const second = await add('the second');
      expect(second.locationUrl).not.toBe(first.locationUrl);
      expect(await contentOf(bench, first.locationUrl)).toBe('first');
      expect(await contentOf(bench, second.locationUrl)).toBe('the second');
    });

    it('LP#1066416: keeps two uploads of one image apart that run at the same time', async () => {
      const imageId = randomUUID();
      const texts = ['one', 'another', 'a third'];
      const added = await Promise.all(
        texts.map((text) => bench.add({ imageId, source: sourceOf(Buffer.from(text)) })),
      );
      const contents = added.map(({ locationUrl }) => contentOf(bench, locationUrl));
      expect(await Promise.all(contents)).toEqual(texts);
    });

    it('refuses an upload whose names are both taken, and keeps what has them', async () => {
      const imageId = randomUUID();
      const add = (text: string) =>
        bench.add({ imageId, firstAttempt: true, source: sourceOf(Buffer.from(text)) });
      const first = await add('first');
      const second = await add('second');
      const { uploadId } = second;
      const again = bench.add({ imageId, uploadId, source: sourceOf(Buffer.from('again')) });
      await expect(again).rejects.toMatchObject({ code: 'store_duplicate' });
      expect(await contentOf(bench, first.locationUrl)).toBe('first');
      expect(await contentOf(bench, second.locationUrl)).toBe('second');
    });

    it.each([
      ['is not a UUID', 'image'],
      ['climbs', '../../etc/passwd'],
      ['is empty', ''],
      ['is in upper case', randomUUID().toUpperCase()],
      ['has a tail', `${randomUUID()}/x`],
      ['ends with a line break', `${randomUUID()}\n`],
    ])('refuses an id that %s', async (_, id) => {
      const source = sourceOf(Buffer.from('x'));
      const refusal = { code: 'invalid_request' };
      await expect(bench.add({ imageId: id, source })).rejects.toMatchObject(refusal);
      await expect(bench.add({ uploadId: id, source })).rejects.toMatchObject(refusal);
    });
  });

  describe('an add that fails leaves nothing', () => {
    it('when the source fails midway, with the error of the source', async () => {
      const failure = new Error('the client sent nonsense');
      const source = patternSource({
        sizeBytes: 2 * MIB,
        onRequest: (delivered) => {
          if (delivered >= MIB) throw failure;
        },
      });
      await expect(bench.add({ source })).rejects.toBe(failure);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when the source fails at its very end', async () => {
      const failure = new Error('wrong checksum');
      const source = patternSource({
        sizeBytes: MIB,
        onRequest: (delivered) => {
          if (delivered === MIB) throw failure;
        },
      });
      await expect(bench.add({ source })).rejects.toBe(failure);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when it was aborted before it began', async () => {
      const reason = new Error('the client left');
      let asked = false;
      const onRequest = (): void => {
        asked = true;
      };
      const source = patternSource({ sizeBytes: 1, onRequest });
      await expect(bench.add({ source, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(asked).toBe(false);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when it is aborted while the source is silent', async () => {
      const reason = new Error('the client left');
      const controller = new AbortController();
      const source = patternSource({
        sizeBytes: 2 * MIB,
        onRequest: async (delivered) => {
          if (delivered < MIB) return;
          controller.abort(reason);
          await NEVER;
        },
      });
      await expect(bench.add({ source, signal: controller.signal })).rejects.toBe(reason);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when it is aborted as the source ends', async () => {
      const reason = new Error('the client left');
      const controller = new AbortController();
      const source = patternSource({
        sizeBytes: MIB,
        onRequest: (delivered) => {
          if (delivered === MIB) controller.abort(reason);
        },
      });
      await expect(bench.add({ source, signal: controller.signal })).rejects.toBe(reason);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when it is aborted after the source ended, before the blob is visible', async () => {
      const reason = new Error('the client left');
      const controller = new AbortController();
      const source = patternSource({
        sizeBytes: MIB,
        onRequest: (delivered) => {
          if (delivered === MIB) controller.abort(reason);
        },
      });
      // The driver alone: nobody else ends the source for it.
      const name = { imageId: randomUUID(), uploadId: randomUUID() };
      const { signal } = controller;
      const adding = bench.subject.driver.add({ ...name, source, signal });
      await expect(adding).rejects.toBe(reason);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when fewer bytes come than announced', async () => {
      const source = patternSource({ sizeBytes: MIB });
      await expect(bench.add({ source, expectedSizeBytes: MIB + 1 })).rejects.toMatchObject({
        code: 'data_mismatch',
        details: { expectedBytes: MIB + 1, receivedBytes: MIB },
      });
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when more bytes come than announced, without reading them all', async () => {
      let delivered = 0;
      const onRequest = (bytes: number): void => {
        delivered = bytes;
      };
      const source = patternSource({ sizeBytes: 8 * MIB, chunkBytes: 64 * KIB, onRequest });
      const adding = bench.add({ source, expectedSizeBytes: MIB });
      await expect(adding).rejects.toMatchObject({ code: 'data_mismatch' });
      expect(delivered).toBeLessThanOrEqual(MIB + 64 * KIB);
      expect(await bench.subject.remains()).toEqual([]);
    });

    it('when bytes come although none were announced', async () => {
      const adding = bench.add({ source: sourceOf(Buffer.from('x')), expectedSizeBytes: 0 });
      await expect(adding).rejects.toMatchObject({ code: 'data_mismatch' });
      expect(await bench.subject.remains()).toEqual([]);
    });
  });

  describe('an add that succeeded', () => {
    it('stays when the signal is aborted afterwards', async () => {
      const controller = new AbortController();
      const source = sourceOf(Buffer.from('kept'));
      const { locationUrl } = await bench.add({ source, signal: controller.signal });
      controller.abort(new Error('too late'));
      expect(await contentOf(bench, locationUrl)).toBe('kept');
    });

    it('is unfinished until it is settled', async () => {
      const added = await bench.add({ source: patternSource({ sizeBytes: MIB }) });
      const { imageId, uploadId } = added;
      expect(await bench.store.listUnfinished()).toEqual([
        { imageId, uploadId, sizeBytes: MIB, ageSeconds: expect.any(Number) },
      ]);
      await added.settle();
      await added.settle();
      expect(await bench.store.listUnfinished()).toEqual([]);
      expect(await bench.store.sizeOf(added.locationUrl)).toBe(MIB);
    });

    it.each([true, false])(
      'is removed with its blob once it is abandoned (first attempt: %s)',
      async (firstAttempt) => {
        const source = patternSource({ sizeBytes: MIB });
        const added = await bench.add({ source, firstAttempt });
        await bench.store.removeUnfinished(added, 'abandoned');
        await bench.store.removeUnfinished(added, 'abandoned');
        expect(await bench.subject.remains()).toEqual([]);
        const opening = bench.store.get(added.locationUrl);
        await expect(opening).rejects.toMatchObject({ code: 'store_blob_missing' });
      },
    );

    it('keeps its blob when the sweep does not know it to be abandoned', async () => {
      const added = await bench.add({ source: sourceOf(Buffer.from('kept')) });
      await bench.store.removeUnfinished(added, 'owned or unknown');
      await bench.store.removeUnfinished(added, 'abandoned');
      expect(await bench.store.listUnfinished()).toEqual([]);
      expect(await contentOf(bench, added.locationUrl)).toBe('kept');
    });

    it('that is not the first gets a name of its own, though the plain one is free', async () => {
      const imageId = randomUUID();
      const add = (firstAttempt: boolean) =>
        bench.add({ imageId, firstAttempt, source: sourceOf(Buffer.from('bytes')) });
      const first = await add(true);
      await first.discard();
      const second = await add(false);
      expect(second.locationUrl).not.toBe(first.locationUrl);
      expect(await contentOf(bench, second.locationUrl)).toBe('bytes');
    });

    it('can be discarded, twice', async () => {
      const added = await bench.add({ source: sourceOf(Buffer.from('x')) });
      await added.discard();
      await added.discard();
      expect(await bench.subject.remains()).toEqual([]);
      const opening = bench.store.get(added.locationUrl);
      await expect(opening).rejects.toMatchObject({ code: 'store_blob_missing' });
    });

    it('is discarded without harm to another upload of the image', async () => {
      const imageId = randomUUID();
      const first = await bench.add({ imageId, source: sourceOf(Buffer.from('first')) });
      const second = await bench.add({ imageId, source: sourceOf(Buffer.from('second')) });
      await first.discard();
      expect(await contentOf(bench, second.locationUrl)).toBe('second');
    });

    it('is not mistaken for the blob that took its name later', async () => {
      const imageId = randomUUID();
      const firstAttempt = true;
      const old = await bench.add({
        imageId,
        firstAttempt,
        source: sourceOf(Buffer.from('same size')),
      });
      await bench.store.delete(old.locationUrl);
      const source = sourceOf(Buffer.from('SAME SIZE'));
      const next = await bench.add({ imageId, firstAttempt, source });
      expect(next.locationUrl).toBe(old.locationUrl);
      await old.discard();
      expect(await contentOf(bench, next.locationUrl)).toBe('SAME SIZE');
    });
  });
}

async function contentOf(bench: Bench, locationUrl: string): Promise<string> {
  const { stream } = await bench.store.get(locationUrl);
  return (await readAll(stream)).toString();
}
