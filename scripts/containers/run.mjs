// Running programs and waiting for what they bring about.
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Runs a program to its end.
 * @param options.input text for its standard input
 * @param options.env variables beside those of this process, or, with `bare`, instead of them
 * @returns what it wrote to its standard output
 * @throws Error with all that it wrote, when it fails or takes longer than `timeoutMs`
 */
export function run(
  command,
  args,
  { input, env, bare = false, timeoutMs = 900_000, ...options } = {},
) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...options,
      env: bare ? env : { ...process.env, ...env },
    });
    let out = '';
    let all = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
      all += chunk;
    });
    child.stderr.on('data', (chunk) => {
      all += chunk;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(out);
      else
        reject(new Error(`${command} ${args.join(' ')}: ${signal ?? code}\n${all.slice(-4000)}`));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** @returns whether the program succeeds */
export async function succeeds(command, args, options) {
  return await run(command, args, options).then(
    () => true,
    () => false,
  );
}

/**
 * Waits until `check` returns something else than undefined and false.
 * @throws Error that says what was waited for, with the last error of the check
 */
export async function until(what, check, timeoutMs = 120_000) {
  const deadline = Date.now() + timeoutMs;
  let last = '';
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = `: ${error.message}`;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs / 1000} s${last}`);
    }
    await pause(250);
  }
}
