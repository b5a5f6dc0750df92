import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { describeStoreConformance } from '../../conformance';
import type { StoreHarness, StoreUnderTest } from '../../conformance/harness';
import { Relay } from '../../../testing/relay';
import { SheepStandIn } from '../../../testing/sheep-stand-in';
import { describeWithSheepdog, RealSheep } from '../../../testing/sheepdog-test-server';
import { SheepdogDriver } from './sheepdog-driver';

async function openDriver(port: number): Promise<SheepdogDriver> {
  const options = { sheepdog_store_port: port, sheepdog_store_chunk_size: 8 };
  const warn = (message: string): void => expect(message).toBe('no warning');
  return SheepdogDriver.create(options, { storeId: 'sheep', warn });
}

const HARNESS: Omit<StoreHarness, 'create'> = {
  capabilities: { add: true, delete: true, partialRead: true, list: true },
  // The stand-in, and the relay to the real one, are in this process; sheepdog-driver.test.ts has bounds.
  boundedMemory: false,
  forgedLocations: [
    'sheepdog://',
    'sheepdog://;touch x',
    'sheepdog://-a',
    'sheepdog://h:7000:$(id)',
    'sheepdog://no-such-image',
    'sheepdog://elsewhere:7000:00000000-0000-4000-8000-000000000000',
    'sheepdog://127.0.0.1:1:00000000-0000-4000-8000-000000000000',
    'sheepdog://00000000-0000-4000-8000-000000000000',
  ],
};

describe('sheepdog, with a stand-in of the server', () => {
  describeStoreConformance('sheepdog', {
    ...HARNESS,
    async create(): Promise<StoreUnderTest> {
      const sheep = await SheepStandIn.start();
      const driver = await openDriver(sheep.port);
      return {
        driver,
        remains: () => Promise.resolve(sheep.contents()),
        openReaders: () => Promise.resolve(driver.openReaders),
        takeAway: () => sheep.close(),
        dispose: () => sheep.close(),
      };
    },
  });
});

describeWithSheepdog()('sheepdog, with a real server', () => {
  let sheep: RealSheep;
  beforeAll(async () => {
    sheep = await RealSheep.start();
  });
  afterAll(() => sheep.stop());

  describeStoreConformance('sheepdog', {
    ...HARNESS,
    async create(): Promise<StoreUnderTest> {
      const relay = await Relay.start(new URL(`http://127.0.0.1:${sheep.port}`));
      const driver = await openDriver(Number(relay.host.split(':')[1]));
      return {
        driver,
        remains: () => Promise.resolve(sheep.names()),
        openReaders: () => Promise.resolve(driver.openReaders),
        takeAway: () => relay.takeAway(),
        dispose: async () => {
          await relay.takeAway();
          for (const name of sheep.names()) sheep.dog('vdi', 'delete', name);
        },
      };
    },
  });
});
