import { describeError } from '@glance/common';
import {
  ConfigError,
  MANAGE_EXIT,
  directoriesOf,
  loadConfig,
  type ManageInvocation,
} from '@glance/service-kit';
import { API_DEFAULT_FILES, API_OPTIONS } from '../config';
import { PolicyError } from '../policy/rule-set';
import { LIST_FORMATS, checkPolicy, listPolicy } from './policy-commands';

/**
 * `glance-manage policy …` as a function: the rules as glance-api with this configuration has them.
 * Needs neither registry nor stores.
 * @returns the exit code.
 */
export async function runPolicyManage(invocation: ManageInvocation): Promise<number> {
  const { print, printError } = invocation;
  try {
    const { rest, format } = takeFormat(invocation.argv);
    const { config, files, positionals } = loadConfig(API_OPTIONS, {
      program: 'glance-api',
      argv: rest,
      env: invocation.env,
      defaultFiles: invocation.defaultFiles ?? API_DEFAULT_FILES,
    });
    const context = { config, searchDirectories: directoriesOf(files), print, printError };
    const [, command, ...words] = positionals;
    if (command === 'check' && format === undefined) {
      return (await checkPolicy(words, context)) ? MANAGE_EXIT.ok : MANAGE_EXIT.failed;
    }
    const known = LIST_FORMATS.find((each) => each === (format ?? 'text'));
    if (command !== 'list' || words.length > 0 || known === undefined) {
      printError(policyUsage());
      return MANAGE_EXIT.usage;
    }
    await listPolicy(known, context);
    return MANAGE_EXIT.ok;
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof PolicyError;
    printError(known ? error.message : `ERROR: ${describeError(error)}`);
    return MANAGE_EXIT.failed;
  }
}

/** The commands, one a line, as shown to who gives none. */
export function policyUsage(): string {
  return [
    'usage: glance-manage [--config-file FILE] policy COMMAND',
    '  glance-manage policy check [FILE...]',
    `  glance-manage policy list [--format ${LIST_FORMATS.join('|')}]`,
  ].join('\n');
}

/** Takes `--format` out of the arguments; the rest are options of the configuration and words. */
function takeFormat(argv: readonly string[]): { rest: string[]; format?: string } {
  const at = argv.findIndex((word) => word === '--format' || word.startsWith('--format='));
  if (at === -1) return { rest: [...argv] };
  const [name = '', given] = (argv[at] ?? '').split('=', 2);
  const format = given ?? argv[at + 1];
  if (format === undefined) throw new Error(`${name}: needs a value`);
  return { rest: argv.toSpliced(at, given === undefined ? 2 : 1), format };
}
