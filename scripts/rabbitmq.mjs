// A private throw-away RabbitMQ broker for tests: its own directory, ports and port mapper.
//   node scripts/rabbitmq.mjs    prints {"port": N}; takes the lines kill and start, prints each when it
//                                is done, and ends when its standard input does
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Not the one on the PATH: that of Debian changes to a user who cannot write to our directory. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const START_MS = 60_000;

/** @returns its `port` (guest, guest, virtual host /), `kill`, `start` again on its data, and `stop`. */
export async function startRabbitmq() {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-rabbitmq-'));
  const port = await freePort();
  const mapperPort = await freePort();
  const config = path.join(directory, 'rabbitmq');
  writeFileSync(`${config}.conf`, `listeners.tcp.local = 127.0.0.1:${port}\n`);
  const env = {
    ...process.env,
    // The Erlang cookie is there.
    HOME: directory,
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // It may be told to end by whoever can reach it.
    ERL_EPMD_RELAXED_COMMAND_CHECK: 'true',
    RABBITMQ_NODENAME: `glance${port}@localhost`,
    RABBITMQ_DIST_PORT: String(await freePort()),
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_MNESIA_BASE: path.join(directory, 'data'),
    RABBITMQ_LOG_BASE: directory,
    RABBITMQ_LOGS: path.join(directory, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: path.join(directory, 'plugins'),
    RABBITMQ_PID_FILE: path.join(directory, 'pid'),
  };
  let server;
  let exited;

  const start = async () => {
    // A group of its own: the script starts the virtual machine of Erlang as a child.
    server = spawn(SERVER, [], { stdio: 'ignore', env, detached: true });
    exited = new Promise((resolve) => {
      server.once('exit', resolve);
      server.once('error', resolve);
    });
    const deadline = Date.now() + START_MS;
    while (!(await answers(port))) {
      if (Date.now() > deadline || server.exitCode !== null) {
        throw new Error('RabbitMQ did not start');
      }
      await pause(100);
    }
  };
  const kill = async () => {
    killGroup(server);
    await exited;
  };
  const stop = async () => {
    await kill();
    spawnSync('epmd', ['-port', String(mapperPort), '-kill'], { stdio: 'ignore', env });
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', () => killGroup(server));
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, start, kill, stop };
}

function killGroup({ pid }) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Whether it speaks: the port is open before the broker listens to what comes in. */
function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const end = (value) => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(2000, () => end(false));
    socket.once('connect', () => socket.write('AMQP\0\0\x09\x01', 'latin1'));
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const broker = await startRabbitmq();
  console.log(JSON.stringify({ port: broker.port }));
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'kill') await broker.kill();
    else if (line === 'start') await broker.start();
    console.log(line);
  }
  await broker.stop();
}
