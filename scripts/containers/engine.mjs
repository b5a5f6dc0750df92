// Podman, set up for this check alone, and Docker Compose before it.
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { composeOfDebian13, needPackages } from './debian.mjs';
import { run, succeeds, until } from './run.mjs';

const PACKAGES = [
  'podman',
  'buildah',
  'runc',
  'netavark',
  'aardvark-dns',
  'iptables',
  'ca-certificates',
];

/** Containers and images of its own: what else runs on this machine is neither seen nor touched. */
export class Engine {
  #service;
  #stopped = false;
  #healthChecks = Promise.resolve();

  constructor(directory, compose, env) {
    this.directory = directory;
    this.compose = compose;
    this.env = env;
  }

  /** @param directory where images are kept from one run to the next */
  static async start(directory) {
    await needPackages(...PACKAGES);
    mkdirSync(directory, { recursive: true });
    // A path of a socket has at most 107 characters.
    const socket = path.join(os.tmpdir(), `glance-podman-${process.pid}.sock`);
    const env = { ...writeConfiguration(directory), DOCKER_HOST: `unix://${socket}` };
    const compose = await findCompose(path.join(directory, 'compose'));
    const engine = new Engine(directory, compose, env);
    await engine.serve(socket);
    return engine;
  }

  /** Compose speaks to an engine by its socket. */
  async serve(socket) {
    const log = openSync(path.join(this.directory, 'podman.log'), 'w');
    this.#service = spawn('podman', ['system', 'service', '--time=0', `unix://${socket}`], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.env },
    });
    closeSync(log);
    await until('the socket of podman', () => existsSync(socket));
    // Podman has timers of systemd run the health checks.
    if (!existsSync('/run/systemd/system')) this.#healthChecks = this.#runHealthChecks();
  }

  async #runHealthChecks() {
    while (!this.#stopped) {
      const names = await this.podman('ps', '--format', '{{.Names}}').catch(() => '');
      for (const name of names.split('\n').filter((each) => each !== '')) {
        await succeeds('podman', ['healthcheck', 'run', name], { env: this.env });
      }
      await pause(1000);
    }
  }

  async podman(...args) {
    return await run('podman', args, { env: this.env });
  }

  async hasImage(name) {
    return await succeeds('podman', ['image', 'exists', name], { env: this.env });
  }

  /**
   * Gets a public image from where this machine's podman looks for images, which is nowhere on many.
   * @returns whether `localhost/NAME` is it now
   */
  async pull(name) {
    const env = { ...this.env, CONTAINERS_REGISTRIES_CONF: '' };
    const options = { env, timeoutMs: 300_000 };
    const id = await run('podman', ['pull', '--quiet', name], options).catch(() => undefined);
    if (id === undefined) return false;
    await this.podman('tag', id.trim(), `localhost/${name}`);
    return true;
  }

  async build({ context, file, tag, target, args = {} }) {
    await this.podman(
      'build',
      // No namespaces of its own: it works wherever this script may do what it does.
      ...['--isolation=chroot', '--pull=never', '--format=docker', '--file', file, '--tag', tag],
      ...(target === undefined ? [] : ['--target', target]),
      ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      context,
    );
  }

  /** Bytes of an image, and of the image that it was built from. */
  async sizes(name, base) {
    const size = async (image) =>
      Number(await this.podman('image', 'inspect', '--format', '{{.Size}}', image));
    return { image: await size(name), base: await size(base) };
  }

  async stop() {
    if (this.#service === undefined) return;
    this.#stopped = true;
    await this.#healthChecks;
    const ended = new Promise((resolve) => this.#service.once('exit', resolve));
    this.#service.kill('SIGTERM');
    await ended;
    rmSync(this.env.DOCKER_HOST.replace('unix://', ''), { force: true });
    // Podman leaves its storage mounted on itself, and nobody could remove it.
    await succeeds('umount', [path.join(this.directory, 'storage/overlay')]);
  }
}

/** @returns the environment in which podman finds it */
function writeConfiguration(directory) {
  const [, openFiles] = /^Max open files +\S+ +(\d+)/m.exec(
    readFileSync('/proc/self/limits', 'utf8'),
  );
  const files = {
    // The defaults of podman may be beyond what the kernel grants: the limits are those of this process.
    CONTAINERS_CONF: [
      'containers.conf',
      `[containers]
default_ulimits = ["nofile=${openFiles}:${openFiles}", "nproc=4096:4096"]
[engine]
${existsSync('/usr/bin/crun') ? '' : 'runtime = "runc"'}
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
`,
    ],
    CONTAINERS_STORAGE_CONF: [
      'storage.conf',
      `[storage]
driver = "overlay"
graphroot = "${directory}/storage"
runroot = "${directory}/run"
`,
    ],
    CONTAINERS_REGISTRIES_CONF: [
      'registries.conf',
      `short-name-mode = "permissive"
[aliases]
${['node', 'mariadb', 'haproxy', 'nginx', 'debian'].map((name) => `"${name}" = "localhost/${name}"`).join('\n')}
`,
    ],
  };
  const env = {};
  for (const [variable, [name, text]] of Object.entries(files)) {
    env[variable] = path.join(directory, name);
    writeFileSync(env[variable], text);
  }
  return env;
}

/** @returns the command and its first words */
async function findCompose(directory) {
  for (const words of [['docker', 'compose'], ['docker-compose']]) {
    const [command, ...args] = words;
    const version = await run(command, [...args, 'version', '--short']).catch(() => '');
    if (/^v?[2-9]/.test(version)) return words;
  }
  return [await composeOfDebian13(directory)];
}
