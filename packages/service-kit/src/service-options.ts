import os from 'node:os';
import { BlockList, isIP } from 'node:net';
import path from 'node:path';
import { booleanOption, integerOption, secondsOption, textOption } from './config/options';
import type { metricsOptions } from './metrics/metrics-options';
import type { serviceAuthOptions } from './service-keys';

/** [DEFAULT] options that both services have. */
export function serviceOptions(defaults: { bindHost: string; bindPort: number; program: string }) {
  return {
    bind_host: textOption({ help: 'Address to listen on.', default: defaults.bindHost }),
    bind_port: integerOption({
      help: 'Port to listen on; 0 takes a free one.',
      default: defaults.bindPort,
      max: 65_535,
    }),
    backlog: integerOption({
      help: 'Connections that may wait to be accepted.',
      default: 4096,
      min: 1,
    }),
    max_connections: integerOption({
      help: 'Connections that each process has open at a time; further ones are closed at once. 0 for no limit.',
      default: 8192,
    }),
    workers: integerOption({
      help: 'Processes that serve requests; 0 and 1 serve in the main process.',
      default: Math.min(8, os.availableParallelism()),
      defaultText: 'number of CPUs, at most 8',
      max: 256,
    }),
    cert_file: textOption({
      help: 'Server certificate (PEM). With key_file the service speaks TLS. It, key_file and ca_file are read again on SIGHUP.',
    }),
    key_file: textOption({ help: 'Private key of the server certificate (PEM).' }),
    ca_file: textOption({
      help: 'Certificate authority (PEM) that must have signed the certificate of every client.',
    }),
    client_socket_timeout: secondsOption({
      help: 'Seconds an idle keep-alive connection is kept; longer than the idle time of a load balancer in front.',
      default: 75,
      min: 1,
    }),
    max_header_line: integerOption({
      help: 'Bytes of one header line; a whole header block may have four times as much.',
      default: 16_384,
      min: 1024,
      max: 1_048_576,
    }),
    max_request_id_length: integerOption({
      help: 'Longest X-Openstack-Request-Id accepted from a client.',
      default: 64,
      min: 1,
      max: 255,
    }),
    graceful_shutdown_timeout: secondsOption({
      help: 'Seconds that running requests get when the service is stopped; then they are aborted.',
      default: 300,
    }),
    shutdown_delay: secondsOption({
      help: 'Seconds between the red readiness and the closed port, for a load balancer to notice. Answers end their connections meanwhile.',
      default: 5,
    }),
    debug: booleanOption({ help: 'Log at debug level.', default: false }),
    log_file: textOption({
      help: 'File to log to instead of standard error; opened again on SIGHUP, as logrotate wants it.',
    }),
    log_dir: textOption({
      help: `Directory of log_file; alone, the file is ${defaults.program}.log.`,
    }),
    use_json: booleanOption({ help: 'Log one JSON object a line.', default: false }),
  };
}

/** [healthcheck] as upstream names it. */
export const healthcheckOptions = {
  disable_by_file_path: textOption({
    help: 'While this file exists /healthcheck answers 503, to take a node out of a load balancer.',
  }),
};

export interface LogFileOptions {
  readonly log_file: string | undefined;
  readonly log_dir: string | undefined;
}

export function logFile(program: string, options: LogFileOptions): string | undefined {
  if (options.log_dir === undefined) return options.log_file;
  return path.join(options.log_dir, options.log_file ?? `${program}.log`);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** The options that every service's table has. */
export type ServiceOptionTable = {
  readonly DEFAULT: ReturnType<typeof serviceOptions>;
  readonly service_auth: typeof serviceAuthOptions;
  readonly healthcheck: typeof healthcheckOptions;
  readonly metrics: typeof metricsOptions;
};
