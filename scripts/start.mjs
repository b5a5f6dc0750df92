// npm start: the whole service on this machine, from a fresh clone, data under var/.
//   npm start -- --data-dir DIR --api-port N --registry-port N
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ROOT, ensureBuilt, ensureInstalled, requireNode } from './workspace.mjs';

const options = readOptions();
requireNode();
ensureInstalled();
ensureBuilt({ all: false });

const data = path.resolve(options['data-dir']);
const apiPort = options['api-port'];
const registryPort = options['registry-port'];
const apiUrl = `http://127.0.0.1:${apiPort}`;
const registryUrl = `http://127.0.0.1:${registryPort}`;
writeConfiguration();
prepareDatabase();

const services = [
  startService('glance-registry', 'glance-registry/bin/glance-registry.js', 'registry.conf'),
  startService('glance-api', 'glance-api/bin/glance-api.js', 'api.conf'),
];
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0));
stopWithNpm();

await Promise.all([ready(registryUrl, 'glance-registry'), ready(apiUrl, 'glance-api')]);
if (!stopping) announce();

function readOptions() {
  try {
    return parseArgs({
      options: {
        'data-dir': { type: 'string', default: path.join(ROOT, 'var') },
        'api-port': { type: 'string', default: '9292' },
        'registry-port': { type: 'string', default: '9191' },
      },
    }).values;
  } catch (error) {
    console.error(
      `${error.message}\nUsage: npm start -- [--data-dir DIR] [--api-port N] [--registry-port N]`,
    );
    process.exit(2);
  }
}

/** The files hold what must stay the same from one start to the next; ports come by flag. */
function writeConfiguration() {
  mkdirSync(path.join(data, 'images'), { recursive: true, mode: 0o750 });
  writeOnce('service.key', `${randomBytes(32).toString('hex')}\n`);
  writeOnce(
    'registry.conf',
    `[DEFAULT]
workers = 1
shutdown_delay = 0

[database]
connection = sqlite:///${path.join(data, 'glance.sqlite')}

[service_auth]
key_file = ${path.join(data, 'service.key')}
`,
  );
  writeOnce(
    'api.conf',
    `[DEFAULT]
bind_host = 127.0.0.1
workers = 1
shutdown_delay = 0
node_staging_uri = ${pathToFileURL(path.join(data, 'staging'))}

[glance_store]
filesystem_store_datadir = ${path.join(data, 'images')}

[service_auth]
key_file = ${path.join(data, 'service.key')}
`,
  );
}

function writeOnce(name, text) {
  const file = path.join(data, name);
  if (!existsSync(file)) writeFileSync(file, text, { mode: 0o600 });
}

/** Makes the database, with definitions to begin with, or brings one of an earlier release up to date. */
function prepareDatabase() {
  const isNew = !existsSync(path.join(data, 'glance.sqlite'));
  manageDatabase('sync');
  if (isNew) manageDatabase('load_metadefs', '--path', path.join(ROOT, 'deploy/etc/metadefs'));
}

function manageDatabase(...words) {
  const result = spawnSync(
    process.execPath,
    [
      program('glance-manage/bin/glance-manage.js'),
      '--config-file',
      path.join(data, 'registry.conf'),
      'db',
      ...words,
    ],
    { encoding: 'utf8' },
  );
  if (result.status !== 0) {
    console.error(result.stdout + result.stderr);
    console.error('The database could not be prepared.');
    process.exit(1);
  }
}

function program(file) {
  return path.join(ROOT, 'packages', file);
}

function startService(name, file, config) {
  const port =
    name === 'glance-api'
      ? ['--bind-port', apiPort, '--registry-port', registryPort]
      : ['--bind-port', registryPort];
  // The channel lets the service notice when this process dies; a group of its own keeps the
  // terminal's Ctrl-C from reaching it twice.
  const child = spawn(
    process.execPath,
    [
      program(file),
      '--config-file',
      path.join(data, config),
      '--log-file',
      path.join(data, `${name}.log`),
      ...port,
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true },
  );
  child.once('exit', (code, signal) => {
    if (stopping) return;
    console.error(
      `${name} ended (${signal ?? code}); its log is ${path.join(data, `${name}.log`)}`,
    );
    stop(1);
  });
  return child;
}

/** npm that is killed outright tells nobody: its child would go on without it. */
function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const npm = process.ppid;
  setInterval(() => {
    if (process.ppid !== npm) stop(0);
  }, 500).unref();
}

async function ready(url, name) {
  const deadline = Date.now() + 30_000;
  while (!stopping) {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) }).catch(
      () => undefined,
    );
    if (answer?.ok) return;
    if (Date.now() > deadline) {
      console.error(
        `${name} is not ready after 30 s; its log is ${path.join(data, `${name}.log`)}`,
      );
      await stop(1);
    }
    await pause(40);
  }
}

function announce() {
  console.log(`
The image service is ready.
  API       ${apiUrl}
  registry  ${registryUrl} (internal)
  data      ${data}

Try:
  head -c 1048576 /dev/urandom > demo.raw
  curl -X POST ${apiUrl}/v1/images -H 'Content-Type: application/octet-stream' -H 'X-Image-Meta-Name: demo' -H 'X-Image-Meta-Disk-Format: raw' -H 'X-Image-Meta-Container-Format: bare' --data-binary @demo.raw
  curl ${apiUrl}/v2/images
or, with the openstack client:
  OS_AUTH_TYPE=none OS_ENDPOINT=${apiUrl} openstack image list

Ctrl-C stops it.`);
}

async function stop(code) {
  if (stopping) return;
  stopping = true;
  console.log('\nStopping ...');
  // The api first: it may still need the registry to take running uploads back.
  for (const child of [...services].reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
  process.exit(code);
}
