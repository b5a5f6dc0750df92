import { describe, expect, it } from '@jest/globals';
import { readRbdOptions } from './rbd-options';

const MIB = 1024 * 1024;
const context = { storeId: 'ceph', warn: () => undefined };

describe('options of the rbd store', () => {
  it('leave user and file to Ceph, and have a time limit, unless told otherwise', () => {
    expect(readRbdOptions({}, context)).toEqual({
      connection: {
        configurationFile: undefined,
        user: undefined,
        pool: 'images',
        timeoutSeconds: 20,
      },
      chunkBytes: 8 * MIB,
      order: 23,
      thin: false,
    });
  });

  it.each([
    [1, 20],
    [6, 22],
    [8, 23],
    [63, 25],
  ])('make chunks of %i MiB objects of order %i', (rbd_store_chunk_size, order) => {
    const settings = readRbdOptions({ rbd_store_chunk_size }, context);
    expect(settings).toMatchObject({ chunkBytes: rbd_store_chunk_size * MIB, order });
  });

  it('leave the time limit to Ceph with -1', () => {
    const { connection } = readRbdOptions({ rados_connect_timeout: '-1' }, context);
    expect(connection.timeoutSeconds).toBeUndefined();
  });

  it.each([
    ['rbd_store_pool', { rbd_store_pool: ' ' }],
    ['rbd_store_chunk_size', { rbd_store_chunk_size: 64 }],
    ['rbd_store_chunk_size', { rbd_store_chunk_size: 0 }],
    ['rados_connect_timeout', { rados_connect_timeout: -2 }],
    ['rbd_thin_provisioning', { rbd_thin_provisioning: 'maybe' }],
  ])('are refused with the name of %s', (name, options) => {
    expect(() => readRbdOptions(options, context)).toThrow(`store ceph: option ${name}: must be`);
  });
});
