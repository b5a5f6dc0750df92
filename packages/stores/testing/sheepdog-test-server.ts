import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe } from '@jest/globals';

const PROGRAM = path.join(__dirname, '../../../scripts/sheepdog.mjs');
const { SHEEP_BIN = '', DOG_BIN = '' } = process.env;

/**
 * `describe` where the programs of a real Sheepdog are given; else skipped, aloud. Not an error in
 * CI: no distribution has a package of it, and the stand-in is tested in any case.
 */
export function describeWithSheepdog(): typeof describe | typeof describe.skip {
  if (SHEEP_BIN !== '' && DOG_BIN !== '') return describe;
  console.warn('NO REAL SHEEPDOG (SHEEP_BIN, DOG_BIN): tested with a stand-in alone');
  return describe.skip;
}

/** A real sheep of this test file alone: images of others would be in its way. */
export class RealSheep {
  private constructor(
    private readonly program: ChildProcess,
    readonly port: number,
  ) {}

  /** @param formatted whether it can be used already. */
  static async start({ formatted = true } = {}): Promise<RealSheep> {
    const args = formatted ? [PROGRAM] : [PROGRAM, '--unformatted'];
    const program = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: program.stdout })) {
      return new RealSheep(program, (JSON.parse(line) as { port: number }).port);
    }
    throw new Error('Sheepdog did not start');
  }

  async stop(): Promise<void> {
    const exited = once(this.program, 'exit');
    this.program.stdin?.end();
    await exited;
  }

  /** What upstream's own tool says. */
  dog(...args: string[]): Buffer {
    const at = ['-a', '127.0.0.1', '-p', String(this.port)];
    const { status, stdout, stderr } = spawnSync(DOG_BIN, [...args, ...at], {
      maxBuffer: 256 * 1024 * 1024,
    });
    if (status !== 0) throw new Error(`dog ${args.join(' ')}: ${stderr.toString()}`);
    return stdout;
  }

  names(): string[] {
    const lines = this.dog('vdi', 'list', '-r').toString().split('\n');
    return lines.filter((line) => line !== '').map((line) => line.split(' ')[1] ?? '');
  }
}
