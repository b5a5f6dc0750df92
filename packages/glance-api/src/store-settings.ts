import {
  booleanOption,
  integerOption,
  repeatableOption,
  textOption,
  type Option,
} from '@glance/service-kit';
import { STORE_TYPES, type StoreOption, type StoreSetConfig } from '@glance/stores';
import type { ApiConfig } from './config';

/** The options that the stores declare, as options of a configuration file. */
export function storeOptions(): Record<string, Option<unknown>> {
  const tables = Object.values(STORE_TYPES).flatMap(({ options }) => Object.entries(options));
  return Object.fromEntries(tables.map(([name, option]) => [name, toOption(option)]));
}

function toOption(option: StoreOption): Option<unknown> {
  const help = option.description;
  switch (option.kind) {
    case 'text': {
      const secret = option.secret ?? false;
      return option.default === undefined
        ? textOption({ help, secret })
        : textOption({ help, secret, default: option.default });
    }
    case 'list':
      return repeatableOption({ help });
    case 'integer': {
      const min = option.minimum ?? Number.MIN_SAFE_INTEGER;
      return option.default === undefined
        ? integerOption({ help, min })
        : integerOption({ help, min, default: option.default });
    }
    case 'boolean':
      return booleanOption({ help, default: option.default ?? false });
  }
}

/**
 * The stores of `[glance_store]`, upstream's legacy mode: each enabled kind is one store, named
 * after its kind, and all options stand in the one section. Kinds that this release does not have
 * are left out: an operator's file may name them, and all other images are still served.
 * @throws Error when the default store is not among the enabled ones.
 */
export function storeSettings(config: ApiConfig, warn: (message: string) => void): StoreSetConfig {
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

/** `file` and `filesystem` are two names of one kind. */
export function storeType(name: string): string {
  return name === 'filesystem' ? 'file' : name;
}
