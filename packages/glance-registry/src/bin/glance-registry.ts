import {
  HttpService,
  createLogger,
  exitOnStartError,
  loadConfig,
  logFile,
  runService,
  type LoadedConfig,
} from '@glance/service-kit';
import { createRegistry } from '../composition';
import { REGISTRY_DEFAULT_FILES, REGISTRY_OPTIONS, readStart, type RegistryStart } from '../config';
import { RELEASE } from '../release';

const PROGRAM = 'glance-registry';

function readConfig(): LoadedConfig<typeof REGISTRY_OPTIONS> & { start: RegistryStart } {
  try {
    const loaded = loadConfig(REGISTRY_OPTIONS, {
      program: PROGRAM,
      argv: process.argv.slice(2),
      env: process.env,
      defaultFiles: REGISTRY_DEFAULT_FILES,
    });
    return { ...loaded, start: readStart(loaded.config) };
  } catch (error) {
    exitOnStartError(PROGRAM, error);
  }
}

process.umask(0o027);
const { config, warnings, secrets, files, start } = readConfig();
const { DEFAULT: options } = config;
const { serviceKey } = start.settings;
const logger = createLogger({
  name: PROGRAM,
  debug: options.debug,
  json: options.use_json,
  file: logFile(PROGRAM, options),
  secrets: serviceKey === undefined ? secrets : [...secrets, serviceKey],
});

void runService({
  logger,
  workers: start.workers,
  stopTimeoutMs: (options.shutdown_delay + options.graceful_shutdown_timeout + 20) * 1000,
  onPrimary: () => {
    for (const warning of warnings) logger.warn(warning);
    logger.info(`${PROGRAM} ${RELEASE} starts`, { config: files.join(',') || 'defaults' });
  },
  start: async () => {
    const registry = await createRegistry(start.settings, { logger });
    const http = new HttpService({
      handler: registry.app,
      logger,
      tls: start.tls,
      backlog: options.backlog,
      keepAliveTimeoutMs: options.client_socket_timeout * 1000,
      maxHeaderBytes: options.max_header_line * 4,
      // Calls are short; those that are not end with the connections.
      onAbort: () => undefined,
    });
    const port = await http.listen(options.bind_host, options.bind_port);
    logger.info(`Listening on ${options.bind_host}:${port}`);
    registry.start();
    return {
      stop: async () => {
        registry.readiness.drain();
        await http.stop({
          delayMs: options.shutdown_delay * 1000,
          drainTimeoutMs: options.graceful_shutdown_timeout * 1000,
        });
        await registry.close();
      },
      abort: () => undefined,
    };
  },
});
