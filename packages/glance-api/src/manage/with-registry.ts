import { describeError } from '@glance/common';
import { checkContract, type CallContext, type Registry } from '@glance/registry-client';
import {
  ConfigError,
  MANAGE_EXIT,
  OperatorLog,
  ServiceKeys,
  loadConfig,
  readServiceKeys,
  type ManageInvocation,
} from '@glance/service-kit';
import { StoreConfigurationError, StoreSet } from '@glance/stores';
import { serviceContext } from '../auth/call-context';
import { API_DEFAULT_FILES, API_OPTIONS, type ApiConfig } from '../config';
import { createStagingArea } from '../imports/create-imports';
import { createRegistryClient } from '../registry-access';
import { RELEASE } from '../release';
import { storeSections } from '../store-config/store-options';
import { storeSettings } from '../store-config/store-settings';
import { createSweepers, type Sweepers } from '../sweepers';

/** What a command for operators works with that does what glance-api does. */
export interface ApiTools {
  config: ApiConfig;
  registry: Registry;
  /** In the name of the service. */
  context: CallContext;
  /** What it counts as problems makes the command fail. */
  log: OperatorLog;
  /** The sweepers of glance-api, over its stores, while the work runs. */
  withSweepers(work: (sweepers: Sweepers) => Promise<void>): Promise<void>;
}

/**
 * Runs a command with the configuration of glance-api, once the registry has answered.
 * @param start what is left of the command line, and the words of the command in it
 * @returns the exit code: that of the work, or whether anything went wrong.
 */
export async function withRegistry(
  invocation: ManageInvocation,
  start: (argv: readonly string[]) => {
    rest: readonly string[];
    /** @returns undefined when the words are no command. */
    command: (words: readonly string[]) => ((tools: ApiTools) => Promise<void>) | undefined;
    usage: () => string;
  },
): Promise<number> {
  const { printError } = invocation;
  try {
    const { rest, command, usage } = start(invocation.argv);
    const { config, positionals, secrets } = loadConfig(API_OPTIONS, {
      // What the service reads of its environment is meant for this, too.
      program: 'glance-api',
      argv: rest,
      env: invocation.env,
      moreSections: storeSections,
      defaultFiles: invocation.defaultFiles ?? API_DEFAULT_FILES,
    });
    const work = command(positionals);
    if (work === undefined) {
      printError(usage());
      return MANAGE_EXIT.usage;
    }
    return await run(work, config, secrets, invocation);
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof StoreConfigurationError;
    printError(known ? error.message : `ERROR: ${describeError(error)}`);
    return MANAGE_EXIT.failed;
  }
}

async function run(
  work: (tools: ApiTools) => Promise<void>,
  config: ApiConfig,
  secrets: readonly string[],
  invocation: ManageInvocation,
): Promise<number> {
  const serviceKeys = new ServiceKeys(() => readServiceKeys(config.service_auth));
  const hidden = [...secrets, ...serviceKeys.accepted];
  const log = new OperatorLog(invocation, hidden);
  // Of its own: a call that failed and was repeated is no failure of the command.
  const registry = createRegistryClient(config, {
    logger: new OperatorLog(invocation, hidden),
    release: RELEASE,
    serviceKeys,
  });
  const context = serviceContext();
  try {
    await checkContract(registry, context);
    await work({
      config,
      registry,
      context,
      log,
      withSweepers: (use) => withSweepers(config, registry, log, invocation, use),
    });
  } finally {
    registry.close();
  }
  return log.problems === 0 ? MANAGE_EXIT.ok : MANAGE_EXIT.failed;
}

async function withSweepers(
  config: ApiConfig,
  registry: Registry,
  logger: OperatorLog,
  { printError }: ManageInvocation,
  use: (sweepers: Sweepers) => Promise<void>,
): Promise<void> {
  const warn = (message: string): void => printError(`WARNING: ${message}`);
  const stores = await StoreSet.create(storeSettings(config, warn), { warn });
  try {
    const staging = createStagingArea(config, stores.areNamed, warn);
    await use(createSweepers(config, { registry, stores, staging, logger }));
  } finally {
    await stores.close();
  }
}
