import { accessSync, constants, readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { StoreConfigurationError } from '../../store-configuration-error';
import type { StoreContext } from '../../store-driver';
import { readOptions } from '../../store-options';
import type { OptionValues, StoreOptionTable, StoreOptions } from '../../store-options';
import { MAX_SEED } from './swift-location';
import type { SwiftArea } from './swift-location';
import { readReferences, toReference } from './swift-references';
import type { SwiftReference } from './swift-references';

/** Upstream's unit of the sizes below (stores sheet §6). */
const SIZE_UNIT_BYTES = 1_024_000;
const AUTH_VERSIONS = ['3', '1'] as const;
const INTERFACES = ['publicURL', 'internalURL', 'adminURL'] as const;

/** Upstream's options (stores sheet §6); version 1 of the login is our own. */
export const SWIFT_OPTIONS = {
  default_swift_reference: {
    kind: 'text',
    default: 'ref1',
    description: 'Section of swift_store_config_file with the account that new images go to.',
  },
  swift_store_config_file: {
    kind: 'text',
    default: '',
    description:
      'File with a section for each Swift account: auth_address with user (project:user) and key, or with application_credential_id and application_credential_secret; optional project_domain_id, project_domain_name, user_domain_id, user_domain_name. With it, locations name a section; without it they hold the user and the key of the account.',
  },
  swift_store_auth_address: {
    kind: 'text',
    default: '',
    description:
      'URL of Keystone, or of Swift’s own login with swift_store_auth_version = 1. https unless it says http. Used without swift_store_config_file.',
  },
  swift_store_user: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Who logs in, as project:user. Used without swift_store_config_file.',
  },
  swift_store_key: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Password of swift_store_user.',
  },
  swift_store_application_credential_id: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Application credential that logs in, in place of swift_store_user.',
  },
  swift_store_application_credential_secret: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Secret of swift_store_application_credential_id.',
  },
  swift_store_project_name: {
    kind: 'text',
    default: '',
    description:
      'Accepted for upstream’s configuration files; an application credential is of one project anyway.',
  },
  swift_store_project_id: {
    kind: 'text',
    default: '',
    description: 'As swift_store_project_name.',
  },
  swift_store_auth_version: {
    kind: 'text',
    default: '3',
    description: 'Who is asked for tokens: Keystone (3), or Swift itself (1, such as tempauth).',
  },
  swift_store_auth_insecure: {
    kind: 'boolean',
    default: false,
    description: 'Do not verify certificates, of Keystone and of Swift.',
  },
  swift_store_cacert: {
    kind: 'text',
    default: '',
    description:
      'File (PEM) with the authorities that must have signed the certificates of Keystone and of Swift. The public ones unless set.',
  },
  swift_store_region: {
    kind: 'text',
    default: '',
    description: 'Region of the endpoint in the catalog; the first that is there unless set.',
  },
  swift_store_endpoint: {
    kind: 'text',
    default: '',
    description:
      'URL of the account in Swift, such as https://swift.example.org/v1/AUTH_PROJECT, in place of that in the catalog.',
  },
  swift_store_endpoint_type: {
    kind: 'text',
    default: 'publicURL',
    description: 'Endpoint of the catalog to use: publicURL, internalURL or adminURL.',
  },
  swift_store_service_type: {
    kind: 'text',
    default: 'object-store',
    description: 'Type of the service in the catalog.',
  },
  swift_store_container: {
    kind: 'text',
    default: 'glance',
    description:
      'Container for images, or how the names of several begin. Names below glance-unfinished/ tell of uploads that run; leave them alone.',
  },
  swift_store_multiple_containers_seed: {
    kind: 'integer',
    minimum: 0,
    default: 0,
    description: `Spread images over containers by so many digits of their ids (up to ${MAX_SEED}); 0 for one container.`,
  },
  swift_store_large_object_size: {
    kind: 'integer',
    minimum: 1,
    default: 5120,
    description:
      'Units of 1 024 000 bytes from which on an image is stored in segments. Smaller ones are one object; those of unknown size are always stored in segments.',
  },
  swift_store_large_object_chunk_size: {
    kind: 'integer',
    minimum: 1,
    default: 200,
    description:
      'Units of 1 024 000 bytes of a segment. Small ones make slow downloads: Swift sends those after the tenth one a second unless its rate_limit_after_segment says otherwise. The segments of an image that would need more than 10000 are larger.',
  },
  swift_store_create_container_on_put: {
    kind: 'boolean',
    default: false,
    description: 'Make a container at the first upload to it when it is missing.',
  },
  swift_store_multi_tenant: {
    kind: 'boolean',
    default: false,
    description:
      'Keep images in the accounts of their owners. Not supported: the start fails with true.',
  },
  swift_store_use_trusts: {
    kind: 'boolean',
    default: true,
    description: 'Has a meaning with swift_store_multi_tenant only.',
  },
  swift_store_admin_tenants: {
    kind: 'list',
    default: [],
    description: 'Has a meaning with swift_store_multi_tenant only.',
  },
  swift_store_ssl_compression: {
    kind: 'boolean',
    default: true,
    description: 'Accepted for upstream’s configuration files; TLS is never compressed.',
  },
  swift_store_retry_get_count: {
    kind: 'integer',
    minimum: 0,
    default: 0,
    description: 'How often a download that breaks off goes on where it was.',
  },
  swift_store_expire_soon_interval: {
    kind: 'integer',
    minimum: 0,
    default: 60,
    description: 'Seconds before its end from which on a token is replaced by a new one.',
  },
  swift_buffer_on_upload: {
    kind: 'boolean',
    default: false,
    description:
      'Write each segment to swift_upload_buffer_dir first, so that it can be sent again when that fails.',
  },
  swift_upload_buffer_dir: {
    kind: 'text',
    default: '',
    description:
      'Directory for the segments of swift_buffer_on_upload: each running upload needs room for one.',
  },
} as const satisfies StoreOptionTable;

export interface SwiftSettings {
  area: SwiftArea;
  authVersion: '3' | '1';
  /** Whether certificates are not looked at. */
  insecure: boolean;
  ca: Buffer | undefined;
  region: string | undefined;
  endpoint: string | undefined;
  /** As Keystone calls it: public, internal or admin. */
  interfaceName: string;
  serviceType: string;
  createContainer: boolean;
  largeObjectBytes: number;
  segmentBytes: number;
  retryGetCount: number;
  renewBeforeMs: number;
  /** Where segments are kept until they are sent; undefined: they are sent as they come. */
  bufferDirectory: string | undefined;
}

type Values = OptionValues<typeof SWIFT_OPTIONS>;
type OptionName = keyof typeof SWIFT_OPTIONS;

/** @throws StoreConfigurationError with everything that is wrong. */
export function readSwiftOptions(options: StoreOptions, context: StoreContext): SwiftSettings {
  const { storeId } = context;
  const values = readOptions(storeId, SWIFT_OPTIONS, options);
  const problems: string[] = [];
  const attempt = <T>(option: OptionName, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      problems.push(`store ${storeId}: option ${option}: ${(error as Error).message}`);
      return undefined;
    }
  };
  attempt('swift_store_multi_tenant', () => {
    if (values.swift_store_multi_tenant) {
      throw new Error('is not supported: set it to false, and name one account for all images');
    }
  });
  attempt('swift_store_container', () => requireContainerName(values.swift_store_container));
  attempt('swift_store_multiple_containers_seed', () => {
    if (values.swift_store_multiple_containers_seed > MAX_SEED) {
      throw new Error(`must be ${MAX_SEED} or less`);
    }
  });
  const authVersion = attempt('swift_store_auth_version', () =>
    oneOf(values.swift_store_auth_version, AUTH_VERSIONS),
  );
  const interfaceUrl = attempt('swift_store_endpoint_type', () =>
    oneOf(values.swift_store_endpoint_type, INTERFACES),
  );
  const caFile = values.swift_store_cacert;
  const ca =
    caFile === '' ? undefined : attempt('swift_store_cacert', () => readAuthorities(caFile));
  const endpoint = attempt('swift_store_endpoint', () => toEndpoint(values.swift_store_endpoint));
  const bufferDirectory = attempt('swift_upload_buffer_dir', () => bufferDirectoryOf(values));
  const accounts = attempt(
    values.swift_store_config_file === '' ? 'swift_store_auth_address' : 'swift_store_config_file',
    () => accountsOf(values, authVersion, context),
  );
  if (problems.length > 0 || !authVersion || !interfaceUrl || !accounts) {
    throw new StoreConfigurationError(problems);
  }
  return {
    area: {
      ...accounts,
      container: values.swift_store_container,
      seed: values.swift_store_multiple_containers_seed,
    },
    authVersion,
    insecure: values.swift_store_auth_insecure,
    ca,
    region: values.swift_store_region || undefined,
    endpoint,
    interfaceName: interfaceUrl.replace('URL', ''),
    serviceType: values.swift_store_service_type,
    createContainer: values.swift_store_create_container_on_put,
    largeObjectBytes: values.swift_store_large_object_size * SIZE_UNIT_BYTES,
    segmentBytes: values.swift_store_large_object_chunk_size * SIZE_UNIT_BYTES,
    retryGetCount: values.swift_store_retry_get_count,
    renewBeforeMs: values.swift_store_expire_soon_interval * 1000,
    bufferDirectory,
  };
}

function accountsOf(
  values: Values,
  authVersion: string | undefined,
  { storeId, warn }: StoreContext,
): Pick<SwiftArea, 'references' | 'defaultReference'> {
  const file = values.swift_store_config_file;
  let references: Map<string, SwiftReference>;
  let defaultReference = '';
  if (file === '') {
    references = new Map([['', ownAccount(values)]]);
    warn(
      `store ${storeId}: the locations of new images hold the user and the key of the Swift account; with swift_store_config_file they do not`,
    );
  } else {
    references = readReferences(file, (message) => warn(`store ${storeId}: ${message}`));
    defaultReference = values.default_swift_reference;
    if (!references.has(defaultReference)) {
      throw new Error(
        `${file} has no usable section ${defaultReference}, which default_swift_reference names`,
      );
    }
  }
  const inUse = references.get(defaultReference);
  if (authVersion === '3' && inUse && !inUse.isApplicationCredential) {
    if (!/^[^:]+:[^:]+$/.test(inUse.user)) throw new Error('the user must be project:user');
  }
  return { references, defaultReference };
}

function ownAccount(values: Values): SwiftReference {
  return toReference({
    auth_address: values.swift_store_auth_address,
    user: values.swift_store_user,
    key: values.swift_store_key,
    application_credential_id: values.swift_store_application_credential_id,
    application_credential_secret: values.swift_store_application_credential_secret,
  });
}

function bufferDirectoryOf(values: Values): string | undefined {
  if (!values.swift_buffer_on_upload) return undefined;
  const directory = values.swift_upload_buffer_dir;
  if (directory === '') throw new Error('is required by swift_buffer_on_upload: set it');
  accessSync(directory, constants.W_OK | constants.X_OK);
  return directory;
}

function toEndpoint(text: string): string | undefined {
  if (text === '') return undefined;
  if (!URL.canParse(text) || !/^https?:\/\//.test(text)) {
    throw new Error('must be a URL with http or https');
  }
  return text.replace(/\/+$/, '');
}

function requireContainerName(name: string): void {
  // Swift allows more; what would have to be quoted in a location is left out.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,219}$/.test(name)) {
    throw new Error('must be letters, digits, dots, dashes and underlines, 220 at most');
  }
}

function oneOf<T extends string>(value: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each === value);
  if (choice === undefined) throw new Error(`must be one of ${choices.join(', ')}`);
  return choice;
}

function readAuthorities(file: string): Buffer {
  const ca = readFileSync(file);
  createSecureContext({ ca });
  return ca;
}
