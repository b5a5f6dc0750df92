import {
  booleanOption,
  integerOption,
  repeatableOption,
  textOption,
  type ConfigSources,
  type Option,
  type OptionTable,
} from '@glance/service-kit';
import { STORE_TYPES, type StoreOption, type StoreOptionTable } from '@glance/stores';

type Options = Record<string, Option<unknown>>;

/** A store of `enabled_backends`: the name of its section, and its kind. */
export interface EnabledBackend {
  id: string;
  type: string;
}

/** The options that the stores declare, as options of a configuration file. */
export function storeOptions(): Options {
  return merged((table) => toOptions(table, toOption));
}

/**
 * The sections of `enabled_backends` (stores sheet §2): one for each store, of the options of its
 * kind, and `[backend_defaults]` for what these leave unset. A kind that is not known has none.
 */
export const storeSections: NonNullable<ConfigSources['moreSections']> = (config): OptionTable => {
  const backends = enabledBackends(config['DEFAULT']?.['enabled_backends'] as readonly string[]);
  if (backends.length === 0) return {};
  const sections = backends.map(({ id, type }): [string, Options] => [
    id,
    { ...toOptions(STORE_TYPES[type]?.options ?? {}, unset), ...ABOUT_STORE },
  ]);
  return {
    backend_defaults: merged((table) => toOptions(table, unset)),
    ...Object.fromEntries(sections),
  };
};

/** The items `id:type` of `enabled_backends`; the type is empty where an item has none. */
export function enabledBackends(items: readonly string[]): EnabledBackend[] {
  return items.map((item) => {
    const [id = '', type = ''] = item.split(':', 2);
    return { id: id.trim(), type: type.trim() };
  });
}

const ABOUT_STORE: Options = {
  store_description: textOption({ help: 'What users are told of the store.' }),
  weight: integerOption({
    help: 'Of the stores that hold an image, the one of the highest weight is read first.',
    default: 0,
    min: Number.MIN_SAFE_INTEGER,
  }),
};

function merged(optionsOf: (table: StoreOptionTable) => Options): Options {
  return Object.fromEntries(
    Object.values(STORE_TYPES).flatMap(({ options }) => Object.entries(optionsOf(options))),
  );
}

function toOptions(table: StoreOptionTable, convert: (option: StoreOption) => Option<unknown>) {
  return Object.fromEntries(Object.entries(table).map(([name, option]) => [name, convert(option)]));
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

/** The option without its default, which counts only when no section has a value. */
function unset(option: StoreOption): Option<unknown> {
  return { ...toOption(option), default: undefined };
}
