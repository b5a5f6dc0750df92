// A private throw-away RADOS gateway (S3) over a Ceph cluster in memory: one monitor, one OSD.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'ceph-authtool', 'ceph'];
const START_MS = 120_000;

/** @returns its URL with the keys of a user, and `stop`; undefined when the programs are not there. */
export async function startRadosGateway() {
  if (!PROGRAMS.every((name) => spawnSync('which', [name], { env }).status === 0)) return undefined;
  const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-ceph-'));
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
    return { url: await start(directory, children), stop };
  } catch (error) {
    console.error(`The RADOS gateway did not start: ${error.message}`);
    await stop();
    return undefined;
  }
}

async function start(directory, children) {
  const [monPort, port] = [await freePort(), await freePort()];
  const conf = path.join(directory, 'ceph.conf');
  const keyring = path.join(directory, 'keyring');
  const monmap = path.join(directory, 'monmap');
  const [fsid, osd] = [randomUUID(), randomUUID()];
  for (const name of ['mon', 'osd']) mkdirSync(path.join(directory, name));
  writeFileSync(conf, configuration({ directory, keyring, fsid, monPort, port }));
  const run = (program, ...args) => {
    const done = spawnSync(program, args, { env, encoding: 'utf8', timeout: START_MS });
    if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}`);
  };
  const daemon = (program, ...args) => {
    const child = spawn(program, ['-f', '-c', conf, ...args], { env, stdio: 'ignore' });
    children.push(child);
  };
  run('ceph-authtool', '--create-keyring', keyring);
  for (const [name, caps] of [
    ['mon.', ['mon', 'allow *']],
    ['client.admin', ['mon', 'allow *', 'osd', 'allow *']],
    ['client.gateway', ['mon', 'allow rw', 'osd', 'allow rwx']],
    ['osd.0', ['mon', 'allow profile osd', 'osd', 'allow *']],
  ]) {
    run('ceph-authtool', keyring, '--gen-key', '-n', name, ...pairs(caps));
  }
  run('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', `v1:127.0.0.1:${monPort}`, monmap);
  run('ceph-mon', '--mkfs', '-i', 'a', '-c', conf, '--monmap', monmap, '--keyring', keyring);
  daemon('ceph-mon', '-i', 'a');
  run('ceph', '-c', conf, 'osd', 'new', osd);
  run('ceph-osd', '--mkfs', '-i', '0', '-c', conf, '--osd-uuid', osd);
  daemon('ceph-osd', '-i', '0');
  daemon('radosgw', '-n', 'client.gateway');
  await answers(port);
  const secret = randomBytes(16).toString('hex');
  const user = ['--uid', 'test', '--display-name', 'test', '--access-key', 'test'];
  run('radosgw-admin', '-c', conf, 'user', 'create', ...user, '--secret', secret);
  return `http://test:${secret}@127.0.0.1:${port}`;
}

function configuration({ directory, keyring, fsid, monPort, port }) {
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
osd_data = ${directory}/osd
osd_objectstore = memstore
memstore_device_bytes = ${4 * 1024 ** 3}
osd_pool_default_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
rgw_frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw_thread_pool_size = 32
`;
}

function pairs(caps) {
  const args = [];
  for (let i = 0; i < caps.length; i += 2) args.push('--cap', caps[i], caps[i + 1]);
  return args;
}

async function answers(port) {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new Error('it does not answer');
    await pause(200);
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
