import { describeError } from '@glance/common';
import { ConfigError, MANAGE_EXIT, loadConfig, type ManageInvocation } from '@glance/service-kit';
import { MANAGE_DEFAULT_FILES, MANAGE_OPTIONS, requireConnection } from '../config';
import { createDatabase } from '../db/create-database';
import { createTextCipher } from '../db/text-cipher';
import { COMMAND_VALUES, isCommandFlag, readCommand, takeCommandOptions } from './command-line';
import { CommandFailure } from './command-failure';
import { COMMANDS } from './manage-commands';

/** `glance-manage db …` as a function. @returns the exit code. */
export async function runManage(invocation: ManageInvocation): Promise<number> {
  const { print, printError } = invocation;
  try {
    const { rest, values } = takeCommandOptions(invocation.argv);
    const { config, positionals } = loadConfig(MANAGE_OPTIONS, {
      // Its variables: the URL of the database stands in one place for both.
      program: 'glance-registry',
      argv: rest,
      env: invocation.env,
      defaultFiles: invocation.defaultFiles ?? MANAGE_DEFAULT_FILES,
    });
    const command = readCommand(positionals, values);
    if (command.name === undefined) {
      printError(dbUsage());
      return MANAGE_EXIT.usage;
    }
    const cipher = createTextCipher(config.DEFAULT.metadata_encryption_key);
    const database = createDatabase({
      url: requireConnection(config.database.connection),
      maxPoolSize: 3,
      maxOverflow: 0,
      statementTimeoutMs: 0,
    });
    try {
      return await COMMANDS[command.name]({
        database,
        cipher,
        metadefPath: config.DEFAULT.metadata_source_path,
        values: command.values,
        print,
        report: invocation.isTerminal ? printError : () => undefined,
      });
    } finally {
      await database.close();
    }
  } catch (error) {
    const known = error instanceof CommandFailure || error instanceof ConfigError;
    printError(known ? error.message : `ERROR: ${describeError(error)}`);
    return MANAGE_EXIT.failed;
  }
}

/** The commands, one a line, as shown to who gives none. */
export function dbUsage(): string {
  const commands = Object.entries(COMMAND_VALUES).map(
    ([name, values]) =>
      `  glance-manage db ${name}${values.map((value) => ` [${optionOf(value)}]`).join('')}`,
  );
  return ['usage: glance-manage [--config-file FILE] db COMMAND', ...commands].join('\n');
}

function optionOf(name: string): string {
  if (isCommandFlag(name)) return `--${name}`;
  return name === 'path' ? '--path PATH' : `--${name} N`;
}
