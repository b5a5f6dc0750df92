import { describe, expect, it } from '@jest/globals';
import type { StoreOptions } from '../../store-options';
import { readSheepdogOptions } from './sheepdog-options';

const read = (options: StoreOptions) =>
  readSheepdogOptions(options, { storeId: 'sheep', warn: () => undefined });

describe('options of the sheepdog store', () => {
  it('are upstream’s unless set', () => {
    expect(read({})).toEqual({
      address: { host: '127.0.0.1', port: 7000 },
      objectsAtATime: 16,
    });
  });

  it.each([
    [1, 1],
    [9, 2],
  ])('a chunk of %i MiB is %i objects', (chunk, objectsAtATime) => {
    expect(read({ sheepdog_store_chunk_size: chunk })).toMatchObject({ objectsAtATime });
  });

  it.each<[StoreOptions, string]>([
    [{ sheepdog_store_address: '' }, 'sheepdog_store_address'],
    [{ sheepdog_store_address: '-a' }, 'sheepdog_store_address'],
    [{ sheepdog_store_address: 'http://sheep' }, 'sheepdog_store_address'],
    [{ sheepdog_store_port: 0 }, 'sheepdog_store_port'],
    [{ sheepdog_store_port: 65_536 }, 'sheepdog_store_port'],
    [{ sheepdog_store_chunk_size: 0 }, 'sheepdog_store_chunk_size'],
  ])('refuses %j by its name', (options, name) => {
    expect(() => read(options)).toThrow(`store sheep: option ${name}: must be`);
  });
});
