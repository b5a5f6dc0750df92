import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { describeStoreConformance } from '../../conformance';
import { MIB } from '../../conformance/memory-use';
import type { ContractArea, StoreHarness } from '../../conformance/harness';
import type { StoreOptions } from '../../store-options';
import type { CopyLimits } from './copy-blob';
import { S3Driver } from './s3-driver';
import {
  describeWithS3,
  describeWithS3Hosts,
  resolveS3Hosts,
  TestBucket,
} from '../../../testing/s3-test-server';

const COPIES_IN_PARTS = { copyAtOnceBytes: 0, copyPartBytes: 5 * MIB };

describeWithS3().each<[string, StoreOptions, ContractArea[] | undefined, Partial<CopyLimits>]>([
  ['s3', {}, undefined, {}],
  [
    's3, always in parts',
    { s3_store_large_object_size: 0, s3_store_large_object_chunk_size: 5 },
    ['add'],
    COPIES_IN_PARTS,
  ],
])('%s', (name, options, areas, limits) => {
  describeStoreConformance(name, {
    ...harness((bucket) => ({ ...bucket.options, ...options }), limits),
    ...(areas && { areas }),
  });
});

describeWithS3Hosts()('s3, with the bucket in the name of the host', () => {
  let names: { restore: () => void };
  beforeAll(() => {
    names = resolveS3Hosts();
  });
  afterAll(() => names.restore());

  describeStoreConformance(
    'virtual',
    harness((bucket) => bucket.hostOptions),
  );
});

function harness(
  optionsOf: (bucket: TestBucket) => StoreOptions,
  limits: Partial<CopyLimits> = {},
): StoreHarness {
  return {
    capabilities: { add: true, delete: true, partialRead: true, list: true },
    // What Node reads from a socket stays until it collects; s3-driver.test.ts has the bounds.
    boundedMemory: false,
    forgedLocations: [
      's3://',
      's3://127.0.0.1/other/blob',
      's3://elsewhere/bucket/blob',
      's3://access:secret@elsewhere/bucket/blob',
      'S3://127.0.0.1/bucket/blob',
    ],
    async create() {
      const bucket = await TestBucket.make();
      const context = {
        storeId: 'objects',
        warn: (message: string) => expect(message).toBe('no warning'),
      };
      const driver = await S3Driver.create(optionsOf(bucket), context, limits);
      return {
        driver,
        remains: () => bucket.contents(),
        // Node gives a socket back a moment after the end of the answer.
        openReaders: async () => {
          await turn();
          return driver.busySockets;
        },
        takeAway: () => bucket.takeAway(),
        dispose: () => bucket.dispose(),
      };
    },
  };
}
