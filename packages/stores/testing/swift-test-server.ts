import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import type { StoreOptions } from '../src/store-options';
import { Relay } from './relay';

/** `http://USER:KEY@HOST:PORT/PATH`: the v1 login of a real Swift; `npm test` starts one where it can. */
export const SERVER_URL = process.env['TEST_SWIFT_URL'] ?? '';

/** The same of a RADOS gateway, which has an API like Swift's. */
export const RADOS_URL = process.env['TEST_RADOS_SWIFT_URL'] ?? '';

/** `describe` where there is a Swift; else skipped, aloud, and an error in CI. */
export function describeWithSwift(): typeof describe | typeof describe.skip {
  return describeWith(SERVER_URL, 'NO SWIFT (TEST_SWIFT_URL)');
}

/** `describe` where there is a RADOS gateway; else skipped, aloud, and an error in CI. */
export function describeWithRadosSwift(): typeof describe | typeof describe.skip {
  return describeWith(RADOS_URL, 'NO RADOS GATEWAY (TEST_RADOS_SWIFT_URL)');
}

function describeWith(url: string, lack: string): typeof describe | typeof describe.skip {
  if (url !== '') return describe;
  const text = `${lack}: the tests of the swift store are SKIPPED`;
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

const SHARED_CONTAINER = `test-${randomUUID()}`;

interface Account {
  token: string;
  storageUrl: string;
}

/** Of the tests themselves, by server. */
const accounts = new Map<string, Promise<Account>>();

/** An empty container on the real server, behind a relay that can be taken away. */
export class TestContainer {
  private constructor(
    readonly name: string,
    readonly account: Account,
    readonly relay: Relay,
    private readonly login: URL,
    private readonly directory: string,
    private readonly several: boolean,
  ) {}

  /**
   * @param missing it is not there.
   * @param several the store may make more, whose names begin with its.
   * @param server its login, if it is not the Swift.
   * @param shared it is one for the tests of a file, which run one after the other.
   */
  static async make(
    made: { missing?: boolean; several?: boolean; shared?: boolean; server?: string } = {},
  ): Promise<TestContainer> {
    const { missing = false, several = missing, shared = false, server = SERVER_URL } = made;
    const name = shared ? SHARED_CONTAINER : `test-${randomUUID()}`;
    const login = new URL(server);
    const account = accounts.get(server) ?? logIn(login);
    accounts.set(server, account);
    const relay = await Relay.start(login);
    const directory = await mkdtemp(join(tmpdir(), 'glance-swift-test-'));
    const container = new TestContainer(name, await account, relay, login, directory, several);
    if (!missing) await container.ask('PUT', `/${container.name}`);
    return container;
  }

  /** For a store on it, whose account is in the options. */
  get options(): StoreOptions {
    return {
      swift_store_auth_version: '1',
      swift_store_auth_address: this.authAddress,
      swift_store_user: this.user,
      swift_store_key: this.key,
      swift_store_container: this.name,
      swift_store_create_container_on_put: 'false',
    };
  }

  get user(): string {
    return decodeURIComponent(this.login.username);
  }

  get key(): string {
    return decodeURIComponent(this.login.password);
  }

  get authAddress(): string {
    return `http://${this.relay.host}${this.login.pathname}`;
  }

  /** For a store on it, whose account is in a references file. */
  async referenced(): Promise<StoreOptions> {
    const file = join(this.directory, 'swift.conf');
    await writeFile(
      file,
      `[ref1]\nauth_address = ${this.authAddress}\nuser = ${this.user}\nkey = "${this.key}"\n`,
    );
    return {
      swift_store_auth_version: '1',
      swift_store_config_file: file,
      swift_store_container: this.name,
    };
  }

  /** Of a store whose segments are buffered. */
  get bufferDirectory(): string {
    return this.directory;
  }

  /** Names of all objects, whichever container of this name they are in. */
  async contents(): Promise<string[]> {
    const found: string[] = [];
    for (const container of await this.containers()) {
      found.push(...(await this.list(`/${container}`)));
    }
    return found.sort();
  }

  async put(object: string, body: Buffer, headers: Record<string, string> = {}): Promise<void> {
    await this.ask('PUT', `/${this.name}/${object}`, { headers, body });
  }

  async remove(object: string): Promise<void> {
    await this.ask('DELETE', `/${this.name}/${object}`);
  }

  /** A request to the account. */
  async ask(method: string, place: string, init: RequestInit = {}): Promise<Response> {
    const { token, storageUrl } = this.account;
    const answer = await fetch(`${storageUrl}${place}`, {
      ...init,
      method,
      headers: { ...(init.headers as Record<string, string>), 'x-auth-token': token },
    });
    if (!answer.ok) throw new Error(`${method} ${place}: ${answer.status}`);
    return answer;
  }

  async dispose(): Promise<void> {
    await this.relay.takeAway();
    for (const container of await this.containers()) {
      for (const object of await this.list(`/${container}`)) {
        await this.ask('DELETE', `/${container}/${object}`).catch(() => undefined);
      }
      // The shared one goes with the server.
      if (container !== SHARED_CONTAINER) await this.ask('DELETE', `/${container}`);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  private async containers(): Promise<string[]> {
    if (!this.several) return [this.name];
    const names = await this.list('');
    return names.filter((name) => name.startsWith(this.name));
  }

  private async list(place: string): Promise<string[]> {
    const answer = await this.ask('GET', `${place}?format=json`);
    if (answer.status === 204) return [];
    return ((await answer.json()) as { name: string }[]).map(({ name }) => name);
  }
}

async function logIn(login: URL): Promise<Account> {
  const answer = await fetch(`${login.origin}${login.pathname}`, {
    headers: {
      'x-auth-user': decodeURIComponent(login.username),
      'x-auth-key': decodeURIComponent(login.password),
    },
  });
  const [token, storageUrl] = [
    answer.headers.get('x-auth-token'),
    answer.headers.get('x-storage-url'),
  ];
  if (token === null || storageUrl === null) throw new Error(`no login: ${answer.status}`);
  return { token, storageUrl };
}
