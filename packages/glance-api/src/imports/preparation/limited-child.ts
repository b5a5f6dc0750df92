import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface ChildLimits {
  cpuSeconds: number;
  /** Of address space. */
  memoryBytes: number;
  /** Of each file that it writes. */
  fileBytes: number;
}

export type LimitedChild = ChildProcessByStdio<Writable, Readable, Readable>;

/** Nothing of this service's own; messages in English. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

type Command = readonly [string, ...string[]];

const NO_NETWORK = ['unshare', '--user', '--map-root-user', '--net', '--'] as const;

/**
 * Runs programs that read what users have sent (security sheet §6): within limits of memory, of time
 * and of what they write, without the network where the kernel lets an ordinary user have that, and
 * never longer than this process lives.
 */
export class LimitedRunner {
  private probed: Promise<readonly string[]> | undefined;

  /** @param warn for the operator's log */
  constructor(private readonly warn: (message: string) => void) {}

  /** @param signal kills the program */
  async start(command: Command, limits: ChildLimits, signal: AbortSignal): Promise<LimitedChild> {
    this.probed ??= this.probe();
    const isolation = await this.probed;
    const inner = [
      ...['--pdeathsig', 'KILL', '--no-new-privs', '--'],
      'prlimit',
      `--cpu=${Math.ceil(limits.cpuSeconds)}`,
      `--as=${limits.memoryBytes}`,
      `--fsize=${limits.fileBytes}`,
      '--core=0',
      '--',
      ...command,
    ];
    // The signal of the parent's death is forgotten where a process gets other rights: set it last.
    const [program = 'setpriv', ...args] = [...isolation, 'setpriv', ...inner];
    signal.throwIfAborted();
    return spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: ENVIRONMENT,
      cwd: '/',
      signal,
      killSignal: 'SIGKILL',
    });
  }

  private async probe(): Promise<readonly string[]> {
    const [program, ...args] = [...NO_NETWORK, 'true'];
    try {
      await run(program, args, { env: ENVIRONMENT });
      return NO_NETWORK;
    } catch (error) {
      this.warn(
        `Programs that unpack and convert images run with the network of this service: the kernel grants them no namespace of their own (${(error as Error).message.trim()}); allow unprivileged user namespaces to isolate them`,
      );
      return [];
    }
  }
}

const MAX_MESSAGE_BYTES = 4096;

/** The beginning of what a program says, read to its end. */
export async function textOf(stream: Readable, maxBytes = MAX_MESSAGE_BYTES): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    if (length >= maxBytes) continue;
    pieces.push(piece.subarray(0, maxBytes - length));
    length += piece.length;
  }
  return Buffer.concat(pieces).toString('utf8').trim();
}

/** What {@link exitCodeOf} says of a program that is not there. */
export const NO_SUCH_PROGRAM = 127;

/** @returns null when a signal has ended the program. @throws what starting it did */
export async function exitCodeOf(child: LimitedChild): Promise<number | null> {
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
}

export function describeExit(exitCode: number | null): string {
  return exitCode === null ? 'it was ended by a limit' : `it ended with exit code ${exitCode}`;
}
