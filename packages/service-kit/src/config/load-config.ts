import { readFileSync, statSync } from 'node:fs';
import { parseIni, type IniEntry } from './ini-file';
import { nearestHint, nearestName } from './nearest-name';
import type { ConfigOf, Option, OptionTable } from './options';
import { readArguments } from './read-arguments';

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

/** An entry of a configuration file, and the file. */
export interface FileEntry extends IniEntry {
  file: string;
}

/** A configuration as it is, whether or not a service would start with it. */
export interface InspectedConfig<T extends OptionTable> extends LoadedConfig<T> {
  /** What {@link loadConfig} would throw; an option at fault has its default. */
  problems: readonly string[];
  /** What the files hold, options that nobody knows too. */
  entries: readonly FileEntry[];
  /** All sections there are, those that other options name too. */
  table: OptionTable;
  /**
   * Where the value of an option stands: `file:line`, an environment variable or a flag; undefined
   * for a default.
   */
  originOf(section: string, name: string): string | undefined;
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
  const { config, files, warnings, secrets, positionals, problems } = inspectConfig(table, sources);
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, files, warnings, secrets, positionals };
}

/** As {@link loadConfig}, of a configuration that may be wrong. Never throws. */
export function inspectConfig<T extends OptionTable>(
  table: T,
  sources: ConfigSources,
): InspectedConfig<T> {
  const first = readConfig(table, sources);
  const more = sources.moreSections?.(first.config) ?? {};
  const read = Object.keys(more).length === 0 ? first : readConfig({ ...more, ...table }, sources);
  return { ...read, config: read.config as ConfigOf<T> };
}

interface ReadConfig extends Omit<InspectedConfig<OptionTable>, 'config'> {
  config: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
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
  const entries: FileEntry[] = [];
  for (const file of files) {
    const seenHere = new Set<string>();
    for (const entry of readFile(file, problems)) {
      entries.push({ ...entry, file });
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
    entries,
    table,
    originOf: (section, name) => given.get(`${section}.${name}`)?.at(-1)?.origin,
  };
}

/** The option that a name in a file stands for, an earlier name of it too. */
export function findOption(
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

function readFile(file: string, problems: string[]): IniEntry[] {
  try {
    return parseIni(readFileSync(file, 'utf8'), ({ line, message }) => {
      problems.push(`${file}:${line}: ${message}`);
    });
  } catch (error) {
    problems.push(`${file}: ${(error as Error).message}`);
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
    warnings.push(`${where}: section [${entry.section}] is not used${nearestHint(near)}`);
    return;
  }
  const near = nearestName(entry.name, Object.keys(options));
  warnings.push(
    `${where}: option [${entry.section}] ${entry.name} is not known${nearestHint(near)}`,
  );
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
