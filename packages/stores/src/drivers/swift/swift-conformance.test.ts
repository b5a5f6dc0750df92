import { setImmediate as turn } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { describeStoreConformance } from '../../conformance';
import type { StoreOptions } from '../../store-options';
import {
  describeWithRadosSwift,
  describeWithSwift,
  RADOS_URL,
  SERVER_URL,
  TestContainer,
} from '../../../testing/swift-test-server';
import { SwiftDriver } from './swift-driver';

const IN_SEGMENTS = {
  swift_store_large_object_size: 1,
  swift_store_large_object_chunk_size: 1,
};

function describeSwift(name: string, server: string, options: StoreOptions): void {
  describeStoreConformance(name, {
    capabilities: { add: true, delete: true, partialRead: true, list: true },
    // What Node reads from a socket stays until it collects; swift-driver.test.ts has the bounds.
    boundedMemory: false,
    forgedLocations: [
      'swift://',
      'swift+config://ref2/container/blob',
      'swift+config://ref1/other/blob',
      'swift+http://user:key@elsewhere/auth/v1.0/container/blob',
      'swift+http://127.0.0.1/v1/AUTH_test/container/blob',
    ],
    async create() {
      const container = await TestContainer.make({ shared: true, server });
      const warnings: string[] = [];
      const driver = await SwiftDriver.create(
        { ...(await container.referenced()), ...options },
        { storeId: 'objects', warn: (message) => warnings.push(message) },
      );
      return {
        driver,
        remains: () => container.contents(),
        // Node gives a socket back a moment after the end of the answer.
        openReaders: async () => {
          await turn();
          return driver.busySockets;
        },
        takeAway: () => container.relay.takeAway(),
        async dispose() {
          await container.dispose();
          expect(warnings).toEqual([]);
        },
      };
    },
  });
}

describeWithSwift().each<[string, StoreOptions]>([
  ['swift', {}],
  ['swift, in segments', IN_SEGMENTS],
])('%s', (name, options) => {
  describeSwift(name, SERVER_URL, options);
});

describeWithRadosSwift().each<[string, StoreOptions]>([
  ['swift API of a RADOS gateway', {}],
  ['swift API of a RADOS gateway, in segments', IN_SEGMENTS],
])('%s', (name, options) => {
  describeSwift(name, RADOS_URL, options);
});
