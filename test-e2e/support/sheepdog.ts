import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = path.join(__dirname, '../../scripts/sheepdog.mjs');
const { SHEEP_BIN = '', DOG_BIN = '' } = process.env;

/**
 * `describe` where the programs of a real Sheepdog are given; else skipped, aloud. Not an error in
 * CI: no distribution has a package of it.
 */
export function describeWithSheepdog(): jest.Describe {
  if (SHEEP_BIN !== '' && DOG_BIN !== '') return describe;
  console.warn('NO REAL SHEEPDOG (SHEEP_BIN, DOG_BIN): images in Sheepdog are not tested, SKIPPED');
  return describe.skip;
}

/** A throw-away Sheepdog of one node. */
export class Sheepdog {
  private constructor(
    private readonly program: ChildProcess,
    readonly port: number,
  ) {}

  static async start(): Promise<Sheepdog> {
    const program = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: program.stdout })) {
      return new Sheepdog(program, (JSON.parse(line) as { port: number }).port);
    }
    throw new Error('Sheepdog did not start');
  }

  /** Names of its images, as its own tool lists them. */
  names(): string[] {
    const at = ['-a', '127.0.0.1', '-p', String(this.port)];
    const { stdout } = spawnSync(DOG_BIN, ['vdi', 'list', '-r', ...at], { encoding: 'utf8' });
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => line.split(' ')[1]!);
  }

  async stop(): Promise<void> {
    const exited = once(this.program, 'exit');
    this.program.stdin!.end();
    await exited;
  }
}
