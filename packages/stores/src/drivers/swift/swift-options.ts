import { accessSync, constants, readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { StoreConfigurationError } from '../../store-configuration-error';
import type { StoreContext } from '../../store-driver';
import { readOptions } from '../../store-options';
import type { OptionValues, StoreOptions } from '../../store-options';
import { SWIFT_OPTIONS } from './option-table';
import { MAX_SEED } from './swift-location';
import type { SwiftArea } from './swift-location';
import { readReferences, toReference } from './swift-references';
import type { SwiftReference } from './swift-references';

/** Upstream's unit of the sizes below (stores sheet §6). */
const SIZE_UNIT_BYTES = 1_024_000;
const AUTH_VERSIONS = ['3', '1'] as const;
/** As endpoints of Keystone's catalog name the project. */
const PROJECT_IN_URL = /[%$]\((?:project|tenant)_id\)s/;
const INTERFACES = ['publicURL', 'internalURL', 'adminURL'] as const;

/** Where `swift_store_endpoint` has the id of the project. */
export const PROJECT_PLACEHOLDER = '%(project_id)s';

export interface SwiftSettings {
  area: SwiftArea;
  authVersion: '3' | '1';
  /** Whether certificates are not looked at. */
  insecure: boolean;
  ca: Buffer | undefined;
  region: string | undefined;
  /** With {@link PROJECT_PLACEHOLDER} where it is that of any project. */
  endpoint: string | undefined;
  /** As Keystone calls it: public, internal or admin. */
  interfaceName: string;
  /** Projects that may write to the containers of images; undefined without the multi-tenant mode. */
  adminProjects: readonly string[] | undefined;
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
    if (values.swift_store_multi_tenant) checkMultiTenant(values);
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
    adminProjects: values.swift_store_multi_tenant ? values.swift_store_admin_tenants : undefined,
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
    // Locations in the accounts of projects hold neither.
    if (!values.swift_store_multi_tenant)
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

/** What images in the accounts of projects need, and what cannot be had with them. */
function checkMultiTenant(values: Values): void {
  if (values.swift_store_config_file !== '') {
    throw new Error(
      'cannot be had with swift_store_config_file: name one user for the service with swift_store_auth_address, swift_store_user and swift_store_key',
    );
  }
  if (values.swift_store_auth_version !== '3') {
    throw new Error('needs Keystone: set swift_store_auth_version = 3');
  }
  if (values.swift_store_multiple_containers_seed !== 0) {
    throw new Error(
      'gives each image a container of its own: set swift_store_multiple_containers_seed = 0',
    );
  }
  if (values.swift_store_endpoint !== '' && !PROJECT_IN_URL.test(values.swift_store_endpoint)) {
    throw new Error(
      'needs %(project_id)s in swift_store_endpoint, in the place of the project of an account, or no swift_store_endpoint at all',
    );
  }
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
  return text.replace(/\/+$/, '').replace(PROJECT_IN_URL, PROJECT_PLACEHOLDER);
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
