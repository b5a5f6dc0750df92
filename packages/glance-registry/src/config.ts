import {
  healthcheckOptions,
  integerOption,
  isLoopback,
  readServiceKey,
  readTlsFiles,
  secondsOption,
  serviceAuthOptions,
  serviceOptions,
  textOption,
  type ConfigOf,
  type TlsFiles,
} from '@glance/service-kit';
import type { RegistrySettings } from './composition';
import { parseConnectionUrl } from './db/connection-url';

const databaseOptions = {
  connection: textOption({
    help: 'SQLAlchemy URL of the database: mysql+pymysql://user:password@host/name, sqlite:///relative.sqlite or sqlite:////absolute.sqlite.',
    secret: true,
  }),
  max_pool_size: integerOption({
    help: 'Database connections that each process keeps for use (MySQL).',
    default: 5,
    min: 1,
  }),
  max_overflow: integerOption({
    help: 'Database connections that each process opens beyond max_pool_size under load (MySQL).',
    default: 50,
  }),
};

/** Every option of glance-registry. Names and meanings are upstream's where upstream has the option. */
export const REGISTRY_OPTIONS = {
  DEFAULT: serviceOptions({ bindHost: '127.0.0.1', bindPort: 9191, program: 'glance-registry' }),
  database: databaseOptions,
  service_auth: serviceAuthOptions,
  healthcheck: healthcheckOptions,
  uploads: {
    sweep_interval: secondsOption({
      help: 'Seconds between two searches for uploads whose process died.',
      default: 30,
      min: 0.1,
    }),
  },
};

export type RegistryConfig = ConfigOf<typeof REGISTRY_OPTIONS>;

/** Files that are read when none is named. */
export const REGISTRY_DEFAULT_FILES = ['/etc/glance/glance-registry.conf'];

/** What glance-manage reads of the files of the services. */
export const MANAGE_OPTIONS = { database: databaseOptions };

/** As upstream's glance-manage: later files win. */
export const MANAGE_DEFAULT_FILES = [
  '/etc/glance/glance-registry.conf',
  '/etc/glance/glance-api.conf',
  '/etc/glance/glance-manage.conf',
];

/** What a configuration comes to once its files are read and its options fit together. */
export interface RegistryStart {
  settings: RegistrySettings;
  tls: TlsFiles | undefined;
  /** Fewer than configured where the database is one process's own. */
  workers: number;
}

/**
 * @throws Error when the configuration is not safe or not complete: an address beyond loopback
 * without a service key and without client certificates lets anybody in (security sheet §4).
 */
export function readStart(config: RegistryConfig): RegistryStart {
  const { DEFAULT: options, database } = config;
  const url = requireConnection(database.connection);
  const serviceKey = readServiceKey(config.service_auth);
  const tls = readTlsFiles(options);
  if (!isLoopback(options.bind_host) && serviceKey === undefined && !tls?.clientCa) {
    throw new Error(
      `bind_host = ${options.bind_host} is reachable from other hosts: ` +
        'set [service_auth] key or key_file, or cert_file, key_file and ca_file for client certificates',
    );
  }
  const target = parseConnectionUrl(url);
  const inMemory = target.kind === 'sqlite' && target.filename === ':memory:';
  return {
    settings: {
      database: { url, maxPoolSize: database.max_pool_size, maxOverflow: database.max_overflow },
      serviceKey,
      maxRequestIdLength: options.max_request_id_length,
      disableByFile: config.healthcheck.disable_by_file_path,
      sweepIntervalMs: config.uploads.sweep_interval * 1000,
    },
    tls,
    workers: inMemory ? 1 : options.workers,
  };
}

/** @throws Error that names the option when it is not set or no URL of a database. */
export function requireConnection(connection: string | undefined): string {
  if (connection === undefined) throw new Error('[database] connection is not set');
  try {
    parseConnectionUrl(connection);
  } catch (error) {
    throw new Error('[database] connection cannot be used', { cause: error });
  }
  return connection;
}
