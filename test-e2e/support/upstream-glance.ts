import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePorts } from './deployment';

const run = promisify(execFile);
export const PROGRAM = '/usr/bin/glance-api';
const MANAGE = '/usr/bin/glance-manage';

/** A caller as the context middleware of upstream, and our trusted-auth, believe it. */
export function callerHeaders(project: string, roles = 'member,reader'): Record<string, string> {
  return {
    'x-identity-status': 'Confirmed',
    'x-user-id': `user of ${project}`,
    'x-tenant-id': project,
    'x-roles': roles,
  };
}

/** Where a service keeps what it has; a deployment of ours is one. */
export interface UpstreamPlace {
  directory: string;
  /** As SQLAlchemy writes it. */
  databaseUrl: string;
  imageDirectory: string;
}

/** The real upstream glance-api on a database and an image directory, of a deployment of ours or its own. */
export class UpstreamGlance {
  private child: ChildProcess | undefined;
  private log = '';

  private constructor(
    readonly url: string,
    readonly configurationFile: string,
  ) {}

  /** @param defaults lines for the section [DEFAULT] of its configuration */
  static async prepare(place: UpstreamPlace, defaults: string[] = []): Promise<UpstreamGlance> {
    const directory = path.join(place.directory, 'upstream');
    await mkdir(path.join(directory, 'lock'), { recursive: true });
    const [port] = await freePorts(1);
    const paste = path.join(directory, 'paste.ini');
    await writeFile(paste, PASTE);
    const configFile = path.join(directory, 'glance-api.conf');
    await writeFile(
      configFile,
      `[DEFAULT]
bind_host = 127.0.0.1
bind_port = ${port}
workers = 1
node_staging_uri = file://${directory}/staging
enforce_secure_rbac = true
${defaults.join('\n')}
[oslo_policy]
enforce_new_defaults = true
enforce_scope = true
[database]
connection = ${place.databaseUrl}
[glance_store]
stores = file,http
default_store = file
filesystem_store_datadir = ${place.imageDirectory}
[oslo_concurrency]
lock_path = ${directory}/lock
[paste_deploy]
flavor = headers
config_file = ${paste}
`,
    );
    return new UpstreamGlance(`http://127.0.0.1:${port}`, configFile);
  }

  /** The directory of its configuration file, where it looks for others. */
  get configDirectory(): string {
    return path.dirname(this.configurationFile);
  }

  /** Makes the tables, as an upstream installation has them. */
  async syncDatabase(): Promise<void> {
    await run(MANAGE, ['--config-file', this.configurationFile, 'db_sync']);
  }

  /** @param file of metadata definitions */
  async loadDefinitions(file: string): Promise<void> {
    await run(MANAGE, ['--config-file', this.configurationFile, 'db_load_metadefs', file]);
  }

  async start(): Promise<void> {
    this.child = spawn(PROGRAM, ['--config-file', this.configurationFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const collect = (chunk: Buffer): void => {
      this.log += chunk.toString();
    };
    this.child.stdout?.on('data', collect);
    this.child.stderr?.on('data', collect);
    try {
      await eventually(() => fetch(this.url), 60_000);
    } catch (error) {
      process.stderr.write(this.log);
      throw error;
    }
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    // Its master sometimes waits for ever, its workers gone.
    const killer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await exited;
    clearTimeout(killer);
  }

  /** A JSON call of API v2. @throws Error with the answer when it is no 2xx. */
  async call<T = unknown>(
    method: string,
    pathName: string,
    headers: Record<string, string>,
    body?: unknown,
  ): Promise<T> {
    const type = Array.isArray(body)
      ? 'application/openstack-images-v2.1-json-patch'
      : 'application/json';
    const data = Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const answer = await fetch(`${this.url}/v2${pathName}`, {
      method,
      headers: {
        ...headers,
        'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : type,
      },
      ...(body === undefined ? {} : { body: data }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${pathName}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async download(id: string, headers: Record<string, string>): Promise<Buffer> {
    const answer = await fetch(`${this.url}/v2/images/${id}/file`, { headers });
    if (!answer.ok) throw new Error(`GET file of ${id}: ${answer.status} ${await answer.text()}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** Gives an option of [DEFAULT] another value. @param line such as `scrub_time = 0` */
  async write(line: string): Promise<void> {
    const [name] = line.split(' ');
    const text = (await this.configuration()).replace(new RegExp(`^${name} = .*$`, 'm'), line);
    await writeFile(this.configurationFile, text);
  }

  async configuration(): Promise<string> {
    return await readFile(this.configurationFile, 'utf8');
  }
}

const PASTE = `[pipeline:glance-api-headers]
pipeline = cors versionnegotiation context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = glance
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
`;
