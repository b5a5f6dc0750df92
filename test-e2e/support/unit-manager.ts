import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';

export interface UnitPlace {
  /** Absent files are passed over; the first that is there counts. */
  unitFiles(unit: string): string[];
  /** Paths of a host as they are here. */
  locate(text: string): string;
  env: NodeJS.ProcessEnv;
}

interface Running {
  child: ChildProcess;
  exited: Promise<unknown>;
}

/**
 * Starts what units of systemd say, where no systemd runs: `systemctl` in a directory for the PATH
 * asks this, which reads ExecStart of the unit and is the parent of the process.
 */
export class UnitManager {
  private readonly running = new Map<string, Running>();
  private output = '';

  private constructor(
    private readonly place: UnitPlace,
    private readonly server: http.Server,
  ) {}

  /** @param binDirectory where `systemctl` is written */
  static async start(binDirectory: string, place: UnitPlace): Promise<UnitManager> {
    const socket = path.join(binDirectory, 'systemd.socket');
    const server = http.createServer();
    const manager = new UnitManager(place, server);
    server.on('request', (request, response) => {
      const words = decodeURIComponent(request.url!.slice(1)).split(' ');
      manager.obey(words).then(
        () => response.end(),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const program = path.join(binDirectory, 'systemctl');
    await writeFile(
      program,
      `#!/bin/sh\nwords=$(printf %s "$*" | sed 's/ /%20/g')\nexec curl -sS --fail-with-body --unix-socket ${socket} "http://systemd/$words"\n`,
    );
    await chmod(program, 0o755);
    return manager;
  }

  /** What the services wrote to their standard output and error. */
  get log(): string {
    return this.output;
  }

  async close(): Promise<void> {
    await Promise.all([...this.running.keys()].map((unit) => this.stop(unit)));
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async obey([verb, ...words]: string[]): Promise<void> {
    const units = words.filter((word) => !word.startsWith('--'));
    if (verb === 'daemon-reload') return;
    for (const unit of units) {
      if (verb === 'enable' || verb === 'start') await this.startUnit(unit);
      else if (verb === 'stop') await this.stop(unit);
      else if (verb === 'restart') {
        await this.stop(unit);
        await this.startUnit(unit);
      } else if (verb === 'reload') this.runningUnit(unit).child.kill('SIGHUP');
      else if (verb === 'is-active') this.runningUnit(unit);
      else throw new Error(`systemctl ${verb}: not known here`);
    }
  }

  private async startUnit(unit: string): Promise<void> {
    if (this.running.has(unit)) return;
    const file = this.place.unitFiles(unit).find(existsSync);
    if (file === undefined) throw new Error(`Unit ${unit}.service not found.`);
    const command = /^ExecStart=(.*)$/m.exec(await readFile(file, 'utf8'))?.[1];
    if (command === undefined) throw new Error(`${file} has no ExecStart`);
    const [program, ...args] = this.place.locate(command).split(' ');
    const child = spawn(program!, args, { env: this.place.env, stdio: ['ignore', 'pipe', 'pipe'] });
    const collect = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.output += `${unit} ended: ${code ?? signal}\n`;
        this.running.delete(unit);
        resolve(undefined);
      });
    });
    this.running.set(unit, { child, exited });
  }

  private async stop(unit: string): Promise<void> {
    const running = this.running.get(unit);
    if (running === undefined) return;
    running.child.kill('SIGTERM');
    // As TimeoutStopSec; upstream's master sometimes waits for ever, its workers gone.
    const killer = setTimeout(() => running.child.kill('SIGKILL'), 30_000);
    await running.exited;
    clearTimeout(killer);
  }

  private runningUnit(unit: string): Running {
    const running = this.running.get(unit);
    if (running === undefined) throw new Error(`${unit}.service is not active`);
    return running;
  }
}
