import type { ManageInvocation } from '@glance/service-kit';
import { readStoreCommand, storeUsage, takeStoreOptions } from './store-command-line';
import { STORE_COMMANDS } from './store-commands';
import { withRegistry } from './with-registry';

/**
 * `glance-manage store …` as a function: the sweepers of glance-api, once, with its configuration.
 * @returns the exit code.
 */
export async function runStoreManage(invocation: ManageInvocation): Promise<number> {
  const { print, printError, isTerminal } = invocation;
  return await withRegistry(invocation, (argv) => {
    const { rest, options } = takeStoreOptions(argv);
    return {
      rest,
      usage: storeUsage,
      command: (words) => {
        const command = readStoreCommand(words, options);
        if (command === undefined) return undefined;
        const report = isTerminal ? printError : () => undefined;
        return ({ config, withSweepers }) =>
          withSweepers((sweepers) =>
            STORE_COMMANDS[command]({ config, sweepers, options, print, report }),
          );
      },
    };
  });
}
