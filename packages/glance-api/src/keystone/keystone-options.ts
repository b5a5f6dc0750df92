import {
  KeystoneSession,
  type DomainName,
  type KeystoneTls,
  type Scope,
  type ServiceCredentials,
  type UserName,
} from '@glance/keystone-client';
import {
  booleanOption,
  integerOption,
  readCertificate,
  readKeyPair,
  secondsOption,
  textOption,
  type ConfigOf,
  type ProgramEnvironment,
  type ReloadStep,
} from '@glance/service-kit';

/** Options of a section that says how this service reaches Keystone and who it is there. */
export function keystoneAccessOptions() {
  return {
    auth_url: textOption({
      help: 'URL of the identity API, with or without /v3.',
      pattern: { regex: /^https?:\/\/[^\s]+$/, description: 'an http or https URL' },
    }),
    auth_type: textOption({
      help: "What this service's own user logs in with.",
      default: 'password',
      choices: ['password', 'v3password', 'v3applicationcredential'],
      deprecatedName: 'auth_plugin',
    }),
    username: textOption({ help: "Name of this service's own user.", deprecatedName: 'user_name' }),
    user_id: textOption({ help: 'Id of that user, instead of username and its domain.' }),
    password: textOption({ help: 'Password of that user.', secret: true }),
    user_domain_name: textOption({ help: 'Domain of the user.' }),
    user_domain_id: textOption({
      help: 'Id of the domain of the user.',
      defaultText: 'default',
    }),
    project_name: textOption({
      help: 'Project that the user works in.',
      deprecatedName: 'tenant_name',
    }),
    project_id: textOption({
      help: 'Id of the project, instead of project_name and its domain.',
      deprecatedName: 'tenant_id',
    }),
    project_domain_name: textOption({ help: 'Domain of the project.' }),
    project_domain_id: textOption({
      help: 'Id of the domain of the project.',
      defaultText: 'default',
    }),
    system_scope: textOption({
      help: 'all: the user works on the whole system instead of a project.',
      choices: ['all'],
    }),
    application_credential_id: textOption({
      help: 'Application credential, with auth_type = v3applicationcredential.',
    }),
    application_credential_secret: textOption({
      help: 'Secret of the application credential.',
      secret: true,
    }),
    cafile: textOption({
      help: 'Certificate authority (PEM) that must have signed the certificate of Keystone. Unset: those that Node knows.',
    }),
    certfile: textOption({ help: 'Client certificate (PEM) shown to Keystone.' }),
    keyfile: textOption({ help: 'Private key of certfile (PEM).' }),
    insecure: booleanOption({
      help: 'Not supported: true stops the start. Set cafile to trust an authority of your own.',
      default: false,
    }),
    http_connect_timeout: secondsOption({
      help: 'Seconds that Keystone may take to answer.',
      default: 5,
      min: 0.1,
    }),
    http_request_max_retries: integerOption({
      help: 'Further attempts when Keystone does not answer.',
      default: 1,
      max: 10,
    }),
  };
}

export type KeystoneAccess = ConfigOf<{
  section: ReturnType<typeof keystoneAccessOptions>;
}>['section'];

/** The access to Keystone that one section of the configuration describes. */
export interface KeystoneConnection {
  session: KeystoneSession;
  /** Reads the files of its certificates again. */
  reload: ReloadStep;
}

/**
 * Nothing is sent before it is used.
 * @throws Error that names the option at fault.
 */
export function connectKeystone(
  section: string,
  options: KeystoneAccess,
  { logger, release }: Pick<ProgramEnvironment, 'logger' | 'release'>,
): KeystoneConnection {
  if (options.insecure) {
    throw new Error(
      `[${section}] insecure = true is not supported: whoever answers would learn every token; set cafile`,
    );
  }
  const tls = readTls(section, options);
  const authUrl = required(section, 'auth_url', options.auth_url);
  const credentials = credentialsOf(section, options);
  try {
    const session = new KeystoneSession({
      authUrl,
      credentials,
      userAgent: `glance-api/${release}`,
      timeoutMs: options.http_connect_timeout * 1000,
      tries: options.http_request_max_retries + 1,
      tls,
      onRefusal: (message) => {
        logger.error(`[${section}] is not accepted: ${message}`);
      },
    });
    return {
      session,
      reload: {
        what: `certificates of [${section}]`,
        reload: () => {
          const again = readTls(section, options);
          session.useTls(again);
          return Object.keys(again).length > 0;
        },
      },
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error(`[${section}] auth_url cannot be used`, { cause: error });
  }
}

/** @throws Error that names the option of a file that cannot be used. */
function readTls(section: string, { cafile, certfile, keyfile }: KeystoneAccess): KeystoneTls {
  if ((certfile === undefined) !== (keyfile === undefined)) {
    throw new Error(`[${section}] certfile and keyfile must be set together`);
  }
  return {
    ...(cafile === undefined ? {} : { ca: readCertificate(`[${section}] cafile`, cafile) }),
    ...(certfile === undefined || keyfile === undefined
      ? {}
      : readKeyPair(
          { option: `[${section}] certfile`, file: certfile },
          { option: `[${section}] keyfile`, file: keyfile },
        )),
  };
}

function credentialsOf(section: string, options: KeystoneAccess): ServiceCredentials {
  if (options.auth_type === 'v3applicationcredential') {
    const { application_credential_id: id, application_credential_secret: secret } = options;
    return {
      by: 'application_credential',
      credential: {
        id: required(section, 'application_credential_id', id),
        secret: required(section, 'application_credential_secret', secret),
      },
    };
  }
  return {
    by: 'password',
    user: userOf(section, options),
    password: required(section, 'password', options.password),
    scope: scopeOf(section, options),
  };
}

function userOf(section: string, options: KeystoneAccess): UserName {
  if (options.user_id !== undefined) return { id: options.user_id };
  return {
    name: required(section, 'username', options.username),
    domain: domainOf(options.user_domain_id, options.user_domain_name),
  };
}

function scopeOf(section: string, options: KeystoneAccess): Scope {
  if (options.system_scope === 'all') return { system: { all: true } };
  if (options.project_id !== undefined) return { project: { id: options.project_id } };
  return {
    project: {
      name: required(section, 'project_name', options.project_name),
      domain: domainOf(options.project_domain_id, options.project_domain_name),
    },
  };
}

function domainOf(id: string | undefined, name: string | undefined): DomainName {
  return id === undefined && name !== undefined ? { name } : { id: id ?? 'default' };
}

function required(section: string, name: string, value: string | undefined): string {
  if (value === undefined) throw new Error(`[${section}] ${name} is not set`);
  return value;
}
