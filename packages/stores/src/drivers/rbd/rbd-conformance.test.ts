import { afterAll, beforeAll } from '@jest/globals';
import { describeStoreConformance } from '../../conformance';
import { describeWithCeph, TestPool } from '../../../testing/ceph-test-pool';
import { RbdDriver } from './rbd-driver';

describeWithCeph()('rbd', () => {
  let pool: TestPool;
  beforeAll(async () => {
    pool = await TestPool.make();
  });
  afterAll(() => pool.dispose());

  describeStoreConformance('thin, in small objects', {
    capabilities: { add: true, delete: 'unless in use', partialRead: true, list: true },
    boundedMemory: true,
    forgedLocations: [
      'rbd://',
      'rbd:///',
      'rbd://no-such-image',
      'rbd://a/b',
      'rbd://a/b/c',
      'rbd://00000000-0000-0000-0000-000000000000/images/image/snap',
      'rbd://a%2Fb',
      'rbd://%61',
      'rbd://a@snap',
    ],
    async create() {
      const { conf, takeAway } = await pool.copyOfConf();
      const options = {
        ...pool.options,
        rbd_store_ceph_conf: conf,
        rbd_thin_provisioning: true,
        rbd_store_chunk_size: 1,
        rados_connect_timeout: -1,
      };
      const driver = await RbdDriver.create(options, { storeId: 'rbd', warn: () => undefined });
      return {
        driver,
        remains: () => pool.contents(),
        openReaders: () => Promise.resolve(driver.openReaders),
        async takeAway() {
          await takeAway();
          process.kill(driver.helperPid ?? 0, 'SIGKILL');
        },
        dispose: () => Promise.resolve(),
      };
    },
  });
});
