// A private throw-away Sheepdog of one node and one copy: SHEEP_BIN and DOG_BIN name its programs, of
// which no distribution has a package any more.
//   node scripts/sheepdog.mjs    prints {"port": N}, and ends when its standard input does
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const { SHEEP_BIN, DOG_BIN } = process.env;
const HOST = '127.0.0.1';
const START_MS = 30_000;

/**
 * @param formatted whether it can be used already.
 * @returns its port, and `stop`.
 */
export async function startSheepdog({ formatted = true } = {}) {
  if (!SHEEP_BIN || !DOG_BIN) throw new Error('set SHEEP_BIN and DOG_BIN');
  const directory = mkdtempSync(path.join(os.tmpdir(), 'glance-sheepdog-'));
  const port = await freePort();
  const listen = ['-b', HOST, '-y', HOST, '-p', String(port)];
  const cluster = ['-c', `local:${path.join(directory, 'cluster')}`];
  const store = path.join(directory, 'store');
  const sheep = spawn(SHEEP_BIN, ['-f', ...listen, '-z', '0', '-n', ...cluster, store], {
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => {
    sheep.once('exit', resolve);
    sheep.once('error', resolve);
  });
  const stop = async () => {
    sheep.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  const dog = (...args) =>
    spawnSync(DOG_BIN, [...args, '-a', HOST, '-p', String(port)], { stdio: 'ignore' }).status === 0;
  try {
    await until(() => dog('node', 'list'));
    if (formatted) {
      await until(() => dog('cluster', 'format', '-c', '1', '-b', 'plain'));
      await until(() => dog('vdi', 'list'));
    }
    return { port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function until(condition) {
  const deadline = Date.now() + START_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('Sheepdog did not start');
    await pause(50);
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port, stop } = await startSheepdog({ formatted: process.argv[2] !== '--unformatted' });
  process.stdout.write(`${JSON.stringify({ port })}\n`);
  process.stdin.resume().once('end', stop);
}
