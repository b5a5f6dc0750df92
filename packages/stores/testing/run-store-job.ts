import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { StoreJob, StoreJobResult } from './store-job';

export interface JobOutcome {
  /** Absent when the process died before it could tell. */
  result: StoreJobResult | undefined;
  signal: NodeJS.Signals | undefined;
  stderr: string;
}

/** Runs a job in a process of its own, under a command such as `strace` when one is given. */
export function runStoreJob(job: StoreJob, under: readonly string[] = []): Promise<JobOutcome> {
  const command = [
    ...under,
    process.execPath,
    '--require',
    join(__dirname, 'register-typescript.cjs'),
    join(__dirname, 'store-job.ts'),
    JSON.stringify(job),
  ];
  return new Promise((resolve) => {
    // One thread for file calls: `strace` counts the calls of each thread for itself.
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
    execFile(command[0] ?? '', command.slice(1), { env }, (error, stdout, stderr) => {
      resolve({
        result: stdout === '' ? undefined : (JSON.parse(stdout) as StoreJobResult),
        signal: error?.signal ?? undefined,
        stderr,
      });
    });
  });
}

/** Whether a system tool works here; says loudly which tests are left out when it does not. */
export function hasTool(command: readonly string[], neededFor: string): boolean {
  const { status } = spawnSync(command[0] ?? '', command.slice(1), { stdio: 'ignore' });
  if (status === 0) return true;
  process.stderr.write(
    `\n*** SKIPPED: ${neededFor}: \`${command.join(' ')}\` does not work here\n`,
  );
  return false;
}
