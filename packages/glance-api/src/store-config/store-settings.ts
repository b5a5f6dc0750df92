import {
  STORE_TYPES,
  type InstrumentedStore,
  type StoreConfig,
  type StoreOptions,
  type StoreSet,
  type StoreSetConfig,
} from '@glance/stores';
import { API_OPTIONS, type ApiConfig } from '../config';
import { enabledBackends } from './store-options';

/** Names of stores that belong to the service (stores sheet §2). */
const RESERVED_PREFIX = 'os_glance_';

/**
 * The stores of a configuration. Kinds that this release does not have are left out: an operator's
 * file may name them, and all other images are still served.
 * @throws Error that names the option at fault.
 */
export function storeSettings(config: ApiConfig, warn: (message: string) => void): StoreSetConfig {
  return config.DEFAULT.enabled_backends.length > 0
    ? namedStores(config, warn)
    : storesByKind(config, warn);
}

/** Upstream's several stores, each with a name and a section of its own (stores sheet §2). */
function namedStores(config: ApiConfig, warn: (message: string) => void): StoreSetConfig {
  const backends = enabledBackends(config.DEFAULT.enabled_backends);
  const option = `[DEFAULT] enabled_backends = ${config.DEFAULT.enabled_backends.join(', ')}`;
  for (const { id, type } of backends) {
    if (id === '' || type === '') throw new Error(`${option}: must be a list of NAME:TYPE`);
    if (id.startsWith(RESERVED_PREFIX)) {
      throw new Error(`${option}: names that begin with ${RESERVED_PREFIX} are the service's own`);
    }
    if (id === 'backend_defaults' || Object.hasOwn(API_OPTIONS, id)) {
      throw new Error(`${option}: [${id}] is a section of the service: name the store otherwise`);
    }
  }
  const known = backends.filter(({ type }) => Object.hasOwn(STORE_TYPES, type));
  for (const { id, type } of backends.filter((each) => !known.includes(each))) {
    warn(`${option}: this release has no ${type} store; images in ${id} are not served`);
  }
  const { default_backend: defaultStoreId } = config.glance_store;
  const ids = known.map(({ id }) => id);
  if (defaultStoreId === undefined || !ids.includes(defaultStoreId)) {
    throw new Error(
      `[glance_store] default_backend = ${defaultStoreId ?? ''} must be one of the stores of ` +
        `enabled_backends: ${ids.join(', ')}`,
    );
  }
  const sections = config as unknown as Readonly<Record<string, StoreOptions>>;
  return {
    stores: known.map(({ id, type }): StoreConfig => {
      const { store_description: description, weight, ...own } = sections[id] ?? {};
      return {
        id,
        type: storeType(type),
        options: { ...sharedOptions(config), ...whatIsSet(own) },
        description: description as string | undefined,
        weight: weight as number,
      };
    }),
    defaultStoreId,
    named: true,
  };
}

/** What stands in `[backend_defaults]` for stores with names. */
export function sharedOptions(config: ApiConfig): StoreOptions {
  const sections = config as unknown as Readonly<Record<string, StoreOptions>>;
  return whatIsSet(sections['backend_defaults'] ?? {});
}

/**
 * The stores of `[glance_store]`, upstream's legacy mode: each enabled kind is one store, named
 * after its kind, and all options stand in the one section.
 */
function storesByKind(config: ApiConfig, warn: (message: string) => void): StoreSetConfig {
  const { stores, default_store: defaultStore, ...options } = config.glance_store;
  const known = stores.filter((name) => Object.hasOwn(STORE_TYPES, name));
  for (const name of stores.filter((each) => !known.includes(each))) {
    warn(`[glance_store] stores: this release has no ${name} store; images in it are not served`);
  }
  const types = [...new Set(known.map(storeType))];
  if (!types.includes(storeType(defaultStore))) {
    throw new Error(
      `[glance_store] default_store = ${defaultStore} is not among stores = ${stores.join(',')}`,
    );
  }
  return {
    stores: types.map((type) => ({ id: type, type, options })),
    defaultStoreId: storeType(defaultStore),
    named: false,
  };
}

/**
 * The store that a client names. One without a name of its own may be called by either name of its
 * kind.
 */
export function storeNamed(name: string, stores: StoreSet): InstrumentedStore | undefined {
  const wanted = stores.areNamed ? name : storeType(name);
  return stores.list().find(({ id }) => id === wanted);
}

/** `file` and `filesystem` are two names of one kind. */
function storeType(name: string): string {
  return name === 'filesystem' ? 'file' : name;
}

function whatIsSet(options: StoreOptions): StoreOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
