import { readdirSync } from 'node:fs';
import path from 'node:path';
import { nearestHint, nearestName } from './nearest-name';
import type { Option, OptionTable } from './options';

/** What a command line says: files, options, and the words that are neither. */
export interface ReadArguments {
  files: string[];
  options: { section: string; name: string; text: string; flag: string; append: boolean }[];
  positionals: string[];
}

/** `--config-file F`, `--config-dir D`, `--option V` of [DEFAULT], `--section-option V` of others. */
export function readArguments(
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
      problems.push(`${flag}: no such option${nearestHint(near)}`);
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
