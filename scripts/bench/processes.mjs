import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const STOP_MS = 20_000;
/** Not PATH: npm puts this checkout's own programs there, of which one is named like upstream's. */
const SYSTEM_DIRECTORIES = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin'];

/** The path of a program of the system; undefined when it is not installed. */
export function findProgram(name) {
  return SYSTEM_DIRECTORIES.map((directory) => path.join(directory, name)).find((file) =>
    existsSync(file),
  );
}

/**
 * Starts a server that lives until its resources are closed. It leads a process group, so that
 * its workers end with it and the terminal's Ctrl-C reaches this program alone.
 */
export function startServer(resources, command, args, { logFile, cwd, env } = {}) {
  const log = openSync(logFile, 'a');
  const child = spawn(command, args, {
    stdio: ['ignore', log, log],
    detached: true,
    cwd,
    env: { ...process.env, ...env },
  });
  closeSync(log);
  const server = { pid: child.pid, logFile, ended: false };
  const exited = new Promise((resolve) => {
    const end = () => {
      server.ended = true;
      resolve();
    };
    child.once('exit', end);
    child.once('error', end);
  });
  const killGroup = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  // Whatever happens to this program, nothing it started goes on.
  const lastResort = () => killGroup('SIGKILL');
  process.once('exit', lastResort);
  server.stop = async () => {
    if (!server.ended) child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(killer);
    killGroup('SIGKILL');
    process.removeListener('exit', lastResort);
  };
  resources.own(server.stop);
  return server;
}

/** Resolves when `url` answers with 2xx or 3xx. @throws with the end of the server's log. */
export async function untilReady(server, url, timeoutMs = 60_000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer && answer.status < 400) return;
    if (server.ended || Date.now() > deadline) {
      const log = readFileSync(server.logFile, 'utf8').slice(-4000);
      throw new Error(`${url} ${server.ended ? 'ended' : 'is not ready'}; its log:\n${log}`);
    }
    await pause(10);
  }
}

/** Runs a program to its end. @returns its standard output. */
export function runToEnd(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (result.status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: ${result.error ?? result.stdout + result.stderr}`,
    );
  }
  return result.stdout;
}

/**
 * Runs a program of `programs/` beside this one and hands back the JSON that it prints. It reads
 * its task, JSON as well, as its only argument.
 */
export async function runProgram(resources, name, task) {
  const file = path.join(import.meta.dirname, 'programs', name);
  const child = spawn(process.execPath, [file, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  resources.own(kill);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  process.removeListener('exit', kill);
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${errors}`);
  return JSON.parse(output);
}

export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve, reject) => {
          const server = net.createServer().once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
