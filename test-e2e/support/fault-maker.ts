import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Deployment, ServiceProcess } from './deployment';
import { stopService } from './deployment';
import type { Random } from './random';

export interface FaultMakerOptions {
  deployment: Deployment;
  random: Random;
  /** Aborted when no further fault shall begin. */
  stop: AbortSignal;
  /** Of the database server, when it may be killed: somebody else starts it again. */
  databasePidFile: string | undefined;
}

/** Kills, pauses and replaces processes at random, one after the other. */
export class FaultMaker {
  readonly schedule: string[] = [];
  readonly counts = new Map<string, number>();

  constructor(private readonly options: FaultMakerOptions) {}

  async run(): Promise<void> {
    const { random, stop } = this.options;
    const started = Date.now();
    while (!stop.aborted) {
      await pause(random.integer(200, 2000));
      const fault = await this.strike();
      this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
      this.schedule.push(`${((Date.now() - started) / 1000).toFixed(1)} s ${fault}`);
    }
  }

  private async strike(): Promise<string> {
    const { deployment, random, databasePidFile } = this.options;
    const fault = random.pick(['kill', 'kill', 'kill', 'pause', 'replace', 'database'] as const);
    if (fault === 'database' && databasePidFile !== undefined) {
      await killByFile(databasePidFile);
      return 'kill database';
    }
    const service = random.pick([...deployment.apis, ...deployment.registries]);
    switch (fault) {
      case 'pause':
        await this.pauseFor(service, random.integer(100, 7000));
        break;
      case 'replace':
        await stopService(service);
        await deployment.restart(service);
        break;
      default:
        service.child.kill('SIGKILL');
        await service.exited;
        await deployment.restart(service);
    }
    return `${fault === 'database' ? 'kill' : fault} ${service.program}`;
  }

  /** Shorter and longer than a lease. */
  private async pauseFor(service: ServiceProcess, milliseconds: number): Promise<void> {
    service.child.kill('SIGSTOP');
    await pause(milliseconds);
    service.child.kill('SIGCONT');
  }
}

async function killByFile(pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (pid === 0) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is just being started again.
  }
}
