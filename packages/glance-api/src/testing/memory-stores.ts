import { MemoryDriver, StoreSet, type StoreCapabilities } from '@glance/stores';

export interface MemoryStores {
  stores: StoreSet;
  /** By the id of the store. */
  drivers: ReadonlyMap<string, MemoryDriver>;
}

/** Stores in memory that a test can look into and break; the first one is the default. Several have names. */
export async function memoryStores(
  ids: readonly string[] = ['memory'],
  capabilities: Partial<StoreCapabilities> = {},
): Promise<MemoryStores> {
  const drivers = new Map(
    ids.map((id) => {
      const driver = new MemoryDriver();
      return [
        id,
        Object.assign(driver, { capabilities: { ...driver.capabilities, ...capabilities } }),
      ];
    }),
  );
  const stores = await StoreSet.create(
    {
      stores: ids.map((id) => ({ id, type: id, options: {} })),
      defaultStoreId: ids[0] ?? '',
      named: ids.length > 1,
    },
    {
      warn: () => undefined,
      types: Object.fromEntries(
        [...drivers].map(([id, driver]) => [
          id,
          { options: {}, create: () => Promise.resolve(driver) },
        ]),
      ),
    },
  );
  return { stores, drivers };
}
