import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Bench } from './bench';
import { STORE_ID } from './bench';
import { readAll, sourceOf } from './pattern';

const MISSING = { code: 'store_blob_missing', details: { store: STORE_ID } };

/** What a store answers when it cannot, or must not. */
export function describeErrors(bench: Bench): void {
  const { capabilities, forgedLocations = [] } = bench.harness;

  describe('a store', () => {
    it('has the abilities it is tested for', () => {
      expect(bench.store.capabilities).toEqual(capabilities);
    });

    if (capabilities.add) {
      it('is ready to be written, and leaves no trace of the question', async () => {
        await bench.store.checkWritable();
        expect(await bench.subject.remains()).toEqual([]);
      });

      it('is ready to be read, and leaves no trace of the question', async () => {
        await bench.store.checkReadable();
        expect(await bench.subject.remains()).toEqual([]);
      });
    } else {
      it('that cannot add refuses to, and is not ready for it', async () => {
        const refusal = { code: 'store_add_disabled', details: { store: STORE_ID } };
        const source = sourceOf(Buffer.from('x'));
        await expect(bench.add({ source })).rejects.toMatchObject(refusal);
        await expect(bench.store.checkWritable()).rejects.toMatchObject(refusal);
      });
    }

    if (!capabilities.delete) {
      it('that cannot delete refuses to', async () => {
        const location = await bench.given(1);
        await expect(bench.store.delete(location)).rejects.toMatchObject({
          code: 'store_delete_denied',
          details: { store: STORE_ID },
        });
      });
    }

    if (!capabilities.list) {
      it('that cannot list refuses to', async () => {
        await expect(bench.store.listBlobs().next()).rejects.toMatchObject({
          code: 'store_get_unsupported',
          details: { store: STORE_ID },
        });
      });
    }

    it('has nothing unfinished when it is new', async () => {
      expect(await bench.store.listUnfinished()).toEqual([]);
      const name = { imageId: randomUUID(), uploadId: randomUUID() };
      await bench.store.removeUnfinished(name, 'abandoned');
      await bench.store.removeUnfinished(name, 'owned or unknown');
    });

    it('takes no odd ids for unfinished blobs', async () => {
      const name = { imageId: '../..', uploadId: randomUUID() };
      const refusal = { code: 'invalid_request' };
      const removing = bench.store.removeUnfinished(name, 'abandoned');
      await expect(removing).rejects.toMatchObject(refusal);
    });
  });

  describe('a location that is not the store’s', () => {
    const forgeries: ((real: string) => string)[] = [
      () => '',
      () => 'nonsense',
      () => '/etc/passwd',
      () => 'unknown-scheme://host/blob',
      (real) => ` ${real}`,
      (real) => real.replace(/^[^:]+/, (scheme) => scheme.toUpperCase()),
      (real) => `${real}/../../../../../../../../etc/passwd`,
      (real) => `${real}\0`,
      ...forgedLocations.map((location) => () => location),
    ];

    it.each(forgeries.map((forge) => [forge('REAL'), forge] as const))(
      'is refused: %j',
      async (_, forge) => {
        const real = await bench.given(Buffer.from('untouched'));
        const forged = forge(real);
        await expect(bench.store.get(forged)).rejects.toMatchObject(MISSING);
        await expect(bench.store.sizeOf(forged)).rejects.toMatchObject(MISSING);
        if (capabilities.delete) {
          await expect(bench.store.delete(forged)).rejects.toMatchObject(MISSING);
        }
        const { stream } = await bench.store.get(real);
        expect((await readAll(stream)).toString()).toBe('untouched');
      },
    );
  });

  describe('a store that is gone', () => {
    it('says so with its name and the cause, and shows nothing of the host', async () => {
      const location = await bench.given(1);
      await bench.takeAway();
      const attempts: [string, () => Promise<unknown>][] = [
        ['get', () => bench.store.get(location)],
        ['sizeOf', () => bench.store.sizeOf(location)],
      ];
      if (capabilities.delete) attempts.push(['delete', () => bench.store.delete(location)]);
      if (capabilities.list) attempts.push(['listBlobs', () => bench.store.listBlobs().next()]);
      if (capabilities.add) {
        const name = { imageId: randomUUID(), uploadId: randomUUID() };
        const source = sourceOf(Buffer.from('x'));
        attempts.push(['add', () => bench.store.add({ ...name, source })]);
        attempts.push(['checkWritable', () => bench.store.checkWritable()]);
      }
      for (const [operation, attempt] of attempts) {
        const failure = await attempt().then(
          () => ({ operation, code: 'no failure' }),
          (error: unknown) => error,
        );
        expect(failure).toMatchObject({
          code: 'store_unavailable',
          details: { store: STORE_ID },
          message: expect.not.stringContaining('/'),
          cause: expect.anything(),
        });
      }
    });
  });
}
