import { describeError } from '@glance/common';
import { ConfigError, loadConfig } from '@glance/service-kit';
import { MANAGE_DEFAULT_FILES, MANAGE_OPTIONS, requireConnection } from '../config';
import { createDatabase } from '../db/create-database';
import { COMMAND_VALUES, readCommand, takeCommandOptions } from './command-line';
import { COMMANDS, CommandFailure } from './manage-commands';

export interface ManageInvocation {
  /** Command line after the program name. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  defaultFiles?: readonly string[];
  print: (line: string) => void;
  printError: (line: string) => void;
  /** Somebody watches: long work says how far it is. */
  isTerminal: boolean;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** glance-manage as a function. @returns the exit code. */
export async function runManage(invocation: ManageInvocation): Promise<number> {
  const { print, printError } = invocation;
  try {
    const { rest, values } = takeCommandOptions(invocation.argv);
    const { config, positionals } = loadConfig(MANAGE_OPTIONS, {
      program: 'glance-manage',
      argv: rest,
      env: invocation.env,
      defaultFiles: invocation.defaultFiles ?? MANAGE_DEFAULT_FILES,
    });
    const command = readCommand(positionals, values);
    if (command.name === undefined) {
      printError(usage());
      return EXIT_USAGE;
    }
    const database = createDatabase({
      url: requireConnection(config.database.connection),
      maxPoolSize: 3,
      maxOverflow: 0,
      statementTimeoutMs: 0,
    });
    try {
      return await COMMANDS[command.name]({
        database,
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
    return EXIT_FAILED;
  }
}

function usage(): string {
  const commands = Object.entries(COMMAND_VALUES).map(
    ([name, values]) =>
      `  glance-manage db ${name}${values.map((value) => ` [--${value} N]`).join('')}`,
  );
  return ['usage: glance-manage [--config-file FILE] db COMMAND', ...commands].join('\n');
}
