import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { eventually } from './deployment';

export interface WsgiProgram {
  /** The file with its `application`. */
  script: string;
  /** Of the loopback address. */
  port: number;
  environment: NodeJS.ProcessEnv;
  /** What answers with a success once it serves. */
  readyPath: string;
  /** Gets what it writes. */
  onOutput: (text: string) => void;
}

/** A WSGI program in a process of its own, run as Debian's packages run it. */
export class Uwsgi {
  private constructor(private readonly child: ChildProcess) {}

  static isInstalled(): boolean {
    return spawnSync('uwsgi', ['--plugin', 'python3', '--help']).status === 0;
  }

  /** @throws Error unless it serves within a minute */
  static async start(program: WsgiProgram): Promise<Uwsgi> {
    const { script, port, environment, readyPath, onOutput } = program;
    const child = spawn(
      'uwsgi',
      [
        ...['--plugin', 'python3', '--master', '--lazy-apps', '--enable-threads', '--need-app'],
        ...['--die-on-term', '--no-orphans', '--buffer-size', '65535', '--disable-logging'],
        ...['--rem-header', 'Content-Length', '--add-header', 'Connection: close'],
        ...['--processes', '1', '--threads', '4', '--http-socket', `127.0.0.1:${port}`],
        ...['--wsgi-file', script],
      ],
      { env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => onOutput(chunk.toString()));
    }
    const uwsgi = new Uwsgi(child);
    try {
      await eventually(async () => {
        const answer = await fetch(`http://127.0.0.1:${port}${readyPath}`);
        if (!answer.ok) throw new Error(`${script}: ${answer.status}`);
      }, 60_000);
    } catch (error) {
      await uwsgi.stop();
      throw error;
    }
    return uwsgi;
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(killer);
  }
}
