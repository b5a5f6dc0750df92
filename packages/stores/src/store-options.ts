import { StoreConfigurationError } from './store-configuration-error';

/** Options as a configuration file gives them (text) or already typed, by upstream's names. */
export type StoreOptions = Readonly<Record<string, unknown>>;

interface OptionOf<Kind extends string, Value> {
  readonly kind: Kind;
  readonly description: string;
  readonly default?: Value;
}

interface TextOption extends OptionOf<'text', string> {
  /** Kept out of logs and of the generated samples. */
  readonly secret?: boolean;
}

interface IntegerOption extends OptionOf<'integer', number> {
  readonly minimum?: number;
}

/** A `list` is an option that may be repeated, as upstream's MultiOpt. */
export type StoreOption =
  TextOption | OptionOf<'list', readonly string[]> | IntegerOption | OptionOf<'boolean', boolean>;

export type StoreOptionTable = Readonly<Record<string, StoreOption>>;

interface ValueOfKind {
  text: string;
  list: readonly string[];
  integer: number;
  boolean: boolean;
}

type ValueOf<Option extends StoreOption> = Option extends { readonly default: unknown }
  ? ValueOfKind[Option['kind']]
  : ValueOfKind[Option['kind']] | undefined;

export type OptionValues<Table extends StoreOptionTable> = {
  readonly [Name in keyof Table]: ValueOf<Table[Name]>;
};

/**
 * The values of a store's options, defaults filled in. Options that the table does not know are
 * left to whoever read the configuration.
 * @throws StoreConfigurationError with every bad value.
 */
export function readOptions<Table extends StoreOptionTable>(
  storeId: string,
  table: Table,
  options: StoreOptions,
): OptionValues<Table> {
  const problems: string[] = [];
  const entries = Object.entries(table).map(([name, option]) => {
    const given = options[name];
    if (given === undefined || given === null) return [name, option.default];
    const value = readValue(option, given);
    if (value === undefined) {
      problems.push(`store ${storeId}: option ${name}: ${expectation(option)}`);
    }
    return [name, value];
  });
  if (problems.length > 0) throw new StoreConfigurationError(problems);
  return Object.fromEntries(entries) as OptionValues<Table>;
}

function readValue(option: StoreOption, given: unknown): unknown {
  switch (option.kind) {
    case 'text':
      return typeof given === 'string' || typeof given === 'number'
        ? String(given).trim()
        : undefined;
    case 'list':
      return toList(given);
    case 'integer': {
      const value = Number(typeof given === 'string' && given.trim() === '' ? NaN : given);
      return Number.isSafeInteger(value) && value >= (option.minimum ?? -Infinity)
        ? value
        : undefined;
    }
    case 'boolean':
      return toBoolean(given);
  }
}

function toList(given: unknown): string[] | undefined {
  const values: unknown[] = Array.isArray(given) ? given : [given];
  if (!values.every((value) => typeof value === 'string')) return undefined;
  return values.map((value) => value.trim()).filter((value) => value !== '');
}

// The words oslo.config takes.
const BOOLEAN_WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
};

function toBoolean(given: unknown): boolean | undefined {
  if (typeof given === 'boolean') return given;
  return typeof given === 'string' ? BOOLEAN_WORDS[given.trim().toLowerCase()] : undefined;
}

function expectation(option: StoreOption): string {
  switch (option.kind) {
    case 'text':
      return 'must be text';
    case 'list':
      return 'must be text, once or several times';
    case 'integer':
      return option.minimum === undefined
        ? 'must be a whole number'
        : `must be a whole number, ${option.minimum} or more`;
    case 'boolean':
      return 'must be true or false';
  }
}
