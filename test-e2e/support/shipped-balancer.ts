import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { eventually, freePorts, ROOT } from './deployment';
import { describeWith } from './installed';

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`;

export type BalancerProgram = 'haproxy' | 'nginx';

/** `WHAT behind haproxy` and `WHAT behind nginx`; skipped, aloud, where the program is missing. */
export function describeEachBalancer(what: string, body: (program: BalancerProgram) => void): void {
  const packages = { haproxy: 'haproxy', nginx: 'nginx (nginx-light)' };
  for (const program of ['haproxy', 'nginx'] as const) {
    describeWith(
      packages[program],
      program,
      '-v',
    )(`${what} behind ${program}`, () => body(program));
  }
}

/** The real program with the configuration of deploy/, in which only places are others. */
export class ShippedBalancer {
  private constructor(
    readonly url: string,
    private readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  /** @param apis `host:port` of the two */
  static async start(
    program: BalancerProgram,
    apis: readonly [string, string],
  ): Promise<ShippedBalancer> {
    const [port] = await freePorts(1);
    const directory = await mkdtemp(path.join(os.tmpdir(), `glance-${program}-`));
    const file = path.join(directory, 'balancer.conf');
    const shipped = path.join(
      ROOT,
      'deploy',
      program,
      program === 'haproxy' ? 'haproxy.cfg' : 'nginx.conf',
    );
    const places: [string, string][] = [
      [' glance-api-1:9292', ` ${apis[0]}`],
      [' glance-api-2:9292', ` ${apis[1]}`],
      ...(program === 'haproxy' ? haproxyPlaces(port!) : nginxPlaces(port!, directory)),
    ];
    await mkdir(path.join(directory, 'logs'));
    await writeFile(file, replaceAll(await readFile(shipped, 'utf8'), places));
    const args =
      program === 'haproxy'
        ? ['-db', '-q', '-f', file]
        : ['-p', directory, '-c', file, '-g', 'daemon off;'];
    const child = spawn(program, args, {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const balancer = new ShippedBalancer(`http://127.0.0.1:${port!}`, directory, child);
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended while starting`);
      await fetch(`${balancer.url}/readyz`);
    });
    return balancer;
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await exited;
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

function haproxyPlaces(port: number): [string, string][] {
  return [
    ['    bind :9292\n', `    bind 127.0.0.1:${port}\n`],
    // Only root can become somebody else.
    ...(process.getuid?.() === 0
      ? []
      : ([
          ['    user haproxy\n', ''],
          ['    group haproxy\n', ''],
        ] satisfies [string, string][])),
  ];
}

function nginxPlaces(port: number, directory: string): [string, string][] {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `    ${name}_temp_path ${directory}/${name};\n`,
  );
  return [
    ['        listen 9292;\n', `        listen 127.0.0.1:${port};\n`],
    ['pid /run/nginx.pid;', `pid ${directory}/nginx.pid;`],
    [' /var/log/nginx/', ` ${directory}/logs/`],
    ['\nhttp {\n', `\nhttp {\n${temporary.join('')}`],
  ];
}

function replaceAll(text: string, places: readonly [string, string][]): string {
  return places.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`The shipped file has no "${from.trim()}"`);
    return changed.replaceAll(from, to);
  }, text);
}
