/**
 * Options are declared once, in a table of sections and names. From that one table come the
 * TypeScript type of the configuration, the checks, the sample file and docs/configuration.md.
 */
export interface Option<T> {
  readonly kind: 'value' | 'repeatable';
  readonly default: T;
  /** The default in words, where it depends on the machine. */
  readonly defaultText: string | undefined;
  readonly help: string;
  /** What is accepted, in words: shown when a value is refused, and in the docs. */
  readonly accepts: string;
  /** Never printed, and replaced wherever it turns up in a log line. */
  readonly secret: boolean;
  /** An earlier upstream name that still works. */
  readonly deprecatedName: string | undefined;
  /** @throws Error that says what is wrong with the text. */
  parse(text: string): T;
}

export type OptionTable = Readonly<Record<string, Readonly<Record<string, Option<unknown>>>>>;

type ValueOf<O> = O extends Option<infer T> ? T : never;

export type ConfigOf<T extends OptionTable> = {
  readonly [Section in keyof T]: {
    readonly [Name in keyof T[Section]]: ValueOf<T[Section][Name]>;
  };
};

interface Common {
  help: string;
  defaultText?: string;
  secret?: boolean;
  deprecatedName?: string;
}

function make<T>(
  common: Common,
  accepts: string,
  defaultValue: T,
  parse: (text: string) => T,
  kind: Option<T>['kind'] = 'value',
): Option<T> {
  return {
    kind,
    default: defaultValue,
    defaultText: common.defaultText,
    help: common.help,
    accepts,
    secret: common.secret ?? false,
    deprecatedName: common.deprecatedName,
    parse,
  };
}

function refuse(accepts: string): never {
  throw new Error(`must be ${accepts}`);
}

interface TextRules {
  choices?: readonly string[];
  pattern?: { regex: RegExp; description: string };
}

/** Text. Without a default the value is undefined when unset; an empty text counts as unset. */
export function textOption(spec: Common & TextRules & { default: string }): Option<string>;
export function textOption(spec: Common & TextRules): Option<string | undefined>;
export function textOption(
  spec: Common & TextRules & { default?: string },
): Option<string | undefined> {
  const accepts = spec.choices
    ? `one of: ${spec.choices.join(', ')}`
    : (spec.pattern?.description ?? 'text');
  return make<string | undefined>(spec, accepts, spec.default, (text) => {
    if (text === '') return spec.default;
    if (spec.choices && !spec.choices.includes(text)) refuse(accepts);
    if (spec.pattern && !spec.pattern.regex.test(text)) refuse(accepts);
    return text;
  });
}

interface IntegerRules {
  min?: number;
  max?: number;
}

export function integerOption(spec: Common & IntegerRules & { default: number }): Option<number>;
export function integerOption(spec: Common & IntegerRules): Option<number | undefined>;
export function integerOption(
  spec: Common & IntegerRules & { default?: number },
): Option<number | undefined> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = spec;
  const bounded = max < Number.MAX_SAFE_INTEGER;
  const accepts =
    min === Number.MIN_SAFE_INTEGER && !bounded
      ? 'an integer'
      : bounded
        ? `an integer from ${min} to ${max}`
        : `an integer of at least ${min}`;
  return make<number | undefined>(spec, accepts, spec.default, (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value) || value < min || value > max) refuse(accepts);
    return value;
  });
}

/** Seconds, fractions allowed. */
export function secondsOption(spec: Common & IntegerRules & { default: number }): Option<number> {
  const { min = 0, max = 86_400 * 365 } = spec;
  const accepts = `a number of seconds from ${min} to ${max}`;
  return make(spec, accepts, spec.default, (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) refuse(accepts);
    return value;
  });
}

/** How many in a second, fractions allowed; 0 stands for no limit. */
export function rateOption(spec: Common & { default: number }): Option<number> {
  const accepts = 'a number of at least 0';
  return make(spec, accepts, spec.default, (text) =>
    /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : refuse(accepts),
  );
}

const TRUE_WORDS = ['true', '1', 'on', 'yes'];
const FALSE_WORDS = ['false', '0', 'off', 'no'];

export function booleanOption(spec: Common & { default: boolean }): Option<boolean>;
export function booleanOption(spec: Common): Option<boolean | undefined>;
export function booleanOption(spec: Common & { default?: boolean }): Option<boolean | undefined> {
  const accepts = 'true or false';
  return make<boolean | undefined>(spec, accepts, spec.default, (text) => {
    const word = text.toLowerCase();
    if (TRUE_WORDS.includes(word)) return true;
    if (FALSE_WORDS.includes(word)) return false;
    return refuse(accepts);
  });
}

/** A comma-separated list, in brackets or not; blanks and quotes around the items are dropped, as upstream does. */
export function listOption(
  spec: Common & { default: readonly string[]; choices?: readonly string[] },
): Option<readonly string[]> {
  const accepts = spec.choices
    ? `a comma-separated list of: ${spec.choices.join(', ')}`
    : 'a comma-separated list';
  return make<readonly string[]>(spec, accepts, spec.default, (text) => {
    const items = text
      .replace(/^\[|\]$/g, '')
      .split(',')
      .map((item) => item.trim().replace(/^(['"])(.*)\1$/, '$2'))
      .filter((item) => item !== '');
    const { choices } = spec;
    if (choices && items.some((item) => !choices.includes(item))) refuse(accepts);
    return items;
  });
}

/** An option that may be given several times; each line is one item. */
export function repeatableOption(
  spec: Common & { default?: readonly string[] },
): Option<readonly string[]> {
  const { default: unset = [] } = spec;
  return make<readonly string[]>(spec, 'text, repeatable', unset, (text) => [text], 'repeatable');
}

/** Bytes: a number, optionally followed by B, KB, MB, GB or TB (1024-based), as upstream. */
export function byteSizeOption(spec: Common & { default: number }): Option<number> {
  const accepts = 'a number of bytes, optionally followed by B, KB, MB, GB or TB';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  return make(spec, accepts, spec.default, (text) => {
    const match = /^(\d+)\s*(B|KB|MB|GB|TB)?$/i.exec(text);
    if (!match) return refuse(accepts);
    const value = Number(match[1]) * 1024 ** units.indexOf((match[2] ?? 'B').toUpperCase());
    return Number.isSafeInteger(value) ? value : refuse(accepts);
  });
}
