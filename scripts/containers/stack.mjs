// The services of deploy/compose.yaml, under a project name of this run.
import path from 'node:path';
import { HAPROXY, MARIADB, NGINX } from './base-images.mjs';
import { run, until } from './run.mjs';

const DEPLOY = path.resolve(import.meta.dirname, '../../deploy');

export class Stack {
  constructor(engine, { project, port }) {
    this.engine = engine;
    this.project = project;
    this.url = `http://127.0.0.1:${port}`;
    this.env = {
      ...engine.env,
      GLANCE_API_IMAGE: 'localhost/glance-api',
      GLANCE_REGISTRY_IMAGE: 'localhost/glance-registry',
      MARIADB_IMAGE: `localhost/${MARIADB}`,
      HAPROXY_IMAGE: `localhost/${HAPROXY}`,
      NGINX_IMAGE: `localhost/${NGINX}`,
      GLANCE_LISTEN: `127.0.0.1:${port}`,
    };
    this.files = ['compose.yaml'];
  }

  /** Docker Compose with the files and the project of this stack. */
  async compose(...args) {
    const [command, ...first] = this.engine.compose;
    const files = this.files.flatMap((file) => ['--file', path.join(DEPLOY, file)]);
    const options = { env: this.env, timeoutMs: 600_000 };
    return await run(
      command,
      [...first, ...files, '--project-name', this.project, ...args],
      options,
    );
  }

  container(service) {
    return `${this.project}-${service}-1`;
  }

  network(name) {
    return `${this.project}_${name}`;
  }

  /** @returns what the program in the container of a service writes */
  async exec(service, ...command) {
    return await this.engine.podman('exec', this.container(service), ...command);
  }

  async kill(service) {
    await this.engine.podman('kill', '--signal', 'KILL', this.container(service));
  }

  /** As a load balancer and an operator would have it: SIGTERM, and all the time that compose.yaml gives. */
  async stop(service) {
    await this.engine.podman('stop', '--time', '360', this.container(service));
  }

  async start(service) {
    await this.engine.podman('start', this.container(service));
  }

  /** Until the service itself says that it can work. */
  async ready(service) {
    const program = service.replace(/-\d$/, '');
    await until(`${service} is ready`, () =>
      this.exec(service, program, 'healthcheck', 'readyz').then(() => true),
    );
  }

  async logs(service) {
    return await this.engine.podman('logs', this.container(service));
  }
}
