import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { BlockList, isIP } from 'node:net';
import path from 'node:path';
import { booleanOption, integerOption, secondsOption, textOption } from './config/options';
import type { TlsFiles } from './http/http-service';

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
    workers: integerOption({
      help: 'Processes that serve requests; 0 and 1 serve in the main process.',
      default: Math.min(8, os.availableParallelism()),
      defaultText: 'number of CPUs, at most 8',
      max: 256,
    }),
    cert_file: textOption({
      help: 'Server certificate (PEM). With key_file the service speaks TLS.',
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
      help: 'Seconds between the red readiness and the closed port, for a load balancer to notice.',
      default: 5,
    }),
    debug: booleanOption({ help: 'Log at debug level.', default: false }),
    log_file: textOption({ help: 'File to log to instead of standard error.' }),
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

export interface TlsOptions {
  readonly cert_file: string | undefined;
  readonly key_file: string | undefined;
  readonly ca_file: string | undefined;
}

/** @throws Error that names the option when a file is missing or half of a pair is set. */
export function readTlsFiles(options: TlsOptions): TlsFiles | undefined {
  const { cert_file: cert, key_file: key, ca_file: ca } = options;
  if (cert === undefined && key === undefined) {
    if (ca !== undefined) throw new Error('ca_file needs cert_file and key_file as well');
    return undefined;
  }
  if (cert === undefined || key === undefined) {
    throw new Error('cert_file and key_file must be set together');
  }
  return {
    cert: readOptionFile('cert_file', cert),
    key: readOptionFile('key_file', key),
    ...(ca === undefined ? {} : { clientCa: readOptionFile('ca_file', ca) }),
  };
}

export function readOptionFile(option: string, file: string): Buffer {
  if (!existsSync(file)) throw new Error(`${option} = ${file}: the file does not exist`);
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`${option} = ${file}: cannot be read`, { cause: error });
  }
}

/** [service_auth]: the secret the api shows to the registry. */
export const serviceAuthOptions = {
  key: textOption({
    help: 'Secret shared by glance-api and glance-registry, at least 32 characters.',
    secret: true,
  }),
  key_file: textOption({ help: 'File that holds the key, instead of the key itself.' }),
};

/** @throws Error when the key is too short to be one, or both options are set. */
export function readServiceKey(options: {
  readonly key: string | undefined;
  readonly key_file: string | undefined;
}): string | undefined {
  if (options.key !== undefined && options.key_file !== undefined) {
    throw new Error('[service_auth] key and key_file exclude each other');
  }
  const key =
    options.key_file === undefined
      ? options.key
      : readOptionFile('[service_auth] key_file', options.key_file).toString('utf8').trim();
  if (key !== undefined && key.length < 32) {
    throw new Error('[service_auth] key must have at least 32 characters');
  }
  return key;
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
};
