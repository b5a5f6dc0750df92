import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeBlock, type GuideBlock } from './operating-guide';
import { UnitManager } from './unit-manager';

export interface GuideHostOptions {
  /** For all that only this host has. */
  directory: string;
  /** What several hosts have in common, and where it is. */
  shared?: Readonly<Record<string, string>>;
  /** Texts of the guide and what stands for them here. */
  names: readonly (readonly [RegExp, string])[];
  env?: Readonly<Record<string, string>>;
  /** Home directory, with `.my.cnf`. */
  home: string;
}

export interface CommandRun {
  code: number;
  out: string;
}

/** Directories of hosts in the guide; the longer ones first. */
const PATHS = [
  '/var/lib/glance/images',
  '/var/lib/glance',
  '/var/log/glance',
  '/etc/glance',
  '/etc/systemd/system',
  '/lib/systemd/system',
  '/srv/backup',
  '/opt',
  '/tmp',
];
const PATH_IN_TEXT = new RegExp(`(?<![\\w.])(?:${PATHS.join('|')})(?![\\w])`, 'g');
const COMMAND_TIMEOUT_MS = 120_000;

/** One host of the guide: its files are below a directory, its units run, and bash runs its commands. */
export class GuideHost {
  /** What IMAGE_ID and such in the guide are. */
  readonly placeholders = new Map<string, string>();
  private units!: UnitManager;
  private readonly env: NodeJS.ProcessEnv;

  private constructor(private readonly options: GuideHostOptions) {
    const { directory, env, home } = options;
    this.env = {
      ...process.env,
      ...env,
      HOME: home,
      PATH: [
        path.join(directory, 'bin'),
        path.join(directory, 'opt/glance/node_modules/.bin'),
        path.dirname(process.execPath),
        process.env['PATH'] ?? '',
      ].join(':'),
    };
  }

  static async create(options: GuideHostOptions): Promise<GuideHost> {
    const host = new GuideHost(options);
    for (const name of [...PATHS, '/bin']) await mkdir(host.path(name), { recursive: true });
    host.units = await UnitManager.start(host.path('/bin'), {
      unitFiles: (unit) =>
        ['/etc', '/lib'].map((etc) => host.path(`${etc}/systemd/system/${unit}.service`)),
      locate: (text) => host.locate(text),
      env: host.env,
    });
    return host;
  }

  /** Where a file of the host is. */
  path(name: string): string {
    const shared = Object.entries(this.options.shared ?? {}).find(([prefix]) =>
      `${name}/`.startsWith(`${prefix}/`),
    );
    if (shared === undefined) return path.join(this.options.directory, name);
    return path.join(shared[1], name.slice(shared[0].length));
  }

  /** A text of the guide with paths, names, ports and placeholders as they are here. */
  locate(text: string): string {
    let located = text.replaceAll(PATH_IN_TEXT, (name) => this.path(name));
    // The group of the services, for whoever runs the tests.
    located = located.replaceAll(/(?<=chgrp )glance\b/g, String(process.getgid?.()));
    for (const [pattern, value] of this.options.names) located = located.replaceAll(pattern, value);
    for (const [name, value] of this.placeholders) located = located.replaceAll(name, value);
    return located;
  }

  /** Does what a block says. @throws Error with all that it wrote, unless it ends as the guide says. */
  async follow(block: GuideBlock): Promise<string> {
    if (block.language === 'ini') {
      await this.setOptions(block.info, block.text);
      return '';
    }
    const expected = Number(/^exit=(\d+)$/.exec(block.info)?.[1] ?? 0);
    const { code, out } = await this.bash(block.text);
    if (code === expected) return out;
    throw new Error(
      `${describeBlock(block)} ended with ${code}:\n${this.locate(block.text)}\n${out}\n${this.units.log}\n${(await this.bash('tail -n 20 /var/log/glance/*')).out}`,
    );
  }

  /** Commands as the guide writes them. */
  async bash(text: string): Promise<CommandRun> {
    const child = spawn('bash', ['-c', `set -euo pipefail\n${this.locate(text)}`], {
      cwd: this.options.directory,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let out = '';
    const collect = (chunk: Buffer): void => {
      out += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const killer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), COMMAND_TIMEOUT_MS);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(killer);
    return { code: code ?? -1, out };
  }

  /** Gives options of a file the values that stand in a part of one, and adds those that are missing. */
  async setOptions(name: string, part: string): Promise<void> {
    const file = this.path(name);
    let lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    let section = '';
    for (const line of this.locate(part).split('\n').filter(Boolean)) {
      if (line.startsWith('[')) {
        section = line;
        if (!lines.includes(section)) lines.push(section);
        continue;
      }
      const [option] = line.split(' ');
      const start = lines.indexOf(section) + 1;
      const length = lines.slice(start).findIndex((each) => each.startsWith('['));
      const end = length === -1 ? lines.length : start + length;
      const others = lines.slice(start, end).filter((each) => each.split(' ')[0] !== option);
      lines = [...lines.slice(0, start), ...others, line, ...lines.slice(end)];
    }
    await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o640 });
  }

  get log(): string {
    return this.units.log;
  }

  async close(): Promise<void> {
    await this.units.close();
  }
}
