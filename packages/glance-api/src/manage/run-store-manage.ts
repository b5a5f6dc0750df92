import { SERVICE_IDENTITY, describeError } from '@glance/common';
import { checkContract, type Registry } from '@glance/registry-client';
import {
  ConfigError,
  MANAGE_EXIT,
  OperatorLog,
  ServiceKeys,
  loadConfig,
  newRequestId,
  readServiceKeys,
  type ManageInvocation,
} from '@glance/service-kit';
import { StoreConfigurationError, StoreSet } from '@glance/stores';
import { API_DEFAULT_FILES, API_OPTIONS, type ApiConfig } from '../config';
import { createStagingArea } from '../imports/create-imports';
import { createRegistryClient } from '../registry-access';
import { RELEASE } from '../release';
import { storeSections } from '../store-config/store-options';
import { storeSettings } from '../store-config/store-settings';
import { createSweepers } from '../sweepers';
import {
  readStoreCommand,
  storeUsage,
  takeStoreOptions,
  type StoreCommandName,
  type StoreCommandOptions,
} from './store-command-line';
import { STORE_COMMANDS } from './store-commands';

/**
 * `glance-manage store …` as a function: the sweepers of glance-api, once, with its configuration.
 * @returns the exit code.
 */
export async function runStoreManage(invocation: ManageInvocation): Promise<number> {
  const { printError } = invocation;
  try {
    const { rest, options } = takeStoreOptions(invocation.argv);
    const { config, positionals, secrets } = loadConfig(API_OPTIONS, {
      // What the service reads of its environment is meant for this, too.
      program: 'glance-api',
      argv: rest,
      env: invocation.env,
      moreSections: storeSections,
      defaultFiles: invocation.defaultFiles ?? API_DEFAULT_FILES,
    });
    const command = readStoreCommand(positionals, options);
    if (command === undefined) {
      printError(storeUsage());
      return MANAGE_EXIT.usage;
    }
    const serviceKeys = new ServiceKeys(() => readServiceKeys(config.service_auth));
    const hidden = [...secrets, ...serviceKeys.accepted];
    const log = new OperatorLog(invocation, hidden);
    // Of its own: a call that failed and was repeated is no failure of the command.
    const registry = createRegistryClient(config, {
      logger: new OperatorLog(invocation, hidden),
      release: RELEASE,
      serviceKeys,
    });
    try {
      await runCommand(command, options, config, registry, invocation, log);
    } finally {
      registry.close();
    }
    return log.problems === 0 ? MANAGE_EXIT.ok : MANAGE_EXIT.failed;
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof StoreConfigurationError;
    printError(known ? error.message : `ERROR: ${describeError(error)}`);
    return MANAGE_EXIT.failed;
  }
}

async function runCommand(
  command: StoreCommandName,
  options: StoreCommandOptions,
  config: ApiConfig,
  registry: Registry,
  { print, printError, isTerminal }: ManageInvocation,
  log: OperatorLog,
): Promise<void> {
  await checkContract(registry, { identity: SERVICE_IDENTITY, requestId: newRequestId() });
  const warn = (message: string): void => printError(`WARNING: ${message}`);
  const stores = await StoreSet.create(storeSettings(config, warn), { warn });
  try {
    await STORE_COMMANDS[command]({
      config,
      sweepers: createSweepers(config, {
        registry,
        stores,
        staging: createStagingArea(config, stores.areNamed, warn),
        logger: log,
      }),
      options,
      print,
      report: isTerminal ? printError : () => undefined,
    });
  } finally {
    await stores.close();
  }
}
