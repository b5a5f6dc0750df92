import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './deployment';
import type { Keystone, Login } from './keystone';

const PROGRAM = path.join(ROOT, 'scripts/swift.mjs');
const ASKS_FOR_TOKENS: Login = { user: 'swift', project: 'service' };

/** A real Swift of the test's own that takes the tokens of a real Keystone. */
export class KeystoneSwift {
  private constructor(
    private readonly program: ChildProcess,
    /** Of the API, without an account. */
    readonly url: string,
    private readonly keystone: Keystone,
  ) {}

  /** Also tells the clients of the Keystone where it is. */
  static async start(keystone: Keystone): Promise<KeystoneSwift> {
    await keystone.addUser(ASKS_FOR_TOKENS, 'service', 'admin');
    const { user } = ASKS_FOR_TOKENS;
    const password = keystone.environment(ASKS_FOR_TOKENS)['OS_PASSWORD'];
    const SWIFT_KEYSTONE = JSON.stringify({ url: keystone.url, user, password });
    const program = spawn(process.execPath, [PROGRAM], {
      env: { ...process.env, SWIFT_KEYSTONE },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: program.stdout })) {
      const { url } = JSON.parse(line) as { url: string };
      await keystone.setImageEndpoint(`${url}/AUTH_$(project_id)s`, 'RegionOne', 'object-store');
      return new KeystoneSwift(program, url, keystone);
    }
    throw new Error('Swift did not start');
  }

  async accountOf(project: string): Promise<string> {
    return `${this.url}/AUTH_${await this.keystone.projectId(project)}`;
  }

  /** A request with the token of a user, to the account of any project. */
  async ask(
    login: Login,
    method: string,
    project: string,
    place: string,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const token = await this.keystone.token(login);
    return await fetch(`${await this.accountOf(project)}${place}`, {
      method,
      headers: { ...headers, 'x-auth-token': token },
    });
  }

  /** Names of the containers of a project and what is in them, as one who may read all of it sees it. */
  async contentsOf(login: Login, project: string): Promise<Record<string, string[]>> {
    const contents: Record<string, string[]> = {};
    for (const container of await this.names(login, project, '')) {
      contents[container] = await this.names(login, project, `/${container}`);
    }
    return contents;
  }

  async stop(): Promise<void> {
    const exited = once(this.program, 'exit');
    this.program.stdin?.end();
    await exited;
  }

  private async names(login: Login, project: string, place: string): Promise<string[]> {
    const answer = await this.ask(login, 'GET', project, `${place}?format=json`);
    if (answer.status === 204 || answer.status === 404) return [];
    return ((await answer.json()) as { name: string }[]).map(({ name }) => name);
  }
}

/** `tests` where the programs of Swift and its part for Keystone are; else skipped, aloud, an error in CI. */
export function withSwiftPrograms(tests: jest.Describe): jest.Describe {
  const found = spawnSync('/usr/bin/python3', ['-c', 'import swift, keystonemiddleware']);
  const hasServer = spawnSync('which', ['swift-proxy-server', 'memcached']).status === 0;
  if (found.status === 0 && hasServer) return tests;
  const text =
    'NO SWIFT FOR KEYSTONE (swift-proxy, swift-account, swift-container, swift-object, memcached, python3-keystonemiddleware): its tests are SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}
