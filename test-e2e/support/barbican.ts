import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createMysqlDatabase, freePorts } from './deployment';
import type { Keystone, Login } from './keystone';
import { openstackCommand } from './openstack-client';
import { Uwsgi } from './uwsgi';

const APPLICATION = '/usr/bin/barbican-wsgi-api';
/** Whom it asks Keystone as. */
const SERVICE: Login = { user: 'barbican', project: 'service' };

/** `tests` where a Barbican and its client are; else skipped, aloud, an error in CI. */
export function withBarbican(tests: jest.Describe): jest.Describe {
  const found = spawnSync('/usr/bin/python3', ['-c', 'import barbican.api.app, barbicanclient'], {
    env: { PYTHONWARNINGS: 'ignore' },
  });
  if (found.status === 0 && Uwsgi.isInstalled()) return tests;
  const text =
    'NO BARBICAN (barbican-api, python3-barbicanclient): signed images are not tested with it, SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

/** A real key manager of the test's own that takes the tokens of a real Keystone. */
export class Barbican {
  private server: Uwsgi | undefined;
  private log = '';

  private constructor(
    private readonly keystone: Keystone,
    private readonly directory: string,
    private readonly dropDatabase: () => Promise<void>,
    private readonly port: number,
  ) {}

  /** Also tells the clients of the Keystone where it is. */
  static async start(keystone: Keystone): Promise<Barbican> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-barbican-'));
    const database = await createMysqlDatabase();
    const [port] = await freePorts(1);
    const barbican = new Barbican(keystone, directory, database.drop, port!);
    try {
      await keystone.addUser(SERVICE, 'service');
      await barbican.configure(database.url);
      await barbican.serve();
      await keystone.setImageEndpoint(barbican.url, 'RegionOne', 'key-manager');
    } catch (error) {
      process.stderr.write(barbican.log);
      await barbican.stop();
      throw error;
    }
    return barbican;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async serve(): Promise<void> {
    this.server = await Uwsgi.start({
      script: APPLICATION,
      port: this.port,
      environment: {
        PATH: '/usr/bin:/bin',
        LC_ALL: 'C.UTF-8',
        PYTHONWARNINGS: 'ignore',
        // Its program takes no arguments: it looks for its configuration here before /etc.
        HOME: this.directory,
      },
      readyPath: '/healthcheck',
      onOutput: (text) => (this.log += text),
    });
  }

  /** What is stored stays, for {@link serve}. */
  async stopServing(): Promise<void> {
    await this.server?.stop();
    this.server = undefined;
  }

  async stop(): Promise<void> {
    await this.stopServing();
    await this.dropDatabase();
    await rm(this.directory, { recursive: true, force: true });
  }

  /**
   * Stores a certificate with the unmodified client.
   * @param payload arguments that say what is stored, and as what
   * @returns the id of the secret
   */
  async store(owner: Login, payload: readonly string[]): Promise<string> {
    const command = ['secret', 'store', '--secret-type', 'certificate', '-f', 'json'];
    const out = await openstackCommand([...command, ...payload], this.keystone.environment(owner));
    const secret = JSON.parse(out) as { 'Secret href': string };
    return secret['Secret href'].split('/').at(-1)!;
  }

  /** Stores bytes as they are, which takes a second request. @returns the id of the secret */
  async storeBytes(owner: Login, payload: Buffer): Promise<string> {
    const made = await this.ask(owner, 'POST', '', 'application/json', '{}');
    const { secret_ref: url } = (await made.json()) as { secret_ref: string };
    const id = url.split('/').at(-1)!;
    await this.ask(owner, 'PUT', `/${id}`, 'application/octet-stream', new Uint8Array(payload));
    return id;
  }

  /** Lets a user of any project read a secret. */
  async share(owner: Login, id: string, user: string): Promise<void> {
    const acl = { read: { users: [await this.keystone.userId(user)] } };
    await this.ask(owner, 'PUT', `/${id}/acl`, 'application/json', JSON.stringify(acl));
  }

  /** @throws Error unless it succeeds */
  private async ask(
    login: Login,
    method: string,
    place: string,
    type: string,
    body: string | Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const token = await this.keystone.token(login);
    const answer = await fetch(`${this.url}/v1/secrets${place}`, {
      method,
      headers: { 'x-auth-token': token, 'content-type': type },
      body,
    });
    if (answer.ok) return answer;
    throw new Error(`${method} ${place}: ${answer.status} ${await answer.text()}`);
  }

  private async configure(databaseUrl: string): Promise<void> {
    const directory = path.join(this.directory, '.barbican');
    await mkdir(directory, { mode: 0o700 });
    await writeFile(
      path.join(directory, 'barbican.conf'),
      `[DEFAULT]
host_href = ${this.url}
sql_connection = ${databaseUrl}
db_auto_create = true
[secretstore]
enabled_secretstore_plugins = store_crypto
[crypto]
enabled_crypto_plugins = simple_crypto
[simple_crypto_plugin]
kek = ${randomBytes(32).toString('base64')}
[keystone_authtoken]
${this.keystone.authtokenOf(SERVICE.user).join('\n')}
[oslo_policy]
# Members may store secrets; else it takes a role of its own, creator.
enforce_new_defaults = true
policy_dirs = ${directory}/policy.d
`,
      { mode: 0o600 },
    );
  }
}
