import cluster from 'node:cluster';
import { describeError } from '@glance/common';
import { ConfigError } from '../config/load-config';
import type { Logger } from '../logger';

/** A service that listens and can be stopped: what {@link runService} keeps alive. */
export interface RunningService {
  /** Red for the load balancer, then no new connections, then the end of what runs. */
  stop(): Promise<void>;
  /** Gives up at once what still runs. */
  abort(): void;
  /** Reads again what may change while the service runs. */
  reload(): void;
}

export interface ServiceProcess {
  logger: Logger;
  /** Processes to run; 0 and 1 serve in this one. */
  workers: number;
  /** After it the process is killed, whatever still hangs. */
  stopTimeoutMs: number;
  /** Once per service, in the process that the operator started. */
  onPrimary?(): void;
  /**
   * What a process that only supervises others does beside that, before it starts them.
   * @throws Error when it cannot: then the service does not start.
   */
  startSupervisor?(): Promise<void>;
  /** What a process that only supervises others reads again. */
  reloadSupervisor?(): void;
  start(): Promise<RunningService>;
}

const EXIT_CANNOT_START = 2;
const RESTART_DELAY_MS = 1000;
/** What a supervisor tells its workers when it gets SIGHUP. */
const RELOAD = 'reload';

/** Runs a service until a signal ends it, in one process or in several (node:cluster). */
export async function runService(service: ServiceProcess): Promise<void> {
  if (cluster.isPrimary) service.onPrimary?.();
  if (service.workers > 1 && cluster.isPrimary) await supervise(service);
  else await serve(service);
}

async function serve(service: ServiceProcess): Promise<void> {
  const { logger } = service;
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const stack = error instanceof Error ? error.stack : undefined;
      logger.error(`${event}, this process ends: ${describeError(error)}`, { stack });
      exitAfterLog(1);
    });
  }
  let running: RunningService | undefined;
  // Widened: the compiler does not see that the signal sets it.
  let reloadLater = false as boolean;
  const reload = (): void => {
    if (running) running.reload();
    else reloadLater = true;
  };
  // Before the start: without a listener the signal would end the process.
  process.on('SIGHUP', reload);
  if (cluster.isWorker) {
    process.on('message', (message) => {
      if (message === RELOAD) reload();
    });
  }
  try {
    running = await service.start();
  } catch (error) {
    logger.error(`Cannot start: ${describeError(error)}`);
    exitAfterLog(EXIT_CANNOT_START);
    return;
  }
  const started = running;
  if (reloadLater) started.reload();
  let stopping = false;
  const stop = (reason: string): void => {
    if (stopping) {
      logger.warn(`${reason} again: ending now`);
      started.abort();
      exitAfterLog(1);
      return;
    }
    stopping = true;
    logger.info(`${reason}: stopping`);
    setTimeout(() => {
      logger.error('The stop took too long: killing this process');
      process.kill(process.pid, 'SIGKILL');
    }, service.stopTimeoutMs).unref();
    started.stop().then(
      () => {
        logger.info('Stopped');
        exitAfterLog(0);
      },
      (error: unknown) => {
        logger.error(`The stop failed: ${describeError(error)}`);
        exitAfterLog(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  // In a terminal SIGINT reaches every process of the group: a worker waits for its primary.
  process.on('SIGINT', () => {
    if (!cluster.isWorker) stop('SIGINT');
  });
  // Started by a supervisor that keeps a channel open: end with it, however it died.
  if (process.connected && !cluster.isWorker) {
    process.on('disconnect', () => stop('The parent process is gone'));
  }
}

async function supervise(service: ServiceProcess): Promise<void> {
  try {
    await service.startSupervisor?.();
  } catch (error) {
    service.logger.error(`Cannot start: ${describeError(error)}`);
    exitAfterLog(EXIT_CANNOT_START);
    return;
  }
  superviseWorkers(service);
}

function superviseWorkers(service: ServiceProcess): void {
  const { logger } = service;
  let stopping = false;
  let everServed = false;
  const fork = (): void => {
    if (stopping) return;
    const started = Date.now();
    const worker = cluster.fork();
    worker.once('listening', () => {
      everServed = true;
    });
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      if (code === EXIT_CANNOT_START && !everServed) {
        end('A worker cannot start', EXIT_CANNOT_START);
        return;
      }
      logger.error(
        `Worker ${worker.process.pid ?? '?'} ended (${signal || code}): starting another`,
      );
      setTimeout(fork, Date.now() - started < RESTART_DELAY_MS ? RESTART_DELAY_MS : 0);
    });
  };
  const signalAll = (signal: NodeJS.Signals): void => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
  };
  const end = (reason: string, code: number): void => {
    if (stopping) {
      signalAll('SIGTERM');
      return;
    }
    stopping = true;
    logger.info(`${reason}: stopping the workers`);
    signalAll('SIGTERM');
    setTimeout(() => {
      logger.error('Workers did not stop in time: killing them');
      signalAll('SIGKILL');
    }, service.stopTimeoutMs).unref();
    const check = (): void => {
      if (Object.keys(cluster.workers ?? {}).length === 0) exitAfterLog(code);
    };
    cluster.on('exit', check);
    check();
  };
  process.on('SIGTERM', () => end('SIGTERM', 0));
  process.on('SIGINT', () => end('SIGINT', 0));
  process.on('SIGHUP', () => {
    service.reloadSupervisor?.();
    logger.info('SIGHUP: passed on to the workers');
    // Not as a signal, which ends a process that has only begun; a message waits for its listener.
    for (const worker of Object.values(cluster.workers ?? {})) worker?.send(RELOAD);
  });
  if (process.connected) process.on('disconnect', () => end('The parent process is gone', 0));
  logger.info(`Starting ${service.workers} workers`);
  for (let count = 0; count < service.workers; count += 1) fork();
}

/** Lets the log reach its sink first. */
function exitAfterLog(code: number): void {
  process.exitCode = code;
  setImmediate(() => setImmediate(() => process.exit(code)));
}

/** Prints what is wrong with a configuration or a start and ends the program. */
export function exitOnStartError(program: string, error: unknown): never {
  const text = error instanceof ConfigError ? error.message : describeError(error);
  process.stderr.write(`${program}: ${text}\n`);
  process.exit(EXIT_CANNOT_START);
}
