import { readFile } from 'node:fs/promises';
import { describeError } from '@glance/common';
import {
  ConfigError,
  directoriesOf,
  loadConfig,
  parseIniSections,
  type ManageInvocation,
} from '@glance/service-kit';
import { API_DEFAULT_FILES, API_OPTIONS } from '../config';
import { storeSections } from '../store-config/store-options';
import { checkPolicy } from './policy-commands';

/** Of oslo.upgradecheck, which upstream's glance-status is made of. */
const EXIT = { success: 0, warning: 1, failure: 2, usage: 2, error: 255 } as const;

interface CheckResult {
  name: string;
  verdict: 'Success' | 'Warning' | 'Failure';
  details?: string;
}

/**
 * `glance-status upgrade check` as a function (lifecycle sheet §8): whether this release serves what
 * an upstream Glance is configured for. It asks nobody but the files.
 * @returns the exit code.
 */
export async function runStatus(invocation: ManageInvocation): Promise<number> {
  const { print, printError } = invocation;
  try {
    const { config, files, positionals } = loadConfig(API_OPTIONS, {
      program: 'glance-api',
      argv: invocation.argv,
      env: invocation.env,
      moreSections: storeSections,
      defaultFiles: invocation.defaultFiles ?? API_DEFAULT_FILES,
    });
    if (positionals.join(' ') !== 'upgrade check') {
      printError('usage: glance-status [--config-file FILE] upgrade check');
      return EXIT.usage;
    }
    const problems: string[] = [];
    const rulesAreGood = await checkPolicy([], {
      config,
      searchDirectories: directoriesOf(files),
      print: () => undefined,
      printError: (line) => problems.push(line),
    });
    const results: CheckResult[] = [
      // It is served here; upstream's own check is about its removal.
      { name: 'Sheepdog Driver Removal', verdict: 'Success' },
      {
        name: 'Policy File JSON to YAML Migration',
        verdict: rulesAreGood ? 'Success' : 'Failure',
        ...(rulesAreGood ? {} : { details: problems.join('; ') }),
      },
      checkOwner(await defaultsOf(files)),
      checkEncryptionKey(await defaultsOf(files)),
    ];
    for (const line of table(results)) print(line);
    const verdicts = results.map(({ verdict }) => verdict);
    if (verdicts.includes('Failure')) return EXIT.failure;
    return verdicts.includes('Warning') ? EXIT.warning : EXIT.success;
  } catch (error) {
    printError(error instanceof ConfigError ? error.message : `ERROR: ${describeError(error)}`);
    return EXIT.error;
  }
}

/** Options of [DEFAULT] as they are written, also those that this release does not have. */
async function defaultsOf(files: readonly string[]): Promise<Map<string, string>> {
  const values = new Map<string, string>();
  for (const file of files) {
    for (const { name, entries } of parseIniSections(await readFile(file, 'utf8'))) {
      if (name !== 'DEFAULT') continue;
      for (const entry of entries) values.set(entry.name, entry.value);
    }
  }
  return values;
}

function checkOwner(defaults: ReadonlyMap<string, string>): CheckResult {
  const name = 'Config option owner_is_tenant removal';
  const value = defaults.get('owner_is_tenant')?.toLowerCase() ?? 'true';
  if (!['false', '0', 'no', 'off'].includes(value)) return { name, verdict: 'Success' };
  const details =
    'owner_is_tenant is false: images of users, and not of projects, are not served as they were.';
  return { name, verdict: 'Failure', details };
}

function checkEncryptionKey(defaults: ReadonlyMap<string, string>): CheckResult {
  const name = 'Place of metadata_encryption_key';
  if ((defaults.get('metadata_encryption_key') ?? '') === '') return { name, verdict: 'Success' };
  const details =
    'metadata_encryption_key is read from glance-registry.conf: put it there, or no location of an image can be read.';
  return { name, verdict: 'Warning', details };
}

/** As oslo.upgradecheck draws it. */
function table(results: readonly CheckResult[]): string[] {
  const rows = results.map(({ name, verdict, details = 'None' }) => [
    `Check: ${name}`,
    `Result: ${verdict}`,
    ...`Details: ${details}`.split('\n'),
  ]);
  const title = 'Upgrade Check Results';
  const width = Math.max(...[[title], ...rows].flat().map((text) => text.length));
  const rule = `+${'-'.repeat(width + 2)}+`;
  const line = (text: string): string => `| ${text.padEnd(width)} |`;
  return [rule, line(title), rule, ...rows.flatMap((row) => [...row.map(line), rule])];
}
