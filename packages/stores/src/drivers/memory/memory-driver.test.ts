import { describeStoreConformance } from '../../conformance';
import { MemoryDriver } from './memory-driver';

describeStoreConformance('memory', {
  capabilities: { add: true, delete: true, partialRead: true, list: true },
  boundedMemory: false,
  create() {
    const driver = new MemoryDriver();
    return Promise.resolve({
      driver,
      remains: () => Promise.resolve(driver.locations),
      openReaders: () => Promise.resolve(driver.openReaders),
      takeAway: () => {
        driver.breakWith(new Error('the memory is gone'));
        return Promise.resolve();
      },
      dispose: () => Promise.resolve(),
    });
  },
});
