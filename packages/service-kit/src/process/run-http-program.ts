import cluster from 'node:cluster';
import { setMaxListeners } from 'node:events';
import path from 'node:path';
import type { Express } from 'express';
import { armFailPoints, describeError } from '@glance/common';
import { loadConfig, type ConfigSources, type LoadedConfig } from '../config/load-config';
import type { ConfigOf, OptionTable } from '../config/options';
import type { Readiness } from '../http/health';
import { messagesOf } from '../http/express-messages';
import { HttpService } from '../http/http-service';
import { createLogger, type Logger } from '../logger';
import { Metrics } from '../metrics/metrics';
import { MetricsListener } from '../metrics/metrics-listener';
import { describeReadiness } from '../metrics/process-series';
import { WorkerMetrics, answerSupervisor, readMetrics } from '../metrics/worker-metrics';
import { ServiceKeys, readServiceKeys } from '../service-keys';
import { logFile, type ServiceOptionTable } from '../service-options';
import { readTlsFiles } from '../tls-files';
import { HEALTH_ROUTES, checkHealth, type ListenOptions } from './check-health';
import { logNodeWarnings } from './log-node-warnings';
import { reloadAll, type ReloadStep } from './reload';
import { exitOnStartError, runService } from './run-service';

/** A service built from its configuration, before it listens. */
export interface HttpApplication {
  app: Express;
  readiness: Readiness;
  /** What SIGHUP reads again, beside what every service has; after the service keys. */
  reloads?: readonly ReloadStep[];
  /** Begins what runs beside the requests. */
  start(): void;
  close(): Promise<void>;
}

export interface ProgramEnvironment {
  logger: Logger;
  release: string;
  serviceKeys: ServiceKeys;
  /** Of the configuration files, the last one first: where relative names of files are looked for. */
  configDirectories: readonly string[];
  /** Absent: nobody watches, and nothing is to be counted. */
  metrics?: Metrics | undefined;
  /** Aborted when transfers that still run must take their abort path. */
  shutdown: AbortSignal;
}

export interface HttpProgram<T extends OptionTable & ServiceOptionTable> {
  name: string;
  release: string;
  options: T;
  /** Sections that other options name; see {@link ConfigSources.moreSections}. */
  moreSections?: ConfigSources['moreSections'];
  /** Read when the command line names no file. */
  defaultFiles: readonly string[];
  /**
   * Checks that concern several options, before anything is started.
   * @throws Error that names the options at fault.
   */
  check?(config: ConfigOf<T>): void;
  /** What is allowed and dangerous in a configuration, for the log. */
  warnings?(config: ConfigOf<T>): readonly string[];
  /** @throws Error when the service cannot run as configured. */
  create(config: ConfigOf<T>, environment: ProgramEnvironment): Promise<HttpApplication>;
}

/** After the drain time the abort path has this long, then the process is killed. */
const STOP_MARGIN_SECONDS = 20;

/** The main function of a service: configuration, log, workers, listener, signals. */
export function runHttpProgram<T extends OptionTable & ServiceOptionTable>(
  program: HttpProgram<T>,
): void {
  const loaded = readConfig(program);
  const { config } = loaded;
  // What this function reads is in every table: the compiler cannot see it through T.
  const { DEFAULT: options, metrics: watching } = config as unknown as ConfigOf<ServiceOptionTable>;
  if (loaded.positionals.length > 0) {
    // All it needs is the address: the rest may stand in files that only the service is given.
    void runCommand(program.name, loaded.positionals, options);
    return;
  }
  const serviceKeys = checkConfig(program, config);
  // Upstream's umask: neither data nor logs are for everybody on the host.
  process.umask(0o027);
  const logger = createLogger({
    name: program.name,
    debug: options.debug,
    json: options.use_json,
    file: logFile(program.name, options),
    secrets: [...loaded.secrets, ...serviceKeys.accepted],
  });
  logNodeWarnings(logger);
  const logFileStep: ReloadStep = { what: 'log_file', reload: () => logger.reopen() };
  // eslint-disable-next-line no-restricted-properties -- as below; no option, so that no file of an operator has it
  const failPoints = process.env['GLANCE_FAIL_POINTS'];
  const { bind_host: metricsHost, bind_port: metricsPort } = watching;
  const metricsAt =
    metricsPort === undefined ? undefined : { host: metricsHost, port: metricsPort, logger };
  /** A worker is asked by its supervisor, which listens for all of them. */
  const serveMetrics = async (
    metrics: Metrics,
    readiness: Readiness,
  ): Promise<MetricsListener | undefined> => {
    metrics.watchProcess();
    describeReadiness(metrics, readiness);
    if (cluster.isWorker || !metricsAt) {
      answerSupervisor(metrics);
      return undefined;
    }
    const listener = new MetricsListener({ ...metricsAt, read: () => readMetrics(metrics) });
    await listener.listen();
    return listener;
  };
  void runService({
    logger,
    workers: options.workers,
    stopTimeoutMs:
      (options.shutdown_delay + options.graceful_shutdown_timeout + STOP_MARGIN_SECONDS) * 1000,
    onPrimary: () => {
      for (const warning of loaded.warnings) logger.warn(warning);
      for (const warning of program.warnings?.(config) ?? []) logger.warn(warning);
      if (failPoints)
        logger.warn(`GLANCE_FAIL_POINTS=${failPoints}: this process fails on purpose`);
      logger.info(`${program.name} ${program.release} starts`, {
        config: loaded.files.join(',') || 'defaults',
      });
    },
    startSupervisor: async () => {
      if (!metricsAt) return;
      const workers = new WorkerMetrics();
      await new MetricsListener({ ...metricsAt, read: () => workers.read() }).listen();
    },
    reloadSupervisor: () => reloadAll([logFileStep], logger),
    start: async () => {
      if (failPoints) armFailPoints(failPoints);
      const stopping = new AbortController();
      // Every transfer listens.
      setMaxListeners(0, stopping.signal);
      const metrics = metricsAt && new Metrics(program.name.replaceAll('-', '_'));
      const service = await program.create(config, {
        logger,
        release: program.release,
        serviceKeys,
        configDirectories: directoriesOf(loaded.files),
        metrics,
        shutdown: stopping.signal,
      });
      const metricsListener = metrics && (await serveMetrics(metrics, service.readiness));
      const http = new HttpService({
        handler: service.app,
        messages: messagesOf(service.app),
        logger,
        tls: readTlsFiles(options),
        backlog: options.backlog,
        maxConnections: options.max_connections,
        keepAliveTimeoutMs: options.client_socket_timeout * 1000,
        maxHeaderBytes: options.max_header_line * 4,
        onAbort: () => stopping.abort(),
      });
      const steps: ReloadStep[] = [
        logFileStep,
        {
          what: 'cert_file, key_file and ca_file',
          reload: () => {
            const tls = readTlsFiles(options);
            if (tls) http.useTls(tls);
            return tls !== undefined;
          },
        },
        {
          what: '[service_auth]',
          reload: () => {
            serviceKeys.reload();
            logger.hide(serviceKeys.accepted);
            return serviceKeys.accepted.length > 0;
          },
        },
        ...(service.reloads ?? []),
      ];
      const port = await http.listen(options.bind_host, options.bind_port);
      logger.info(`Listening on ${options.bind_host}:${port}`);
      service.start();
      return {
        stop: async () => {
          service.readiness.drain();
          await http.stop({
            delayMs: options.shutdown_delay * 1000,
            drainTimeoutMs: options.graceful_shutdown_timeout * 1000,
          });
          await service.close();
          await metricsListener?.close();
        },
        abort: () => stopping.abort(),
        reload: () => reloadAll(steps, logger),
      };
    },
  });
}

/** What a service's program does beside serving: `glance-api healthcheck`, `… healthcheck readyz`. */
async function runCommand(
  program: string,
  [command, asked = 'livez', ...more]: readonly string[],
  options: ListenOptions,
): Promise<void> {
  const route = HEALTH_ROUTES.find((each) => each === asked);
  if (command !== 'healthcheck' || route === undefined || more.length > 0) {
    const words = [command, ...(asked === 'livez' ? [] : [asked]), ...more].join(' ');
    const known = HEALTH_ROUTES.map((each) => `healthcheck ${each}`).join(', ');
    exitOnStartError(program, new Error(`${words}: no such command; there are: ${known}`));
  }
  const trouble = await checkHealth(options, route).catch(describeError);
  if (trouble === undefined) return;
  process.stderr.write(`${program}: ${trouble}\n`);
  process.exitCode = 1;
}

export function directoriesOf(files: readonly string[]): string[] {
  return [...new Set(files.map((file) => path.dirname(path.resolve(file))).reverse())];
}

function readConfig<T extends OptionTable & ServiceOptionTable>(
  program: HttpProgram<T>,
): LoadedConfig<T> {
  try {
    return loadProgramConfig(program);
  } catch (error) {
    exitOnStartError(program.name, error);
  }
}

/** What can only be found with all options in view. */
function checkConfig<T extends OptionTable & ServiceOptionTable>(
  program: HttpProgram<T>,
  config: ConfigOf<T>,
): ServiceKeys {
  try {
    program.check?.(config);
    // The key may stand in the configuration itself: that is read again for a new one.
    return new ServiceKeys(() => {
      const { config: current } = loadProgramConfig(program);
      return readServiceKeys((current as unknown as ConfigOf<ServiceOptionTable>).service_auth);
    });
  } catch (error) {
    exitOnStartError(program.name, error);
  }
}

function loadProgramConfig<T extends OptionTable & ServiceOptionTable>(
  program: HttpProgram<T>,
): LoadedConfig<T> {
  return loadConfig(program.options, {
    program: program.name,
    argv: process.argv.slice(2),
    // eslint-disable-next-line no-restricted-properties -- this is the main function of the services
    env: process.env,
    defaultFiles: program.defaultFiles,
    ...(program.moreSections ? { moreSections: program.moreSections } : {}),
  });
}
