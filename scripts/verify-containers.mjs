// scripts/verify-containers: deploy/ for real. Builds both images, runs the whole topology with podman, and breaks it.
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { NODE, provideBaseImages } from './containers/base-images.mjs';
import {
  checkClients,
  checkContainers,
  checkDatabaseRestart,
  checkKilledApi,
  checkPrivateNetwork,
  checkRollingRestart,
  keepImage,
} from './containers/checks.mjs';
import { Engine } from './containers/engine.mjs';
import { Stack } from './containers/stack.mjs';
import { ROOT, requireNode } from './workspace.mjs';

const USAGE = `Usage: scripts/verify-containers [--keep] [--images DIR]
Builds the images of glance-api and glance-registry with podman, runs deploy/compose.yaml (MariaDB, two of each service,
HAProxy; then nginx), uses it with the openstack and glance clients, kills an api during uploads, replaces every
container under load, and stops the database. Says what it saw; ends with 0 when all was as it should be.
  --keep         leaves the services running, and says where
  --images DIR   where podman keeps what it builds (default var/containers)
Needs root and Linux; installs Debian's podman, and Docker Compose 2, where they are missing. Public images that cannot be
pulled are replaced by stand-ins made of Debian's packages, which it says.`;

const options = readOptions();
requireNode();
if (process.getuid() !== 0)
  exitWith('This needs root: podman is given storage and networks of its own.');

const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-containers-'));
let engine;
let stack;
let passed = 0;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    console.error(`\n${signal}: stopping what was started ...`);
    void cleanUp().then(() => process.exit(130));
  });
}

try {
  await step('podman and Docker Compose', async () => {
    engine = await Engine.start(path.resolve(options.images));
    return [(await engine.podman('--version')).trim(), `compose: ${engine.compose.join(' ')}`];
  });
  await step('public images', async () => void (await provideBaseImages(engine)));
  await step('build both images', buildImages);
  await step('start everything (HAProxy)', async () => {
    stack = new Stack(engine, { project: `glance-${process.pid}`, port: await freePort() });
    await stack.compose('up', '--detach', '--no-build', '--wait');
    return [`the API is at ${stack.url}`];
  });
  await step('the containers', () => checkContainers(stack));
  await step('the real clients', () => checkClients(stack, directory));
  await step('the private network', () => checkPrivateNetwork(stack));
  await step('an api is killed during 20 uploads', () => checkKilledApi(stack));
  await step('every service is replaced under load', () => checkRollingRestart(stack));
  await step('the database is stopped and started', () => checkDatabaseRestart(stack));
  await step('all is taken down and comes back with nginx in the place of HAProxy', async () => {
    const kept = await keepImage(stack);
    await stack.compose('down', '--timeout', '60');
    stack.files.push('compose.nginx.yaml');
    await stack.compose('up', '--detach', '--no-build', '--wait');
    return [await kept(), ...(await checkClients(stack, directory))];
  });
  await step('every service is replaced under load behind nginx', () => checkRollingRestart(stack));
} catch (error) {
  if (!interrupted) {
    console.error(`FAILED: ${error.stack}`);
    process.exitCode = 1;
    await showLogs();
  }
}
if (!interrupted) {
  if (options.keep) {
    console.log(`The services run on: ${stack?.url ?? 'nothing was started'}`);
    console.log(`They end with this script: Ctrl-C`);
    await new Promise(() => undefined);
  }
  await cleanUp();
  console.log(
    process.exitCode === 1
      ? `${passed} steps passed, 1 failed`
      : `${passed} steps passed, 0 failed`,
  );
}

function readOptions() {
  const defaults = {
    keep: { type: 'boolean', default: false },
    images: { type: 'string', default: path.join(ROOT, 'var/containers') },
    help: { type: 'boolean', default: false },
  };
  try {
    const { values } = parseArgs({ options: defaults });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    return values;
  } catch (error) {
    return exitWith(`${error.message}\n${USAGE}`);
  }
}

function exitWith(text) {
  console.error(text);
  process.exit(2);
}

async function step(name, work) {
  const started = Date.now();
  console.log(`== ${name}`);
  for (const line of (await work()) ?? []) console.log(`   ${line}`);
  passed += 1;
  console.log(`== ${name}: ok (${Math.round((Date.now() - started) / 1000)} s)`);
}

async function buildImages() {
  const lines = [];
  for (const target of ['glance-api', 'glance-registry']) {
    const tag = `localhost/${target}`;
    const file = path.join(ROOT, 'deploy/docker/Dockerfile');
    await engine.build({ context: ROOT, file, tag, target });
    const { image, base } = await engine.sizes(tag, `localhost/${NODE}`);
    const mib = (bytes) => Math.round(bytes / 1024 / 1024);
    lines.push(
      `${target}: ${mib(image)} MiB, of which ${mib(image - base)} MiB are beyond the image of Node`,
    );
  }
  return lines;
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function showLogs() {
  if (stack === undefined) return;
  console.error(
    await stack.compose('logs', '--no-color', '--tail', '25').catch((error) => error.message),
  );
}

async function cleanUp() {
  // What is stopped here is not asked to drain.
  await stack
    ?.compose('down', '--volumes', '--timeout', '1')
    .catch((error) => console.error(error.message));
  await engine?.stop();
  rmSync(directory, { recursive: true, force: true });
}
