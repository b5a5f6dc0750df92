import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MIB } from '../../conformance/memory-use';
import { digestOf, patternSource, readAll, sourceOf } from '../../conformance/pattern';
import { InstrumentedStore } from '../../instrumented-store';
import type { AddedBlob } from '../../store-driver';
import type { StoreOptions } from '../../store-options';
import { S3FaultGate, type S3Request } from '../../../testing/s3-fault-gate';
import { describeWithS3, SERVER_URL, TestBucket } from '../../../testing/s3-test-server';
import type { CopyLimits } from './copy-blob';
import { PART_MEMORY } from './part-memory';
import type { S3Timeouts } from './s3-connection';
import { S3Driver } from './s3-driver';

/** Of two parts, or of one request. */
const IN_PARTS = 6 * MIB;
const AT_ONCE = 200_000;

describeWithS3()('the s3 store in front of a server that fails', () => {
  let bucket: TestBucket;
  let gate: S3FaultGate;
  let store: InstrumentedStore;
  let warnings: string[];

  beforeEach(async () => {
    bucket = await TestBucket.make();
    gate = await S3FaultGate.start(new URL(SERVER_URL));
    warnings = [];
    store = await openStore();
  });

  afterEach(async () => {
    await store.close();
    await gate.close();
    await bucket.dispose();
    expect(PART_MEMORY.usedBytes).toBe(0);
  });

  async function openStore(
    options: StoreOptions = {},
    host = gate.host,
    limits: Partial<S3Timeouts & CopyLimits> = {},
  ) {
    const driver = await S3Driver.create(
      {
        ...bucket.options,
        s3_store_host: host,
        s3_store_large_object_size: 1,
        s3_store_large_object_chunk_size: 5,
        ...options,
      },
      { storeId: 'objects', warn: (message) => warnings.push(message) },
      { answerMs: 1000, ...limits },
    );
    return new InstrumentedStore(driver, { id: 'objects', type: 's3' });
  }

  /** As an upload of announced size. */
  async function add(data: Buffer, to = store): Promise<AddedBlob & { uploadId: string }> {
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const request = { ...name, source: sourceOf(data), expectedSizeBytes: data.length };
    return { ...(await to.add(request)), uploadId: name.uploadId };
  }

  async function expectStored(added: AddedBlob, data: Buffer): Promise<void> {
    await added.settle();
    expect(await bucket.contents()).toEqual([added.locationUrl.split('/').at(-1)]);
    const { stream } = await store.get(added.locationUrl);
    expect((await readAll(stream)).equals(data)).toBe(true);
  }

  const count = (about: S3Request) => gate.requests.filter((each) => each === about).length;

  const SLOW_DOWN = { status: 503, code: 'SlowDown' };

  describe('goes on', () => {
    it.each([
      ['was told to slow down', SLOW_DOWN],
      ['was reset midway', 'reset midway' as const],
      ['was lost', 'lost request' as const],
      ['got no answer, though it arrived', 'lost answer' as const],
    ])('after a part that %s', async (_, fault) => {
      const data = randomBytes(IN_PARTS);
      gate.plan('part', fault, 2);
      await expectStored(await add(data), data);
      expect(count('part')).toBe(4);
    });

    it('after a server that could not say where it stood', async () => {
      const data = randomBytes(AT_ONCE);
      gate.plan('look', SLOW_DOWN, 1);
      gate.plan('mark', 'lost answer', 1);
      await expectStored(await add(data), data);
    });

    it.each([
      ['one request', AT_ONCE, 'put'],
      ['parts', IN_PARTS, 'complete'],
    ] as const)('when the last answer is lost, in %s', async (_, sizeBytes, last) => {
      const data = randomBytes(sizeBytes);
      gate.plan(last, 'lost answer');
      await expectStored(await add(data), data);
    });

    it.each([
      ['lost', 'lost request' as const],
      ['refused for now', SLOW_DOWN],
    ])('when the end of the parts is %s once', async (_, fault) => {
      const data = randomBytes(IN_PARTS);
      gate.plan('complete', fault, 1);
      await expectStored(await add(data), data);
    });
  });

  describe('gives up, and leaves nothing', () => {
    const both = [
      ['one request', AT_ONCE, 'put'],
      ['parts', IN_PARTS, 'part'],
    ] as const;

    it.each(
      both.flatMap(([form, sizeBytes, about]) =>
        [
          [403, 'QuotaExceeded'],
          [507, 'InsufficientStorage'],
          [400, 'EntityTooLarge'],
        ].map(([status, code]) => ({ form, sizeBytes, about, status, code })),
      ),
    )('when it is full: $status $code, in $form', async ({ sizeBytes, about, status, code }) => {
      gate.plan(about, { status: Number(status), code: String(code) });
      const adding = add(randomBytes(sizeBytes));
      await expect(adding).rejects.toMatchObject({ code: 'store_full' });
      expect(await bucket.contents()).toEqual([]);
    });

    it.each(
      both.flatMap(([form, sizeBytes, about]) =>
        (['silence', 'reset midway'] as const).map((fault) => ({ form, sizeBytes, about, fault })),
      ),
    )('at a server that answers with $fault, in $form', async ({ sizeBytes, about, fault }) => {
      gate.plan(about, fault);
      const adding = add(randomBytes(sizeBytes));
      await expect(adding).rejects.toMatchObject({ code: 'store_unavailable' });
      // A request that was sent whole may still come into effect: then its mark stays.
      if (about === 'put') await sweep();
      expect(await bucket.contents()).toEqual([]);
    });

    it('at a server that stays busy', async () => {
      gate.plan('part', SLOW_DOWN);
      const adding = add(randomBytes(IN_PARTS));
      await expect(adding).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await bucket.contents()).toEqual([]);
    });

    it('at credentials that are wrong', async () => {
      const wrong = await openStore({ s3_store_secret_key: 'a-wrong-secret' });
      const adding = add(randomBytes(AT_ONCE), wrong);
      await expect(adding).rejects.toMatchObject({ code: 'store_write_denied' });
      expect(await bucket.contents()).toEqual([]);
      await wrong.close();
    });
  });

  describe('leaves to a sweep', () => {
    it.each([
      ['was lost', AT_ONCE, 'put', 'lost answer'],
      ['was lost', IN_PARTS, 'complete', 'lost answer'],
      ['never came', IN_PARTS, 'complete', 'lost request'],
    ] as const)(
      'what became of the end that %s, when nobody can look (%i bytes)',
      async (_, sizeBytes, last, fault) => {
        gate.plan(last, fault);
        const adding = add(randomBytes(sizeBytes)).catch((error: unknown) => error);
        // The first look finds the name free; from then on nobody sees anything.
        await until(() => count(last) > 0);
        gate.plan('look', { status: 503, code: 'SlowDown' });
        gate.plan('other', { status: 503, code: 'SlowDown' });
        expect(await adding).toMatchObject({ code: 'store_unavailable' });
        expect(warnings).toEqual([expect.stringContaining('a sweep will')]);
        gate.heal();
        expect(await bucket.contents()).not.toEqual([]);
        await sweep();
        expect(await bucket.contents()).toEqual([]);
      },
    );
  });

  describe('copies', () => {
    const inParts = { copyAtOnceBytes: 0, copyPartBytes: 5 * MIB };
    const newName = () => ({ imageId: randomUUID(), uploadId: randomUUID() });
    let original: AddedBlob;
    let data: Buffer;
    let copier: InstrumentedStore;

    beforeEach(async () => {
      copier = await openStore({}, gate.host, inParts);
      data = randomBytes(11 * MIB);
      original = await add(data);
      await original.settle();
      gate.requests.length = 0;
    });
    afterEach(() => copier.close());

    const expectOnlyOriginal = async (): Promise<void> => {
      expect(await bucket.contents()).toEqual([original.locationUrl.split('/').at(-1)]);
    };

    it.each([
      ['one request', () => store, { put: 1, part: 0 }],
      ['parts', () => copier, { put: 0, part: 3 }],
    ])('without the bytes, in %s', async (_, from, requests) => {
      const copied = await from().copy(original.locationUrl, newName());
      await copied.settle();
      expect({ put: count('put'), part: count('part') }).toEqual(requests);
      const { stream } = await store.get(copied.locationUrl);
      expect((await readAll(stream)).equals(data)).toBe(true);
    });

    it('when the answer is lost', async () => {
      gate.plan('put', 'lost answer');
      const copied = await store.copy(original.locationUrl, newName());
      await copied.settle();
      expect(await store.sizeOf(copied.locationUrl)).toBe(data.length);
    });

    it.each([
      ['one request', () => store, 'put'],
      ['parts', () => copier, 'part'],
    ] as const)('not where the server does not, in %s', async (_, from, about) => {
      gate.plan(about, { status: 501, code: 'NotImplemented' });
      const copying = from().copy(original.locationUrl, newName());
      await expect(copying).rejects.toMatchObject({ code: 'store_get_unsupported' });
      await expectOnlyOriginal();
    });

    it.each([
      ['one request', () => store, 'put'],
      ['parts', () => copier, 'part'],
    ] as const)('no more when the store is full, in %s', async (_, from, about) => {
      gate.plan(about, { status: 507, code: 'InsufficientStorage' });
      const copying = from().copy(original.locationUrl, newName());
      await expect(copying).rejects.toMatchObject({ code: 'store_full' });
      await expectOnlyOriginal();
    });

    it.each([
      ['one request', () => store, 'put'],
      ['parts', () => copier, 'part'],
    ] as const)('until they are given up, in %s', async (_, from, about) => {
      gate.plan(about, 'silence');
      const stop = new AbortController();
      const reason = new Error('nobody waits for it');
      const copying = from().copy(original.locationUrl, { ...newName(), signal: stop.signal });
      const refusal = expect(copying).rejects.toBe(reason);
      await until(() => count(about) > 0);
      stop.abort(reason);
      await refusal;
      // The server may have gone on with one request: then its mark stays.
      if (about === 'put') await sweep();
      await expectOnlyOriginal();
    });
  });

  describe('reads', () => {
    it.each(['silence', 'lost request'] as const)('not from a server with %s', async (fault) => {
      const data = randomBytes(AT_ONCE);
      const added = await add(data);
      gate.plan('look', fault);
      gate.plan('other', fault);
      const unavailable = { code: 'store_unavailable' };
      await expect(store.get(added.locationUrl)).rejects.toMatchObject(unavailable);
      await expect(store.sizeOf(added.locationUrl)).rejects.toMatchObject(unavailable);
      await expect(store.delete(added.locationUrl)).rejects.toMatchObject(unavailable);
      gate.heal();
      await expectStored(added, data);
    });
  });

  it('shares the memory of parts among sixteen uploads of unknown size', async () => {
    const patient = await openStore({}, gate.host, { answerMs: 60_000 });
    let mostBytes = 0;
    const sizeBytes = 11 * MIB;
    const onRequest = () => {
      mostBytes = Math.max(mostBytes, PART_MEMORY.usedBytes);
    };
    const adding = Array.from({ length: 16 }, () =>
      patient.add({
        imageId: randomUUID(),
        uploadId: randomUUID(),
        source: patternSource({ sizeBytes, onRequest }),
      }),
    );
    const added = await Promise.all(adding);
    expect(mostBytes).toBeGreaterThan(32 * MIB);
    expect(mostBytes).toBeLessThanOrEqual(40 * MIB);
    const expected = await digestOf(patternSource({ sizeBytes }));
    for (const { locationUrl } of added) {
      expect(await digestOf((await patient.get(locationUrl)).stream)).toBe(expected);
    }
    await patient.close();
  });

  it('trusts the authority of s3_store_cacert, and no other', async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-s3-tls-'));
    const file = (name: string) => path.join(directory, name);
    try {
      execFileSync(
        'openssl',
        [
          ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
          ...['-days', '2', '-subj', '/CN=s3', '-addext', 'subjectAltName=IP:127.0.0.1'],
          ...['-keyout', file('key.pem'), '-out', file('cert.pem')],
        ],
        { stdio: 'ignore' },
      );
      const tls = await S3FaultGate.start(new URL(SERVER_URL), {
        cert: readFileSync(file('cert.pem'), 'utf8'),
        key: readFileSync(file('key.pem'), 'utf8'),
      });
      const url = `https://${tls.host}`;
      const trusting = await openStore({ s3_store_cacert: file('cert.pem') }, url);
      const data = randomBytes(AT_ONCE);
      const added = await add(data, trusting);
      expect(added.locationUrl).toMatch(/^s3\+https:/);
      const { stream } = await trusting.get(added.locationUrl);
      expect((await readAll(stream)).equals(data)).toBe(true);
      const strict = await openStore({}, url);
      await expect(strict.sizeOf(added.locationUrl)).rejects.toMatchObject({
        code: 'store_unavailable',
        cause: { message: expect.stringMatching(/self-signed|certificate/i) },
      });
      for (const each of [trusting, strict]) await each.close();
      await tls.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  async function sweep(): Promise<void> {
    for (const left of await store.listUnfinished()) {
      await store.removeUnfinished(left, 'abandoned');
    }
  }
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
