import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createMysqlDatabase, freePorts } from './deployment';
import { plantSecret } from './leak-gate';
import { Uwsgi } from './uwsgi';

const run = promisify(execFile);
const APPLICATION = '/usr/bin/keystone-wsgi-public';

/** `describe` where a Keystone and a database for it are; else skipped, aloud, an error in CI. */
export function describeWithKeystone(): jest.Describe {
  const hasKeystone = spawnSync('keystone-manage', ['--version']).status === 0;
  // Its processes lock each other out of SQLite.
  const hasDatabase = (process.env['TEST_MYSQL_URL'] ?? '') !== '';
  if (Uwsgi.isInstalled() && hasKeystone && hasDatabase) return describe;
  const text =
    'NO KEYSTONE: its tests are SKIPPED (keystone, uwsgi-core, uwsgi-plugin-python3, python3-pymysql and TEST_MYSQL_URL)';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** A user in one project, or on the whole system. */
export interface Login {
  user: string;
  /** Null for the system. */
  project: string | null;
}

/** Where a service is, in one region. */
interface Endpoint {
  id: string;
  service_id: string;
  region_id: string;
}

/** A real Keystone of the test's own, with a database on the server of the tests. */
export class Keystone {
  /** Of every user. */
  private readonly password = plantSecret('a password of Keystone');
  private readonly servers = new Map<number, Uwsgi>();
  private log = '';
  private adminToken = '';
  /** Ids by kind and name, of what was made. */
  private readonly ids = new Map<string, string>();

  private constructor(
    private readonly directory: string,
    private readonly dropDatabase: () => Promise<void>,
    private readonly port: number,
  ) {}

  static async start(): Promise<Keystone> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-keystone-'));
    const database = await createMysqlDatabase();
    const [port] = await freePorts(1);
    const keystone = new Keystone(directory, database.drop, port!);
    try {
      await keystone.bootstrap(database.url);
      await keystone.serve();
      await keystone.provision();
    } catch (error) {
      process.stderr.write(keystone.log);
      await keystone.stop();
      throw error;
    }
    return keystone;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v3`;
  }

  /** Lines of [keystone_authtoken] for a service that asks this Keystone as the user glance. */
  get authtoken(): string[] {
    return this.authtokenOf('glance');
  }

  /** @param service a user of the project service */
  authtokenOf(service: string): string[] {
    return [
      `auth_url = ${this.url}`,
      ...['auth_type = password', `username = ${service}`, `password = ${this.password}`],
      ...['project_name = service', 'user_domain_name = Default', 'project_domain_name = Default'],
    ];
  }

  /** What tells a client who it is. */
  environment({ user, project }: Login): Record<string, string> {
    return {
      OS_AUTH_URL: this.url,
      OS_IDENTITY_API_VERSION: '3',
      OS_REGION_NAME: 'RegionOne',
      OS_INTERFACE: 'public',
      OS_USERNAME: user,
      OS_PASSWORD: this.password,
      OS_USER_DOMAIN_NAME: 'Default',
      ...(project === null
        ? { OS_SYSTEM_SCOPE: 'all' }
        : { OS_PROJECT_NAME: project, OS_PROJECT_DOMAIN_NAME: 'Default' }),
    };
  }

  /** Makes a user with a role in a project, which is made as well, or on the system. */
  async addUser({ user, project }: Login, ...roles: string[]): Promise<void> {
    const id = await this.idOf('user', user, { domain_id: 'default', password: this.password });
    const place =
      project === null
        ? '/system'
        : `/projects/${await this.idOf('project', project, { domain_id: 'default' })}`;
    for (const role of roles) {
      await this.ask('PUT', `${place}/users/${id}/roles/${await this.idOf('role', role)}`);
    }
  }

  async projectId(name: string): Promise<string> {
    return await this.idOf('project', name, { domain_id: 'default' });
  }

  async userId(name: string): Promise<string> {
    return await this.idOf('user', name);
  }

  /** Tells clients of a region where the image service is, or another. */
  async setImageEndpoint(url: string, region = 'RegionOne', type = 'image'): Promise<Endpoint> {
    const service_id = await this.idOf('service', type, { type });
    if (region !== 'RegionOne') await this.ask('POST', '/regions', { region: { id: region } });
    const made = (await this.ask('POST', '/endpoints', {
      endpoint: { service_id, interface: 'public', region_id: region, url },
    })) as { endpoint: Endpoint };
    return made.endpoint;
  }

  /** What holds for every project that has no limit of its own. */
  async registerLimits(
    { service_id, region_id }: Endpoint,
    limits: Record<string, number>,
  ): Promise<void> {
    const registered_limits = Object.entries(limits).map(([resource_name, default_limit]) => ({
      ...{ service_id, region_id, resource_name, default_limit },
    }));
    await this.ask('POST', '/registered_limits', { registered_limits }, await this.systemToken());
  }

  async setLimit(
    { service_id, region_id }: Endpoint,
    project: string,
    resource_name: string,
    resource_limit: number,
  ): Promise<void> {
    const project_id = await this.projectId(project);
    const limit = { service_id, region_id, project_id, resource_name, resource_limit };
    await this.ask('POST', '/limits', { limits: [limit] }, await this.systemToken());
  }

  private async systemToken(): Promise<string> {
    return await this.token({ user: 'admin', project: null });
  }

  /** A new token. @param port of a server with settings of its own, see {@link serve}. */
  async token(login: Login, port = this.port): Promise<string> {
    const domain = { name: 'Default' };
    const user = { name: login.user, password: this.password, domain };
    const scope =
      login.project === null
        ? { system: { all: true } }
        : { project: { name: login.project, domain } };
    const identity = { methods: ['password'], password: { user } };
    return await this.issue({ auth: { identity, scope } }, port);
  }

  /** A token that is good for what the rules name, and nothing else. */
  async restrictedToken(login: Login, accessRules: object[]): Promise<string> {
    const own = await this.token(login);
    const path = `/users/${await this.idOf('user', login.user)}/application_credentials`;
    const body = { application_credential: { name: 'restricted', access_rules: accessRules } };
    const made = (await this.ask('POST', path, body, own)) as {
      application_credential: { id: string; secret: string };
    };
    const { id, secret } = made.application_credential;
    return await this.issue({
      auth: {
        identity: { methods: ['application_credential'], application_credential: { id, secret } },
      },
    });
  }

  async revoke(token: string): Promise<void> {
    await this.request('DELETE', '/auth/tokens', undefined, { 'x-subject-token': token });
  }

  /** Any request as an administrator. @throws Error unless it succeeds. */
  async ask(method: string, path: string, body?: object, token?: string): Promise<unknown> {
    const answer = await this.request(method, path, body, {}, token);
    if (answer.status >= 300) {
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  /**
   * Begins to serve, also once more beside what serves already.
   * @param tokenSeconds how long the tokens live that this server gives out
   * @returns its port
   */
  async serve(tokenSeconds = 3600): Promise<number> {
    const port = this.servers.size === 0 ? this.port : (await freePorts(1))[0]!;
    const config = path.join(this.directory, `token-${port}.conf`);
    await writeFile(config, `[token]\nexpiration = ${tokenSeconds}\n`);
    const server = await Uwsgi.start({
      script: APPLICATION,
      port,
      environment: this.programEnvironment(`${this.configFile};${config}`),
      readyPath: '/v3',
      onOutput: (text) => (this.log += text),
    });
    this.servers.set(port, server);
    return port;
  }

  /** Ends every server; the database stays, for {@link serve}. */
  async stopServing(): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server.stop()));
    this.servers.clear();
  }

  async stop(): Promise<void> {
    await this.stopServing();
    await this.dropDatabase();
    await rm(this.directory, { recursive: true, force: true });
  }

  private get configFile(): string {
    return path.join(this.directory, 'keystone.conf');
  }

  private programEnvironment(configFiles: string): NodeJS.ProcessEnv {
    return {
      PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
      LC_ALL: 'C.UTF-8',
      PYTHONWARNINGS: 'ignore',
      OS_KEYSTONE_CONFIG_FILES: configFiles,
    };
  }

  private async bootstrap(databaseUrl: string): Promise<void> {
    const keys = ['fernet', 'credential'].map((name) => path.join(this.directory, name));
    for (const key of keys) await mkdir(key, { mode: 0o700 });
    await writeFile(
      this.configFile,
      `[DEFAULT]
log_dir = ${this.directory}
[database]
connection = ${databaseUrl}
[fernet_tokens]
key_repository = ${keys[0]}
[credential]
key_repository = ${keys[1]}
[cache]
enabled = true
backend = dogpile.cache.memory
[revoke]
caching = false
[identity]
# Cheap hashes, for users that live for minutes.
password_hash_rounds = 4
[oslo_policy]
policy_dirs = ${this.directory}/policy.d
`,
    );
    const { username } = os.userInfo();
    const manage = async (...args: string[]): Promise<void> => {
      const argv = ['--config-file', this.configFile, ...args];
      await run('keystone-manage', argv, { env: this.programEnvironment(this.configFile) });
    };
    for (const setup of ['fernet_setup', 'credential_setup']) {
      await manage(setup, '--keystone-user', username, '--keystone-group', username);
    }
    await manage('db_sync');
    await manage(
      ...['bootstrap', '--bootstrap-username', 'admin', '--bootstrap-password', this.password],
      ...['--bootstrap-project-name', 'admin', '--bootstrap-region-id', 'RegionOne'],
      ...['public', 'internal', 'admin'].flatMap((each) => [`--bootstrap-${each}-url`, this.url]),
    );
  }

  private async provision(): Promise<void> {
    this.adminToken = await this.token({ user: 'admin', project: 'admin' });
    // No more than it takes to ask about tokens.
    await this.addUser({ user: 'glance', project: 'service' }, 'service');
  }

  /** Finds or makes what has this name. */
  private async idOf(kind: string, name: string, fields: object = {}): Promise<string> {
    const known = this.ids.get(`${kind} ${name}`);
    if (known !== undefined) return known;
    type Named = { id: string };
    const found = (await this.ask('GET', `/${kind}s?name=${encodeURIComponent(name)}`)) as Record<
      string,
      Named[]
    >;
    let [item] = found[`${kind}s`] ?? [];
    if (!item) {
      const made = await this.ask('POST', `/${kind}s`, { [kind]: { name, ...fields } });
      item = (made as Record<string, Named>)[kind]!;
    }
    this.ids.set(`${kind} ${name}`, item.id);
    return item.id;
  }

  private async issue(body: object, port = this.port): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${port}/v3/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const token = answer.headers.get('x-subject-token');
    if (token === null) throw new Error(`no token: ${answer.status} ${await answer.text()}`);
    return plantSecret('a token', token);
  }

  private async request(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
    token = this.adminToken,
  ): Promise<Answer> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: { 'x-auth-token': token, 'content-type': 'application/json', ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const parsed: unknown = text === '' ? undefined : JSON.parse(text);
    return { status: answer.status, headers: answer.headers, body: parsed };
  }
}
