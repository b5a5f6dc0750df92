import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../workspace.mjs';
import { freePorts, runToEnd, startServer, untilReady } from './processes.mjs';

const API = path.join(ROOT, 'packages/glance-api/bin/glance-api.js');
const REGISTRY = path.join(ROOT, 'packages/glance-registry/bin/glance-registry.js');
const MANAGE = path.join(ROOT, 'packages/glance-manage/bin/glance-manage.js');

/** Configuration files and database of one deployment of the built services. */
export class OurServices {
  /** @param apiConf further lines of glance-api.conf */
  constructor({ directory, databaseUrl, workers = 1, apiConf = '' }) {
    this.apiConf = apiConf;
    this.directory = directory;
    this.databaseUrl = databaseUrl;
    this.workers = workers;
    this.imageDirectory = path.join(directory, 'images');
    this.serviceKey = randomBytes(32).toString('hex');
    mkdirSync(this.imageDirectory, { recursive: true });
  }

  /** Makes the tables. */
  syncDatabase() {
    this.#write('registry.conf', this.#registryConf(0));
    this.manage('db', 'sync');
  }

  /** Runs a command of glance-manage to its end. */
  manage(...words) {
    runToEnd(process.execPath, [MANAGE, '--config-file', this.#file('registry.conf'), ...words]);
  }

  /** Starts both services and waits until they are ready. */
  async start(resources) {
    const [registryPort, apiPort] = await freePorts(2);
    this.#write('registry.conf', this.#registryConf(registryPort));
    this.#write('api.conf', this.#apiConf(apiPort, registryPort));
    const registry = this.#startService(resources, REGISTRY, 'registry');
    const api = this.#startService(resources, API, 'api');
    const url = `http://127.0.0.1:${apiPort}`;
    await Promise.all([
      untilReady(registry, `http://127.0.0.1:${registryPort}/readyz`),
      untilReady(api, `${url}/readyz`),
    ]);
    return { api, registry, url, apiPort, registryPort };
  }

  /** Starts one more api, with a flavor and further lines of [DEFAULT], and waits until it is ready. */
  async startApi(resources, { registryPort, flavor, options }) {
    const [apiPort] = await freePorts(1);
    this.#write('more-api.conf', this.#apiConf(apiPort, registryPort, { flavor, options }));
    const api = this.#startService(resources, API, 'more-api');
    const url = `http://127.0.0.1:${apiPort}`;
    await untilReady(api, `${url}/readyz`);
    return { api, url, apiPort };
  }

  #startService(resources, program, name) {
    return startServer(
      resources,
      process.execPath,
      [program, '--config-file', this.#file(`${name}.conf`)],
      {
        logFile: this.#file(`${name}.log`),
      },
    );
  }

  #registryConf(port) {
    return `[DEFAULT]
bind_port = ${port}
workers = ${this.workers}
shutdown_delay = 0
[database]
connection = ${this.databaseUrl}
[service_auth]
key = ${this.serviceKey}
`;
  }

  #apiConf(port, registryPort, { flavor = 'trusted-auth', options = [] } = {}) {
    return `[DEFAULT]
${options.join('\n')}
bind_host = 127.0.0.1
bind_port = ${port}
registry_port = ${registryPort}
workers = ${this.workers}
shutdown_delay = 0
[paste_deploy]
flavor = ${flavor}
[glance_store]
filesystem_store_datadir = ${this.imageDirectory}
[service_auth]
key = ${this.serviceKey}
${this.apiConf}`;
  }

  #write(name, text) {
    writeFileSync(this.#file(name), text, { mode: 0o600 });
  }

  #file(name) {
    return path.join(this.directory, name);
  }
}

/** Identity headers, believed by our flavor trusted-auth and by upstream's context filter. */
export function identity(project, role = 'member') {
  return {
    'x-identity-status': 'Confirmed',
    'x-user-id': `user-of-${project}`,
    'x-tenant-id': project,
    'x-project-id': project,
    'x-roles': role === 'admin' ? 'admin,member,reader' : `${role},reader`,
  };
}
