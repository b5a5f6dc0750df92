// A private throw-away MariaDB (or MySQL) server for tests and measurements: its own directory and port.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const PATH = `${process.env.PATH}:/usr/sbin:/sbin:/usr/local/sbin`;

/**
 * Undefined when there is no server program and none can be installed.
 * @param killable the server keeps what it has committed when it is killed, and is started again.
 * @param serverOptions flags of mariadbd that win over those chosen here.
 */
export async function startMariadb({ killable = false, serverOptions = [] } = {}) {
  if (!has('mariadbd') && !install()) return undefined;
  const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-mariadb-'));
  const datadir = path.join(directory, 'data');
  const user = os.userInfo().username;
  const made = command('mariadb-install-db', [
    '--no-defaults',
    `--user=${user}`,
    `--datadir=${datadir}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ]);
  if (made.status !== 0) {
    console.error(made.stderr);
    rmSync(directory, { recursive: true, force: true });
    return undefined;
  }
  const port = await freePort();
  const pidFile = path.join(directory, 'mysqld.pid');
  let server;
  let exited;
  let stopping = false;
  const run = () => {
    server = spawn(
      'mariadbd',
      [
        '--no-defaults',
        `--user=${user}`,
        `--datadir=${datadir}`,
        `--socket=${path.join(directory, 'mysqld.sock')}`,
        `--pid-file=${pidFile}`,
        '--bind-address=127.0.0.1',
        `--port=${port}`,
        '--character-set-server=utf8mb4',
        '--skip-name-resolve',
        '--skip-log-bin',
        '--max-connections=500',
        '--performance-schema=OFF',
        // Thrown away afterwards, and it survives the machine: what a kill must not lose is enough.
        `--innodb-flush-log-at-trx-commit=${killable ? 2 : 0}`,
        ...serverOptions,
      ],
      { stdio: ['ignore', 'ignore', 'ignore'], env: { ...process.env, PATH } },
    );
    exited = new Promise((resolve) => server.once('exit', resolve));
    if (killable) {
      server.once('exit', () => {
        if (!stopping) run();
      });
    }
  };
  run();
  const stop = async () => {
    stopping = true;
    server.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', () => {
    stopping = true;
    server.kill('SIGKILL');
  });
  const socket = path.join(directory, 'mysqld.sock');
  const password = randomBytes(16).toString('hex');
  for (let attempt = 0; attempt < 300 && server.exitCode === null; attempt += 1) {
    const granted = command('mariadb', [
      '--no-defaults',
      '-uroot',
      `-S${socket}`,
      '-e',
      `CREATE USER glance@'%' IDENTIFIED BY '${password}'; GRANT ALL PRIVILEGES ON *.* TO glance@'%' WITH GRANT OPTION`,
    ]);
    if (granted.status === 0) {
      return { url: `mysql://glance:${password}@127.0.0.1:${port}/`, pidFile, stop };
    }
    await pause(100);
  }
  console.error('The private MariaDB server did not start.');
  await stop();
  return undefined;
}

function has(program) {
  return command('sh', ['-c', `command -v ${program}`]).status === 0;
}

/** From the system's packages, where that is possible without asking. */
function install() {
  if (process.getuid?.() !== 0 || !has('apt-get')) return false;
  console.log('Installing mariadb-server ...');
  const apt = (...args) =>
    command('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=600', ...args], {
      DEBIAN_FRONTEND: 'noninteractive',
    });
  // The package would start a system-wide server; this refusal keeps it from doing so.
  command('sh', [
    '-c',
    '[ -e /usr/sbin/policy-rc.d ] || { printf "#!/bin/sh\\nexit 101\\n" >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d && touch /tmp/.glance-policy; }',
  ]);
  const packages = ['install', '-y', '--no-install-recommends', 'mariadb-server', 'mariadb-client'];
  let result = apt(...packages);
  if (result.status !== 0) {
    apt('update');
    result = apt(...packages);
  }
  command('sh', [
    '-c',
    '[ ! -e /tmp/.glance-policy ] || rm -f /usr/sbin/policy-rc.d /tmp/.glance-policy',
  ]);
  if (result.status !== 0) console.error(result.stderr);
  return has('mariadbd');
}

function command(program, args, extra = {}) {
  return spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH, ...extra },
  });
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
