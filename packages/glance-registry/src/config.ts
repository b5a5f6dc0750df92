import {
  booleanOption,
  healthcheckOptions,
  integerOption,
  isLoopback,
  listOption,
  metricsOptions,
  readServiceKeys,
  readTlsFiles,
  secondsOption,
  serviceAuthOptions,
  serviceOptions,
  textOption,
  type ConfigOf,
  type ServiceKeys,
} from '@glance/service-kit';
import type { RegistrySettings } from './composition';
import { DEFAULT_LEASE_SECONDS } from './uploads/lease-repository';
import { createTextCipher } from './db/text-cipher';
import { EVENT_OPTIONS, readEventSettings } from './events/sending/event-options';
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

const encryptionOptions = {
  metadata_encryption_key: textOption({
    help: 'Encrypts URLs of locations in the database, as upstream does with its option of this name in glance-api.conf: 16, 24 or 32 bytes. URLs from before it was set stay readable until "glance-manage db encrypt_locations" encrypts them. Without the right key no image with an encrypted URL can be shown or deleted.',
    secret: true,
  }),
};

const metadefOptions = {
  metadata_source_path: textOption({
    help: 'File or directory of metadata definitions that "glance-manage db load_metadefs" loads, and directory that "db export_metadefs" writes to, unless --path says another.',
    default: '/etc/glance/metadefs/',
  }),
};

/** Every option of glance-registry. Names and meanings are upstream's where upstream has the option. */
export const REGISTRY_OPTIONS = {
  DEFAULT: {
    ...serviceOptions({ bindHost: '127.0.0.1', bindPort: 9191, program: 'glance-registry' }),
    ...encryptionOptions,
    ...metadefOptions,
    ...EVENT_OPTIONS.DEFAULT,
  },
  database: databaseOptions,
  service_auth: {
    ...serviceAuthOptions,
    client_names: listOption({
      help: 'With ca_file: the subjectAltNames (DNS or URI) that certificates of glance-api have. Unset: whatever ca_file has signed may call.',
      default: [],
    }),
  },
  healthcheck: healthcheckOptions,
  metrics: {
    ...metricsOptions,
    image_series: booleanOption({
      help: 'Also tell name, owner, size and age of single images, the newest 10000, under the names that openstack-exporter has for them: two series for each image.',
      default: false,
    }),
  },
  uploads: {
    lease_seconds: integerOption({
      help: 'Seconds after its last sign of life until an upload counts as dead and is rolled back.',
      default: DEFAULT_LEASE_SECONDS,
      // Times have whole seconds, and a heartbeat a second must be enough.
      min: 4,
      max: 86_400,
    }),
    sweep_interval: secondsOption({
      help: 'Seconds between two searches for uploads whose process died.',
      default: 30,
      min: 0.1,
    }),
    usage_audit_interval: secondsOption({
      help: 'Seconds between two comparisons of the quota accounts with the tables; what differs is repaired and logged.',
      default: 86_400,
      min: 1,
    }),
  },
  oslo_messaging_notifications: EVENT_OPTIONS.oslo_messaging_notifications,
  oslo_messaging_rabbit: EVENT_OPTIONS.oslo_messaging_rabbit,
  webhook: EVENT_OPTIONS.webhook,
  outbox: EVENT_OPTIONS.outbox,
  purge: {
    after_days: integerOption({
      help: 'Days after which the rows of deleted images are removed for good, as "glance-manage db purge" and "purge_images_table" do; 0 leaves that to the operator. Ids stay taken.',
      default: 0,
      min: 0,
      max: 20_000,
    }),
    interval: secondsOption({
      help: 'Seconds between two purges.',
      default: 86_400,
      min: 1,
    }),
  },
};

export type RegistryConfig = ConfigOf<typeof REGISTRY_OPTIONS>;

/** Files that are read when none is named. */
export const REGISTRY_DEFAULT_FILES = ['/etc/glance/glance-registry.conf'];

/** What glance-manage reads of the files of the services. */
export const MANAGE_OPTIONS = {
  DEFAULT: { ...encryptionOptions, ...metadefOptions },
  database: databaseOptions,
};

/** As upstream's glance-manage: later files win. */
export const MANAGE_DEFAULT_FILES = [
  '/etc/glance/glance-registry.conf',
  '/etc/glance/glance-api.conf',
  '/etc/glance/glance-manage.conf',
];

/**
 * @throws Error when the configuration is not complete or not safe: beyond loopback, without a
 * service key and without client certificates, anybody would be believed (security sheet §4).
 */
export function checkRegistryConfig(config: RegistryConfig): void {
  const { DEFAULT: options } = config;
  requireConnection(config.database.connection);
  createTextCipher(options.metadata_encryption_key);
  readEventSettings(config);
  const hasClientCa = readTlsFiles(options)?.clientCa !== undefined;
  if (config.service_auth.client_names.length > 0 && !hasClientCa) {
    throw new Error(
      '[service_auth] client_names needs client certificates: set cert_file, key_file and ca_file',
    );
  }
  const knowsCallers = readServiceKeys(config.service_auth).length > 0 || hasClientCa;
  if (knowsCallers || isLoopback(options.bind_host)) return;
  throw new Error(
    `bind_host = ${options.bind_host} is reachable from other hosts: set [service_auth] key or ` +
      'key_file, or cert_file, key_file and ca_file for client certificates',
  );
}

/** What may be meant so, and what an operator should know about it. */
export function registryWarnings({ DEFAULT: options, service_auth }: RegistryConfig): string[] {
  const isExposed = !isLoopback(options.bind_host) && options.cert_file === undefined;
  if (!isExposed || readServiceKeys(service_auth).length === 0) return [];
  return [
    `bind_host = ${options.bind_host} without TLS: THE SERVICE KEY TRAVELS IN CLEAR TEXT, and whoever reads it on the network is an administrator. Set cert_file and key_file here and registry_client_protocol = https in glance-api.conf, or let both talk over a network of their own`,
  ];
}

/** @param serviceKeys those of the configuration, which may change while the service runs. */
export function toRegistrySettings(
  config: RegistryConfig,
  serviceKeys: ServiceKeys,
): RegistrySettings {
  const { DEFAULT: options, database } = config;
  return {
    database: {
      url: requireConnection(database.connection),
      maxPoolSize: database.max_pool_size,
      maxOverflow: database.max_overflow,
    },
    cipher: createTextCipher(options.metadata_encryption_key),
    serviceKeys,
    clientNames: config.service_auth.client_names,
    maxRequestIdLength: options.max_request_id_length,
    disableByFile: config.healthcheck.disable_by_file_path,
    imageSeries: config.metrics.image_series,
    sweepIntervalMs: config.uploads.sweep_interval * 1000,
    leaseSeconds: config.uploads.lease_seconds,
    purge: { afterDays: config.purge.after_days, intervalMs: config.purge.interval * 1000 },
    events: readEventSettings(config),
    auditIntervalMs: config.uploads.usage_audit_interval * 1000,
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
