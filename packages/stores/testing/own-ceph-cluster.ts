import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = path.join(__dirname, '../../../scripts/ceph-cluster.mjs');

/** A Ceph cluster for tests that break it. */
export class OwnCephCluster {
  private constructor(
    private readonly program: ChildProcess,
    readonly conf: string,
    private readonly osdPid: number,
  ) {}

  static async start(): Promise<OwnCephCluster> {
    const program = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: program.stdout })) {
      const { conf, osdPid } = JSON.parse(line) as { conf: string; osdPid: number };
      return new OwnCephCluster(program, conf, osdPid);
    }
    throw new Error('The Ceph cluster did not start');
  }

  /** The OSD answers nothing until it resumes. */
  pauseOsd(): void {
    process.kill(this.osdPid, 'SIGSTOP');
  }

  resumeOsd(): void {
    process.kill(this.osdPid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    const exited = once(this.program, 'exit');
    this.program.stdin?.end();
    await exited;
  }
}
