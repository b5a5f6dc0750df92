import type { Hash } from 'node:crypto';

/** What the pool tells a worker. `job` is chosen by the pool and unique in the process. */
export type HashCommand =
  | { job: number; kind: 'open'; algorithm: string; memory: SharedArrayBuffer }
  | { job: number; kind: 'update'; offset: number; length: number }
  | { job: number; kind: 'digest' }
  | { job: number; kind: 'close' };

export type HashReply =
  { job: number; kind: 'updated'; seconds: number } | { job: number; kind: 'digest'; hex: string };

/**
 * The whole program of a hashing thread. It is handed to the thread as text, so that it runs the
 * same from source and from the build: it may use nothing from outside its own body.
 */
export function hashWorkerProgram(): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const { createHash } = process.getBuiltinModule('node:crypto');
  const jobs = new Map<number, { hash: Hash; bytes: Uint8Array }>();
  parentPort?.on('message', (command: HashCommand) => {
    if (command.kind === 'open') {
      const bytes = new Uint8Array(command.memory);
      jobs.set(command.job, { hash: createHash(command.algorithm), bytes });
      return;
    }
    const job = jobs.get(command.job);
    if (!job) return;
    if (command.kind === 'update') {
      const started = performance.now();
      job.hash.update(job.bytes.subarray(command.offset, command.offset + command.length));
      const seconds = (performance.now() - started) / 1000;
      parentPort.postMessage({ job: command.job, kind: 'updated', seconds });
      return;
    }
    jobs.delete(command.job);
    if (command.kind === 'digest') {
      parentPort.postMessage({ job: command.job, kind: 'digest', hex: job.hash.digest('hex') });
    }
  });
}
