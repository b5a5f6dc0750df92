import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { plantSecret, searchForLeaks, watchAnswersOf } from './leak-gate';
import { dumpTables } from './sql';

const run = promisify(execFile);
export const ROOT = path.resolve(__dirname, '../..');
const PROGRAMS = {
  'glance-api': path.join(ROOT, 'packages/glance-api/bin/glance-api.js'),
  'glance-registry': path.join(ROOT, 'packages/glance-registry/bin/glance-registry.js'),
  'glance-manage': path.join(ROOT, 'packages/glance-manage/bin/glance-manage.js'),
  'glance-scrubber': path.join(ROOT, 'packages/glance-manage/bin/glance-scrubber.js'),
  'glance-status': path.join(ROOT, 'packages/glance-manage/bin/glance-status.js'),
};

export type DatabaseKind = 'sqlite' | 'mysql';

/** The databases of this run: SQLite always, MySQL or MariaDB when one is given. */
export const DATABASES: DatabaseKind[] =
  (process.env['TEST_MYSQL_URL'] ?? '') === '' ? ['sqlite'] : ['sqlite', 'mysql'];

export interface DeploymentOptions {
  database: DatabaseKind;
  /** Pairs of an api and a registry over one database and one store. */
  nodes?: number;
  flavor?: 'fakeauth' | 'trusted-auth' | 'keystone' | 'keystone+cachemanagement';
  /** `https`: the registry wants certificates instead of the service key. */
  registryProtocol?: 'https';
  /** Holds the service key, which then stands in no configuration file. */
  serviceKeyFile?: string;
  /** Of a proxy in front of the database server. */
  databasePort?: number;
  /** Of a balancer that the apis find their registries behind. */
  registryPort?: number;
  /** Before the tables are made or adopted. */
  beforeSync?: (deployment: Deployment) => Promise<void>;
  /** When every process was started, before any is asked. */
  beforeReady?: (deployment: Deployment) => Promise<void>;
  /** Lines for [section]s of glance-api.conf. */
  api?: Record<string, string[]>;
  registry?: Record<string, string[]>;
}

export interface ProgramRun {
  /** The exit code, or the signal. */
  code: number | NodeJS.Signals;
  out: string;
  err: string;
}

export interface ServiceProcess {
  program: 'glance-api' | 'glance-registry';
  child: ChildProcess;
  configFile: string;
  log: () => string;
  /** Resolves with the exit code, or the signal. */
  exited: Promise<number | NodeJS.Signals | null>;
}

/** Real processes on free ports over a throw-away database and store. */
export class Deployment {
  readonly apis: ServiceProcess[] = [];
  readonly registries: ServiceProcess[] = [];
  readonly extras: ServiceProcess[] = [];
  private readonly past: ServiceProcess[] = [];
  readonly apiUrls: string[] = [];
  readonly registryUrls: string[] = [];
  readonly serviceKey = randomBytes(32).toString('hex');

  private extraApis = 0;

  private constructor(
    readonly directory: string,
    readonly databaseUrl: string,
    private readonly dropDatabase: () => Promise<void>,
  ) {
    plantSecret('the service key', this.serviceKey);
    if (databaseUrl.includes('@')) {
      plantSecret('the password of the database', new URL(databaseUrl).password);
    }
  }

  static async start(options: DeploymentOptions): Promise<Deployment> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-e2e-'));
    const { url, drop } = await createDatabase(options.database, directory);
    const port = options.databasePort;
    const reached = port === undefined ? url : url.replace(/@[^/]+/, `@127.0.0.1:${port}`);
    const deployment = new Deployment(directory, reached, drop);
    try {
      await deployment.bringUp(options);
    } catch (error) {
      process.stderr.write(deployment.logs());
      await deployment.stop();
      throw error;
    }
    return deployment;
  }

  get imageDirectory(): string {
    return path.join(this.directory, 'images');
  }

  get apiUrl(): string {
    return this.apiUrls[0]!;
  }

  /** Everything below the image directory, as paths relative to it; directories end with a slash. */
  async filesInStore(): Promise<string[]> {
    const entries = await readdir(this.imageDirectory, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(this.imageDirectory, path.join(entry.parentPath, entry.name)))
      .sort();
  }

  logs(): string {
    return [...this.past, ...this.registries, ...this.apis, ...this.extras]
      .map((each) => `--- ${each.program} ${each.child.pid ?? ''}\n${each.log()}`)
      .join('\n');
  }

  async manage(...args: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [
      PROGRAMS['glance-manage'],
      '--config-file',
      path.join(this.directory, 'registry-0.conf'),
      ...args,
    ]);
    return stdout;
  }

  /** `glance-manage store …` with the configuration of the first api. */
  async manageStore(...args: string[]): Promise<ProgramRun> {
    return await this.operate('glance-manage', ['store', ...args]);
  }

  /** What a container's health check would run. */
  async healthcheck(
    service: 'api' | 'registry',
    route: string,
    file = path.join(this.directory, `${service}-0.conf`),
  ): Promise<ProgramRun> {
    return await runProgram(`glance-${service}`, ['--config-file', file, 'healthcheck', route]);
  }

  /** A program that ends, with the configuration of the first api, or of the first registry. */
  async operate(
    program: keyof typeof PROGRAMS,
    args: readonly string[],
    { failPoints, service = 'api' }: { failPoints?: string; service?: 'api' | 'registry' } = {},
  ): Promise<ProgramRun> {
    const file = path.join(this.directory, `${service}-0.conf`);
    const env = failPoints ? { GLANCE_FAIL_POINTS: failPoints } : {};
    return await runProgram(program, ['--config-file', file, ...args], env);
  }

  /** Starts a service again with the configuration it had. */
  async restart(
    service: ServiceProcess,
    env: Record<string, string> = {},
  ): Promise<ServiceProcess> {
    const list = service.program === 'glance-api' ? this.apis : this.registries;
    const urls = service.program === 'glance-api' ? this.apiUrls : this.registryUrls;
    const index = list.indexOf(service);
    const again = spawnService(service.program, service.configFile, env);
    list[index] = again;
    this.past.push(service);
    await becomesReady(urls[index]!, again);
    return again;
  }

  /**
   * One more api beside those of the nodes, at the registry of a node.
   * @param failPoints what it does wrong, such as `U6:kill`
   */
  async addApi(failPoints: string, node = 0): Promise<{ url: string; service: ServiceProcess }> {
    const [port] = await freePorts(1);
    const base = await readFile(path.join(this.directory, `api-${node}.conf`), 'utf8');
    this.extraApis += 1;
    const file = path.join(this.directory, `extra-api-${this.extraApis}.conf`);
    const text = base.replace(/^bind_port = \d+$/m, `bind_port = ${port}`);
    await writeFile(file, text, { mode: 0o600 });
    const service = spawnService('glance-api', file, { GLANCE_FAIL_POINTS: failPoints });
    const url = `http://127.0.0.1:${port}`;
    this.extras.push(service);
    await becomesReady(url, service);
    return { url, service };
  }

  /** One more process with a configuration of its own, which may not be ready yet. */
  async addService(program: ServiceProcess['program'], config: string): Promise<ServiceProcess> {
    const file = path.join(this.directory, `extra-${this.extras.length}.conf`);
    await writeFile(file, config, { mode: 0o600 });
    const service = spawnService(program, file);
    this.extras.push(service);
    return service;
  }

  /** Where a node keeps what clients have staged; nodes share none. */
  stagingDirectory(node: number): string {
    return path.join(this.directory, `staging-${node}`);
  }

  async stop(): Promise<void> {
    const services = [...this.extras, ...this.apis, ...this.registries];
    await Promise.all(services.map(stopService));
    this.showNodeWarnings();
    await this.searchForLeaks();
    await this.dropDatabase();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** What Node.js suspects (a leak, a descriptor left open) is for whoever reads the output of the tests. */
  private showNodeWarnings(): void {
    for (const line of this.logs().split('\n')) {
      // That the SDK will one day want a newer release is known.
      const isNews = /\bNode\.js \w*Warning: (?!NodeVersionSupportWarning)/.test(line);
      if (isNews) console.warn(line);
    }
  }

  private async searchForLeaks(): Promise<void> {
    searchForLeaks('a log', this.logs());
    // A test may have taken the database away.
    const tables = await dumpTables(this).catch(() => new Map<string, string>());
    for (const [name, rows] of tables) searchForLeaks(`the table ${name}`, rows);
  }

  private async bringUp(options: DeploymentOptions): Promise<void> {
    await mkdir(this.imageDirectory, { recursive: true });
    const nodes = options.nodes ?? 1;
    const ports = await freePorts(nodes * 2);
    for (let node = 0; node < nodes; node += 1) {
      const registryPort = ports[node * 2]!;
      const apiPort = ports[node * 2 + 1]!;
      const registryFile = path.join(this.directory, `registry-${node}.conf`);
      const mutualTls = options.registryProtocol === 'https';
      const serviceAuth = mutualTls
        ? []
        : options.serviceKeyFile === undefined
          ? [`key = ${this.serviceKey}`]
          : [`key_file = ${options.serviceKeyFile}`];
      await writeConfig(
        registryFile,
        merge(
          {
            DEFAULT: [
              `bind_port = ${registryPort}`,
              'workers = 1',
              'debug = true',
              ...quickStop(options.registry),
            ],
            database: [`connection = ${this.databaseUrl}`],
            service_auth: serviceAuth,
          },
          options.registry ?? {},
        ),
      );
      if (node === 0) {
        await options.beforeSync?.(this);
        await this.manage('db', 'sync');
      }
      const apiFile = path.join(this.directory, `api-${node}.conf`);
      await writeConfig(
        apiFile,
        merge(
          {
            DEFAULT: [
              'bind_host = 127.0.0.1',
              `bind_port = ${apiPort}`,
              `registry_port = ${options.registryPort ?? registryPort}`,
              'workers = 1',
              'debug = true',
              `node_staging_uri = file://${this.stagingDirectory(node)}`,
              ...quickStop(options.api),
            ],
            os_glance_staging_store: [`filesystem_store_datadir = ${this.stagingDirectory(node)}`],
            glance_store: [`filesystem_store_datadir = ${this.imageDirectory}`],
            service_auth: serviceAuth,
            paste_deploy: options.flavor === undefined ? [] : [`flavor = ${options.flavor}`],
          },
          options.api ?? {},
        ),
      );
      for (const port of [registryPort, apiPort]) watchAnswersOf(`http://127.0.0.1:${port}`);
      this.registryUrls.push(`http://127.0.0.1:${registryPort}`);
      this.apiUrls.push(`http://127.0.0.1:${apiPort}`);
      this.registries.push(spawnService('glance-registry', registryFile));
      this.apis.push(spawnService('glance-api', apiFile));
    }
    await options.beforeReady?.(this);
    if (options.registryProtocol === 'https') {
      // Its port wants a certificate of whoever asks: only the api can tell whether it is there.
      await Promise.all(this.apiUrls.map((url, i) => becomesAlive(url, this.apis[i]!)));
      await Promise.all(
        this.registries.map((each) =>
          eventually(async () => {
            expect(each.log()).toContain('Listening on');
          }),
        ),
      );
      return;
    }
    await Promise.all(this.registryUrls.map((url, i) => becomesReady(url, this.registries[i]!)));
    await Promise.all(this.apiUrls.map((url, i) => becomesReady(url, this.apis[i]!)));
  }
}

/** A program for operators, to its end. */
export async function runProgram(
  program: keyof typeof PROGRAMS,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ProgramRun> {
  return await runToEnd(process.execPath, [PROGRAMS[program], ...args], env);
}

/** Any program. */
export async function runToEnd(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ProgramRun> {
  try {
    const { stdout, stderr } = await run(file, args, { env: { ...process.env, ...env } });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, signal, stdout, stderr } = error as {
      code: number | null;
      signal: NodeJS.Signals;
      stdout: string;
      stderr: string;
    };
    return { code: code ?? signal, out: stdout, err: stderr };
  }
}

type Sections = Record<string, string[]>;

/** No balancer needs time to notice, unless the test says so. */
function quickStop(options: Sections = {}): string[] {
  const own = options['DEFAULT']?.some((line) => line.startsWith('shutdown_delay'));
  return own === true ? [] : ['shutdown_delay = 0'];
}

function merge(base: Sections, extra: Sections): Sections {
  const merged = { ...base };
  for (const [section, lines] of Object.entries(extra)) {
    merged[section] = [...(merged[section] ?? []), ...lines];
  }
  return merged;
}

async function writeConfig(file: string, sections: Sections): Promise<void> {
  const text = Object.entries(sections)
    .map(([section, lines]) => [`[${section}]`, ...lines].join('\n'))
    .join('\n\n');
  await writeFile(file, `${text}\n`, { mode: 0o600 });
}

function spawnService(
  program: ServiceProcess['program'],
  configFile: string,
  env: Record<string, string> = {},
): ServiceProcess {
  const child = spawn(process.execPath, [PROGRAMS[program], '--config-file', configFile], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const collect = (chunk: Buffer): void => {
    log += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  return { program, child, configFile, log: () => log, exited };
}

export async function stopService(service: ServiceProcess): Promise<void> {
  if (service.child.exitCode === null && service.child.signalCode === null) {
    service.child.kill('SIGTERM');
    const killer = setTimeout(() => service.child.kill('SIGKILL'), 15_000);
    await service.exited;
    clearTimeout(killer);
  }
}

async function becomesReady(url: string, service: ServiceProcess): Promise<void> {
  await answersOk(`${url}/readyz`, service);
}

async function becomesAlive(url: string, service: ServiceProcess): Promise<void> {
  await answersOk(`${url}/livez`, service);
}

async function answersOk(url: string, service: ServiceProcess): Promise<void> {
  await eventually(async () => {
    if (service.child.exitCode !== null) {
      throw new GiveUp(`${service.program} ended while starting:\n${service.log()}`);
    }
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`not ready: ${await answer.text()}`);
  }, 30_000);
}

class GiveUp extends Error {}

/** Repeats a check until it passes. @throws its last error after `timeoutMs`. */
export async function eventually<T>(check: () => Promise<T>, timeoutMs = 20_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (error instanceof GiveUp || Date.now() > deadline) throw error;
      await pause(50);
    }
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function createDatabase(
  kind: DatabaseKind,
  directory: string,
): Promise<{ url: string; drop: () => Promise<void> }> {
  if (kind === 'sqlite') {
    return {
      url: `sqlite:///${path.join(directory, 'glance.sqlite')}`,
      drop: async () => undefined,
    };
  }
  return await createMysqlDatabase();
}

/** A database of its own on the server of the tests, under the URL that Python programs take. */
export async function createMysqlDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `glance_e2e_${randomBytes(6).toString('hex')}`;
  const server = new URL(process.env['TEST_MYSQL_URL']!);
  await onServer(server, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.toString().replace(/^\w+:/, 'mysql+pymysql:'),
    drop: () => onServer(server, `DROP DATABASE IF EXISTS ${name}`),
  };
}

async function onServer(server: URL, statement: string): Promise<void> {
  const connection = await createConnection({
    host: server.hostname,
    port: Number(server.port || 3306),
    user: decodeURIComponent(server.username),
    password: decodeURIComponent(server.password),
  });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

/** Resident memory of a process in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** An image in a JSON answer: the fields that tests look at. */
export interface ImageAnswer {
  id: string;
  status: string;
  size: number;
  checksum: string | null;
  properties: Record<string, string>;
}

/** The JSON body of an answer that holds one image. */
export async function imageOf(answer: Response): Promise<ImageAnswer> {
  return ((await answer.json()) as { image: ImageAnswer }).image;
}

/** Every image that an administrator sees, page by page. */
export async function allImages(
  apiUrl: string,
  headers: Record<string, string> = {},
): Promise<ImageAnswer[]> {
  const images: ImageAnswer[] = [];
  for (;;) {
    const marker = images.length === 0 ? '' : `&marker=${images.at(-1)!.id}`;
    const url = `${apiUrl}/v1/images/detail?is_public=none&limit=1000${marker}`;
    const page = await imagesOf(await fetch(url, { headers }));
    images.push(...page);
    if (page.length < 1000) return images;
  }
}

/** The JSON body of an answer that holds a list. */
export async function imagesOf(answer: Response): Promise<ImageAnswer[]> {
  return ((await answer.json()) as { images: ImageAnswer[] }).images;
}
