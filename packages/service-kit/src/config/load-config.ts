import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { IniSyntaxError, parseIni } from './ini-file';
import { nearestName } from './nearest-name';
import type { ConfigOf, Option, OptionTable } from './options';

/** All that is wrong with a configuration, one problem a line, ready for an operator. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((line) => `  ${line}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

export interface ConfigSources {
  /** Program name; `glance-api` reads the environment variables `GLANCE_API__SECTION__OPTION`. */
  program: string;
  /** Command line after the program name. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** Read when the command line names no `--config-file`; those that do not exist are passed over. */
  defaultFiles?: readonly string[];
  /**
   * Sections whose names are values of other options (a store's, say), by what was read without
   * them. They are in the configuration beside those of the table.
   */
  moreSections?: (
    config: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => OptionTable;
}

export interface LoadedConfig<T extends OptionTable> {
  config: ConfigOf<T>;
  files: string[];
  /** Unknown options and sections: not fatal, since operators bring files of other releases. */
  warnings: string[];
  /** Values of secret options, to be kept out of logs. */
  secrets: string[];
  /** What the command line held besides options. */
  positionals: string[];
}

interface Given {
  text: string;
  /** Where the value stands, for messages: `file:line`, an environment variable or a flag. */
  origin: string;
}

/**
 * Reads defaults < files < environment < command line, checks everything and freezes it.
 * @throws ConfigError with every problem found; each names origin, option, value and what is
 * accepted. Values of secret options are not shown.
 */
export function loadConfig<T extends OptionTable>(
  table: T,
  sources: ConfigSources,
): LoadedConfig<T> {
  const first = readConfig(table, sources);
  const more = sources.moreSections?.(first.config) ?? {};
  const { problems, ...loaded } =
    Object.keys(more).length === 0 ? first : readConfig({ ...more, ...table }, sources);
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...loaded, config: loaded.config as ConfigOf<T> };
}

interface ReadConfig extends Omit<LoadedConfig<OptionTable>, 'config'> {
  config: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  problems: string[];
}

function readConfig(table: OptionTable, sources: ConfigSources): ReadConfig {
  const problems: string[] = [];
  const warnings: string[] = [];
  const given = new Map<string, Given[]>();
  const put = (section: string, name: string, item: Given, append: boolean): void => {
    const key = `${section}.${name}`;
    given.set(key, append ? [...(given.get(key) ?? []), item] : [item]);
  };

  const flags = readArguments(table, sources.argv, problems);
  const files = flags.files.length > 0 ? flags.files : existing(sources.defaultFiles ?? []);
  const warnedSections = new Set<string>();
  for (const file of files) {
    const seenHere = new Set<string>();
    for (const entry of readFile(file, problems)) {
      const found = findOption(table, entry.section, entry.name);
      if (!found) {
        warnAboutUnknown(table, file, entry, warnings, warnedSections);
        continue;
      }
      const key = `${entry.section}.${found.name}`;
      const origin = `${file}:${entry.line}`;
      put(
        entry.section,
        found.name,
        { text: entry.value, origin },
        found.option.kind === 'repeatable' && seenHere.has(key),
      );
      seenHere.add(key);
    }
  }
  const prefix = `${sources.program.toUpperCase().replaceAll('-', '_')}__`;
  for (const [section, options] of Object.entries(table)) {
    for (const name of Object.keys(options)) {
      const variable = `${prefix}${section}__${name}`.toUpperCase().replaceAll('-', '_');
      const text = sources.env[variable];
      if (text !== undefined) {
        put(section, name, { text, origin: `environment ${variable}` }, false);
      }
    }
  }
  for (const flag of flags.options) {
    put(flag.section, flag.name, { text: flag.text, origin: flag.flag }, flag.append);
  }

  const config: Record<string, Record<string, unknown>> = {};
  const secrets: string[] = [];
  for (const [section, options] of Object.entries(table)) {
    const values: Record<string, unknown> = {};
    for (const [name, option] of Object.entries(options)) {
      const items = given.get(`${section}.${name}`) ?? [];
      values[name] = option.default;
      const parsed: unknown[] = [];
      for (const item of items) {
        const text = substitute(item.text.trim(), section, table, given);
        try {
          parsed.push(option.parse(text));
          if (option.secret && text !== '') secrets.push(text);
        } catch (error) {
          const shown = option.secret ? '***' : text;
          problems.push(
            `${item.origin}: [${section}] ${name} = ${shown}: ${(error as Error).message}`,
          );
        }
      }
      if (parsed.length === 0) continue;
      values[name] = option.kind === 'repeatable' ? Object.freeze(parsed.flat()) : parsed.at(-1);
    }
    config[section] = Object.freeze(values);
  }
  return {
    problems,
    config: Object.freeze(config),
    files: [...files],
    warnings,
    secrets,
    positionals: flags.positionals,
  };
}

function findOption(
  table: OptionTable,
  section: string,
  name: string,
): { name: string; option: Option<unknown> } | undefined {
  const options = table[section];
  if (!options || !Object.hasOwn(table, section)) return undefined;
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option) return { name, option };
  const renamed = Object.entries(options).find(([, each]) => each.deprecatedName === name);
  return renamed && { name: renamed[0], option: renamed[1] };
}

function existing(files: readonly string[]): string[] {
  return files.filter((file) => statSync(file, { throwIfNoEntry: false }) !== undefined);
}

function readFile(file: string, problems: string[]): ReturnType<typeof parseIni> {
  try {
    return parseIni(readFileSync(file, 'utf8'));
  } catch (error) {
    const where = error instanceof IniSyntaxError ? `${file}:${error.line}` : file;
    problems.push(`${where}: ${(error as Error).message}`);
    return [];
  }
}

function warnAboutUnknown(
  table: OptionTable,
  file: string,
  entry: { section: string; name: string; line: number },
  warnings: string[],
  warnedSections: Set<string>,
): void {
  const where = `${file}:${entry.line}`;
  const options = Object.hasOwn(table, entry.section) ? table[entry.section] : undefined;
  if (!options) {
    if (warnedSections.has(entry.section)) return;
    warnedSections.add(entry.section);
    const near = nearestName(entry.section, Object.keys(table));
    warnings.push(`${where}: section [${entry.section}] is not used${hint(near)}`);
    return;
  }
  const near = nearestName(entry.name, Object.keys(options));
  warnings.push(`${where}: option [${entry.section}] ${entry.name} is not known${hint(near)}`);
}

function hint(near: string | undefined): string {
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

/** `$name`, `${name}` and `${section.name}` stand for other options, as in oslo.config. */
function substitute(
  text: string,
  section: string,
  table: OptionTable,
  given: ReadonlyMap<string, Given[]>,
  depth = 0,
): string {
  if (!text.includes('$') || depth > 8) return text;
  return text.replace(
    /\$(?:\$|\{([A-Za-z_][\w.]*)\}|([A-Za-z_]\w*))/g,
    (whole, braced?: string, bare?: string) => {
      const name = braced ?? bare;
      if (name === undefined) return '$';
      const [group, option] = name.includes('.')
        ? (name.split('.', 2) as [string, string])
        : [findOption(table, section, name) ? section : 'DEFAULT', name];
      const found = findOption(table, group, option);
      if (!found) return whole;
      const value = given.get(`${group}.${found.name}`)?.at(-1)?.text ?? found.option.default;
      return typeof value === 'string'
        ? substitute(value, group, table, given, depth + 1)
        : JSON.stringify(value ?? '');
    },
  );
}

interface ReadArguments {
  files: string[];
  options: { section: string; name: string; text: string; flag: string; append: boolean }[];
  positionals: string[];
}

/** `--config-file F`, `--config-dir D`, `--option V` of [DEFAULT], `--section-option V` of others. */
function readArguments(
  table: OptionTable,
  argv: readonly string[],
  problems: string[],
): ReadArguments {
  const byFlag = new Map<string, { section: string; name: string; option: Option<unknown> }>();
  for (const [section, options] of Object.entries(table)) {
    for (const [name, option] of Object.entries(options)) {
      const long = section === 'DEFAULT' ? name : `${section}-${name}`;
      byFlag.set(`--${long.replaceAll('_', '-')}`, { section, name, option });
    }
  }
  const result: ReadArguments = { files: [], options: [], positionals: [] };
  const seen = new Set<string>();
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] as string;
    if (!word.startsWith('--')) {
      result.positionals.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const flag = equals === -1 ? word : word.slice(0, equals);
    const target = byFlag.get(flag);
    const takesFile = flag === '--config-file' || flag === '--config-dir';
    if (!target && !takesFile) {
      const near = nearestName(flag, ['--config-file', '--config-dir', ...byFlag.keys()]);
      problems.push(`${flag}: no such option${hint(near)}`);
      continue;
    }
    let text: string;
    if (equals !== -1) {
      text = word.slice(equals + 1);
    } else if (target && typeof target.option.default === 'boolean') {
      const next = argv[index + 1];
      const explicit = next !== undefined && /^(true|false)$/i.test(next);
      text = explicit ? next : 'true';
      if (explicit) index += 1;
    } else {
      const next = argv[index + 1];
      if (next === undefined) {
        problems.push(`${flag}: needs a value`);
        continue;
      }
      text = next;
      index += 1;
    }
    if (flag === '--config-file') result.files.push(text);
    else if (flag === '--config-dir') result.files.push(...filesIn(text, problems));
    else if (target) {
      const append = target.option.kind === 'repeatable' && seen.has(flag);
      seen.add(flag);
      result.options.push({ section: target.section, name: target.name, text, flag, append });
    }
  }
  return result;
}

function filesIn(directory: string, problems: string[]): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.conf'))
      .sort()
      .map((name) => path.join(directory, name));
  } catch (error) {
    problems.push(`--config-dir ${directory}: ${(error as Error).message}`);
    return [];
  }
}
