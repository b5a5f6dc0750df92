import { parseArgs } from 'node:util';

/** What a command does, and whether it is asked about before: upstream's names (lifecycle sheet §8). */
export const CACHE_COMMANDS = {
  'list-cached': { help: 'List all images that are cached', takesId: false },
  'list-queued': { help: 'List all images that are queued for the cache', takesId: false },
  'queue-image': { help: 'Queue an image for the cache', takesId: true },
  'delete-cached-image': {
    help: 'Remove an image from the cache',
    takesId: true,
    question: (id: string) => `Delete cached image ${id}?`,
  },
  'delete-all-cached-images': {
    help: 'Remove all images from the cache',
    takesId: false,
    question: () => 'Delete all cached images?',
  },
  'delete-queued-image': {
    help: 'Remove an image from the queue',
    takesId: true,
    question: (id: string) => `Delete queued image ${id}?`,
  },
  'delete-all-queued-images': {
    help: 'Remove all images from the queue',
    takesId: false,
    question: () => 'Delete all queued images?',
  },
} as const satisfies Record<
  string,
  { help: string; takesId: boolean; question?: (id: string) => string }
>;

export type CacheCommandName = keyof typeof CACHE_COMMANDS;

export interface CacheManageOptions {
  command: CacheCommandName;
  /** Empty where the command takes none. */
  imageId: string;
  /** Of the api, without a slash at its end. */
  url: string;
  isForced: boolean;
  isVerbose: boolean;
  login: {
    token?: string | undefined;
    authUrl?: string | undefined;
    username?: string | undefined;
    userDomain: string;
    password?: string | undefined;
    project?: string | undefined;
    projectDomain: string;
  };
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

const OPTIONS = {
  verbose: { ...flag, short: 'v' },
  debug: { ...flag, short: 'd' },
  host: { ...text, short: 'H', default: '127.0.0.1' },
  port: { ...text, short: 'p', default: '9292' },
  insecure: { ...flag, short: 'k' },
  force: { ...flag, short: 'f' },
  help: { ...flag, short: 'h' },
  'os-auth-token': text,
  'os-auth-url': text,
  'os-username': text,
  'os-user-domain-name': text,
  'os-password': text,
  'os-project-name': text,
  'os-tenant-name': text,
  'os-project-domain-name': text,
} as const;

/** @returns undefined for what is no command: then the usage is shown. @throws Error for a wrong option. */
export function readCacheManageOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CacheManageOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: OPTIONS,
    allowPositionals: true,
  });
  const [name = '', imageId = '', ...rest] = positionals;
  if (values.help === true || rest.length > 0 || !isCommand(name)) return undefined;
  if (CACHE_COMMANDS[name].takesId !== (imageId !== '')) return undefined;
  if (values.insecure === true) {
    throw new Error(
      '--insecure is not supported: name the authority of the certificate in NODE_EXTRA_CA_CERTS',
    );
  }
  const { host, port } = values;
  return {
    command: name,
    imageId,
    url: /^https?:\/\//.test(host) ? host.replace(/\/+$/, '') : `http://${host}:${port}`,
    isForced: values.force === true,
    isVerbose: values.verbose === true || values.debug === true,
    login: {
      token: values['os-auth-token'] ?? env['OS_AUTH_TOKEN'],
      authUrl: values['os-auth-url'] ?? env['OS_AUTH_URL'],
      username: values['os-username'] ?? env['OS_USERNAME'],
      userDomain: values['os-user-domain-name'] ?? env['OS_USER_DOMAIN_NAME'] ?? 'Default',
      password: values['os-password'] ?? env['OS_PASSWORD'],
      project:
        values['os-project-name'] ??
        values['os-tenant-name'] ??
        env['OS_PROJECT_NAME'] ??
        env['OS_TENANT_NAME'],
      projectDomain: values['os-project-domain-name'] ?? env['OS_PROJECT_DOMAIN_NAME'] ?? 'Default',
    },
  };
}

/** The commands and options, as shown to who gives no command. */
export function cacheManageUsage(): string {
  const commands = Object.entries(CACHE_COMMANDS).map(([name, { help, takesId }]) => {
    const words = takesId ? `${name} ID` : name;
    return `  ${words.padEnd(28)}${help}`;
  });
  return [
    'usage: glance-cache-manage [OPTION...] COMMAND [ID]',
    ...commands,
    'options:',
    '  -H, --host HOST             Of the api whose cache is meant, or its URL (127.0.0.1)',
    '  -p, --port PORT             Of that api (9292)',
    '  -f, --force                 Ask nothing before something is deleted',
    '  -v, --verbose; -d, --debug  Say what is done',
    '  --os-auth-token TOKEN, or --os-auth-url URL --os-username NAME --os-password PASSWORD',
    '    --os-project-name NAME [--os-user-domain-name NAME] [--os-project-domain-name NAME];',
    '    each may be in the environment instead (OS_AUTH_TOKEN, ...)',
    'The api must have [paste_deploy] flavor = ...+cachemanagement.',
  ].join('\n');
}

function isCommand(name: string): name is CacheCommandName {
  return Object.hasOwn(CACHE_COMMANDS, name);
}
