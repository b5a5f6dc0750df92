// A private throw-away Swift: one proxy, account, container and object server, a ring of one replica
// on a plain folder (whose file system must keep user xattrs), and memcached for the tokens.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const env = { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin', PYTHONPATH: '' };
const SERVERS = ['account', 'container', 'object', 'proxy'];
const PROGRAMS = ['memcached', ...SERVERS.map((name) => `swift-${name}-server`)];
const START_MS = 60_000;

// The path of swift.conf is fixed in Swift's code: it is moved before a server runs.
const RUN = `
import sys, swift.common.utils as utils
etc, server = sys.argv[1:]
utils.SWIFT_CONF_FILE = etc + "/swift.conf"
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(f"{etc}/{server}.conf", server))
`;
const MAKE_RINGS = `
import sys
from swift.common.ring import RingBuilder
for arg in sys.argv[2:]:
    kind, port = arg.split("=")
    ring = RingBuilder(4, 1, 1)
    ring.add_dev(dict(id=0, region=1, zone=1, weight=1, device="d1", meta="", ip="127.0.0.1", port=int(port),
                      replication_ip="127.0.0.1", replication_port=int(port)))
    ring.rebalance()
    ring.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
`;

/**
 * @param maxFileBytes of the largest object.
 * @param keystone takes the tokens of a Keystone, which it asks as this user of the project
 * `service`: `{ url, user, password }`.
 * @returns the URL of its login (v1 auth) with the user and the key of an account, and `stop`;
 * with a Keystone, the URL that the accounts are below. Undefined when the programs are not there.
 */
export async function startSwift({ maxFileBytes = 5 * 1024 ** 3, keystone } = {}) {
  if (!PROGRAMS.every((name) => spawnSync('which', [name], { env }).status === 0)) return undefined;
  const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-swift-'));
  const children = [];
  const stop = async () => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    return { url: await start(directory, children, { maxFileBytes, keystone }), stop };
  } catch (error) {
    console.error(`Swift did not start: ${error.message}`);
    await stop();
    return undefined;
  }
}

async function start(directory, children, settings) {
  const ports = {};
  for (const name of ['cache', ...SERVERS]) ports[name] = await freePort();
  const etc = path.join(directory, 'etc');
  for (const name of ['etc', 'cache', 'srv/d1']) {
    mkdirSync(path.join(directory, name), { recursive: true });
  }
  const key = randomBytes(16).toString('hex');
  const files = configuration({ directory, etc, ports, key, ...settings });
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(etc, name), text);
  const rings = ['account', 'container', 'object'].map((name) => `${name}=${ports[name]}`);
  const made = spawnSync('python3', ['-c', MAKE_RINGS, etc, ...rings], { env, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const daemon = (program, ...args) => {
    const child = spawn(program, args, { env, stdio: 'ignore' });
    children.push(child);
  };
  daemon(
    'memcached',
    '-l',
    '127.0.0.1',
    '-p',
    String(ports.cache),
    '-U',
    '0',
    '-u',
    os.userInfo().username,
  );
  for (const name of SERVERS) daemon('python3', '-c', RUN, etc, `${name}-server`);
  for (const name of SERVERS) await answers(ports[name], name === 'proxy' ? '/info' : '/');
  if (settings.keystone) return `http://127.0.0.1:${ports.proxy}/v1`;
  return `http://test%3Atester:${key}@127.0.0.1:${ports.proxy}/auth/v1.0`;
}

function configuration({ directory, etc, ports, key, maxFileBytes, keystone }) {
  const common = (name) => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${ports[name]}
user = ${os.userInfo().username}
swift_dir = ${etc}
devices = ${directory}/srv
recon_cache_path = ${directory}/cache
mount_check = false
disable_fallocate = true
workers = 0
log_address = ${directory}/no-syslog
[pipeline:main]
`;
  const storage = (name) =>
    `${common(name)}pipeline = ${name}-server\n[app:${name}-server]\nuse = egg:swift#${name}\n`;
  const filters = ['catch_errors', 'proxy_logging', 'listing_formats', 'bulk', 'copy', 'slo'];
  return {
    'swift.conf': `[swift-hash]
swift_hash_path_suffix = throwaway
[swift-constraints]
max_file_size = ${maxFileBytes}
[storage-policy:0]
name = Policy-0
default = yes
`,
    'account-server.conf': storage('account'),
    'container-server.conf': storage('container'),
    'object-server.conf': storage('object'),
    'proxy-server.conf': `${common('proxy')}pipeline = catch_errors proxy_logging cache listing_formats bulk ${keystone ? 'authtoken keystoneauth' : 'tempauth'} copy slo dlo proxy-server
${filters.map((name) => `[filter:${name}]\nuse = egg:swift#${name}\n`).join('')}[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${ports.cache}
# Segments after the tenth come one a second otherwise; those of tests are small.
[filter:dlo]
use = egg:swift#dlo
rate_limit_after_segment = 10000
${keystone ? keystoneFilters(keystone) : tempauthFilter(key)}`,
  };
}

function tempauthFilter(key) {
  return `[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = ${key} .admin
`;
}

function keystoneFilters({ url, user, password }) {
  return `[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = ${url}
auth_url = ${url}
auth_type = password
username = ${user}
password = ${password}
project_name = service
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
include_service_catalog = false
cache = swift.cache
# A token that was revoked is noticed at once.
token_cache_time = -1
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
reseller_admin_role = ResellerAdmin
`;
}

async function answers(port, place) {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}${place}`).catch(() => undefined);
    if (answer) {
      await answer.arrayBuffer();
      return;
    }
    if (Date.now() > deadline) throw new Error(`nothing answers at ${place} of port ${port}`);
    await pause(100);
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// As a program of its own: serves until its standard input ends.
if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const swift = await startSwift({ keystone: JSON.parse(process.env.SWIFT_KEYSTONE ?? 'null') });
  if (!swift) process.exit(1);
  process.stdin.on('end', () => void swift.stop()).resume();
  console.log(JSON.stringify({ url: swift.url }));
}
