// A private throw-away Ceph cluster in memory: one monitor, one OSD, the pool `images` for RBD.
//   node scripts/ceph-cluster.mjs   prints {"conf", "osdPid"} and runs until its standard input ends
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const PROGRAMS = ['ceph-mon', 'ceph-osd', 'ceph-authtool', 'monmaptool', 'ceph', 'rbd'];
const START_MS = 120_000;

/** Users beside client.admin, with what they may do. */
const USERS = {
  'client.glance': ['mon', 'profile rbd', 'osd', 'profile rbd'],
  'client.reader': ['mon', 'profile rbd', 'osd', 'profile rbd-read-only'],
  'client.gateway': ['mon', 'allow rw', 'osd', 'allow rwx'],
};

export function hasPrograms(names) {
  return names.every((name) => spawnSync('which', [name], { env }).status === 0);
}

/**
 * @param memoryBytes what it can hold at most.
 * @returns its configuration file, what runs programs on it, and `stop`; undefined when its programs
 * are not there.
 */
export async function startCephCluster({ memoryBytes = 4 * 1024 ** 3 } = {}) {
  if (!hasPrograms(PROGRAMS)) return undefined;
  const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-ceph-'));
  const cluster = new CephCluster(directory, memoryBytes);
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    console.error(`The Ceph cluster did not start: ${error.message}`);
    await cluster.stop();
    return undefined;
  }
}

class CephCluster {
  children = [];

  constructor(directory, memoryBytes) {
    this.directory = directory;
    this.memoryBytes = memoryBytes;
    this.conf = path.join(directory, 'ceph.conf');
  }

  /** Runs a program to its end. */
  run(program, ...args) {
    const done = spawnSync(program, args, { env, encoding: 'utf8', timeout: START_MS });
    if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}`);
  }

  /** Starts a program that runs until the cluster is stopped. */
  daemon(program, ...args) {
    const child = spawn(program, ['-f', '-c', this.conf, ...args], { env, stdio: 'ignore' });
    this.children.push(child);
    return child;
  }

  async start() {
    const { directory, conf } = this;
    const keyring = path.join(directory, 'keyring');
    const monmap = path.join(directory, 'monmap');
    const [fsid, osd] = [randomUUID(), randomUUID()];
    const monPort = await freePort();
    for (const name of ['mon', 'osd']) mkdirSync(path.join(directory, name));
    writeFileSync(
      conf,
      configuration({ directory, keyring, fsid, monPort, memoryBytes: this.memoryBytes }),
    );
    this.run('ceph-authtool', '--create-keyring', keyring);
    for (const [name, caps] of Object.entries({
      'mon.': ['mon', 'allow *'],
      'client.admin': ['mon', 'allow *', 'osd', 'allow *'],
      'osd.0': ['mon', 'allow profile osd', 'osd', 'allow *'],
      ...USERS,
    })) {
      this.run('ceph-authtool', keyring, '--gen-key', '-n', name, ...pairs(caps));
    }
    this.run(
      'monmaptool',
      ...['--create', '--fsid', fsid, '--addv', 'a', `v1:127.0.0.1:${monPort}`, monmap],
    );
    this.run('ceph-mon', '--mkfs', '-i', 'a', '-c', conf, '--monmap', monmap, '--keyring', keyring);
    this.daemon('ceph-mon', '-i', 'a');
    this.run('ceph', '-c', conf, 'osd', 'new', osd);
    this.run('ceph-osd', '--mkfs', '-i', '0', '-c', conf, '--osd-uuid', osd);
    this.osdPid = this.daemon('ceph-osd', '-i', '0').pid;
    this.run('ceph', '-c', conf, 'osd', 'pool', 'create', 'images');
    this.run('rbd', '-c', conf, 'ls', 'images');
  }

  async stop() {
    for (const child of this.children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

// Who dies with an image open keeps it from being removed until his watch ends.
const WATCH_SECONDS = 10;

function configuration({ directory, keyring, fsid, monPort, memoryBytes }) {
  return `[global]
fsid = ${fsid}
mon_host = v1:127.0.0.1:${monPort}
ms_bind_msgr2 = false
public_addr = 127.0.0.1
keyring = ${keyring}
run_dir = ${directory}
crash_dir = ${directory}
admin_socket = ${directory}/$name.$pid.asok
log_file = ${directory}/$name.log
mon_data = ${directory}/mon
mon_cluster_log_file = ${directory}/cluster.log
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
osd_data = ${directory}/osd
osd_objectstore = memstore
memstore_device_bytes = ${memoryBytes}
osd_client_watch_timeout = ${WATCH_SECONDS}
osd_pool_default_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
`;
}

function pairs(caps) {
  const args = [];
  for (let i = 0; i < caps.length; i += 2) args.push('--cap', caps[i], caps[i + 1]);
  return args;
}

export function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const cluster = await startCephCluster();
  if (!cluster) process.exit(1);
  process.stdin.on('end', () => void cluster.stop()).resume();
  console.log(JSON.stringify({ conf: cluster.conf, osdPid: cluster.osdPid }));
}
