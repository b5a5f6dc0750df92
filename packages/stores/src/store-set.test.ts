import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sourceOf } from './conformance';
import { MemoryDriver } from './drivers/memory/memory-driver';
import { StoreConfigurationError } from './store-configuration-error';
import { StoreSet } from './store-set';
import type { StoreConfig } from './store-set';
import type { StoreTypes } from './store-types';
import { STORE_TYPES } from './store-types';

const warn = (message: string): void => {
  throw new Error(`unexpected warning: ${message}`);
};

describe('the configured stores', () => {
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'glance-stores-'));
  });
  afterEach(() => rm(base, { recursive: true }));

  const file = (id: string, name = id): StoreConfig => ({
    id,
    type: 'file',
    options: { filesystem_store_datadir: join(base, name) },
  });
  const memory: StoreConfig = { id: 'ram', type: 'memory', options: {} };
  const create = (stores: StoreConfig[], defaultStoreId = 'fast') =>
    StoreSet.create({ stores, defaultStoreId }, { warn });
  const at = (url: string, metadata: Record<string, unknown> = {}) => ({ url, metadata });

  it('are found by id, and one is the default', async () => {
    const set = await create([file('slow'), file('fast'), memory]);
    expect(set.defaultStore.id).toBe('fast');
    expect(set.get('slow').id).toBe('slow');
    expect(set.list().map(({ id }) => id)).toEqual(['slow', 'fast', 'ram']);
    expect(() => set.get('other')).toThrow(expect.objectContaining({ code: 'store_unknown' }));
    await set.close();
  });

  it('are found by what they store: the location and its metadata lead back', async () => {
    const set = await create([file('slow'), file('fast'), memory]);
    for (const store of set.list()) {
      const name = { imageId: randomUUID(), uploadId: randomUUID() };
      const added = await store.add({ ...name, source: sourceOf(Buffer.from('x')) });
      expect(added.metadata).toEqual({ store: store.id });
      expect(set.forLocation(at(added.locationUrl, added.metadata))).toBe(store);
      expect(set.forLocation(at(added.locationUrl))).toBe(store);
    }
    await set.close();
  });

  it('are found by prefix when the recorded id is unknown or serves another scheme', async () => {
    const set = await create([file('slow', 'images2'), file('fast', 'images'), memory]);
    const idOf = (url: string, store?: string) => set.forLocation(at(url, { store })).id;
    expect(idOf(`file://${base}/images/x`, 'gone')).toBe('fast');
    expect(idOf(`file://${base}/images2/x`, 'ram')).toBe('slow');
    expect(idOf(`file://${base}/images/x`, 'slow')).toBe('slow');
    await set.close();
  });

  it.each([
    'file:///etc/passwd',
    'FILE:///etc/passwd',
    ' file:///etc/passwd',
    's3://bucket/x',
    'nonsense',
    '',
  ])('do not hold %j', async (url) => {
    const set = await create([file('fast'), memory]);
    expect(() => set.forLocation(at(url))).toThrow(
      expect.objectContaining({ code: 'store_unknown' }),
    );
    await set.close();
  });

  it('record no id when they are not named', async () => {
    const set = await StoreSet.create(
      { stores: [file('fast')], defaultStoreId: 'fast', named: false },
      { warn },
    );
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const { metadata } = await set.defaultStore.add({
      ...name,
      source: sourceOf(Buffer.from('x')),
    });
    expect(metadata).toEqual({});
    await set.close();
  });

  it('are described for operators and users', async () => {
    const described = { ...file('fast'), description: 'SSD', weight: 5 };
    const set = await create([described, memory]);
    expect(set.describe()).toEqual([
      {
        id: 'fast',
        type: 'file',
        description: 'SSD',
        weight: 5,
        isDefault: true,
        readOnly: false,
        properties: { data_dir: join(base, 'fast'), chunk_size: 524288, thin_provisioning: false },
      },
      {
        id: 'ram',
        type: 'memory',
        description: undefined,
        weight: 0,
        isDefault: false,
        readOnly: false,
        properties: {},
      },
    ]);
    await set.close();
  });

  it('tell the store of a place, and that of the heaviest first', async () => {
    const set = await create([
      { ...file('slow'), weight: -1 },
      file('fast'),
      { ...memory, weight: 5 },
    ]);
    const places = [
      at(`file://${base}/slow/x`, { store: 'slow' }),
      at('http://elsewhere/x', { own: 'y' }),
      at(`file://${base}/fast/x`, { store: 'renamed', own: 'y' }),
      at(`file://${base}/fast/y`),
      at('memory:/ram/x', { store: 'ram' }),
    ];
    expect(set.arrange(places)).toEqual([
      places[4],
      places[1],
      at(`file://${base}/fast/x`, { store: 'fast', own: 'y' }),
      at(`file://${base}/fast/y`, { store: 'fast' }),
      places[0],
    ]);
    await set.close();
    const unnamed = await StoreSet.create(
      { stores: [file('fast')], defaultStoreId: 'fast', named: false },
      { warn },
    );
    expect(unnamed.arrange(places)).toEqual(places);
    await unnamed.close();
  });

  it.each<[string, StoreConfig[], string, string]>([
    ['an unknown type', [{ id: 'a', type: 'tape', options: {} }], 'a', 'type tape is unknown'],
    ['a type every object has', [{ ...memory, type: 'constructor' }], 'ram', 'is unknown'],
    ['an id twice', [memory, memory], 'ram', 'store ram: is configured twice'],
    [
      'a default that is not there',
      [memory],
      'fast',
      'default store fast: is not among the stores',
    ],
    ['no store', [], 'fast', 'default store fast: is not among the stores'],
  ])('refuse %s', async (_, stores, defaultStoreId, message) => {
    await expect(create(stores, defaultStoreId)).rejects.toThrow(message);
  });

  it('name the problems of all stores at once and leave none open', async () => {
    const close = jest.fn(() => Promise.resolve());
    const types: StoreTypes = {
      ...STORE_TYPES,
      memory: {
        options: {},
        create: () => Promise.resolve(Object.assign(new MemoryDriver(), { close })),
      },
    };
    const broken = (id: string): StoreConfig => ({
      id,
      type: 'file',
      options: { filesystem_store_datadir: 'relative', filesystem_store_file_perm: '9' },
    });
    const creating = StoreSet.create(
      { stores: [memory, broken('a'), broken('b')], defaultStoreId: 'ram' },
      { warn, types },
    );
    const failure = await creating.catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreConfigurationError);
    const { problems } = failure as StoreConfigurationError;
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'store a',
      'store a',
      'store b',
      'store b',
    ]);
    expect(close).toHaveBeenCalledTimes(1);
  });
});
