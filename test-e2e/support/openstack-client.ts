import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const PYTHON = '/usr/bin/python3';

/** What the clients find in their environment besides who they are. */
export const CLIENT_ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  LC_ALL: 'C.UTF-8',
  PYTHONWARNINGS: 'ignore',
  COLUMNS: '300',
};

interface Answer {
  code: number;
  out: string;
  err: string;
}

/** A process of the openstack client that stays: it answers commands in the order they come. */
class OpenstackProcess {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  private log = '';

  constructor() {
    this.child = spawn(PYTHON, [path.join(__dirname, 'openstack-commands.py')], {
      env: CLIENT_ENVIRONMENT,
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.waiting.shift()?.resolve(JSON.parse(line) as Answer);
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
    });
    this.child.once('exit', () => {
      for (const { reject } of this.waiting) reject(new Error(`the client ended:\n${this.log}`));
    });
    // It ends when its standard input does, with the process of the tests at the latest.
    this.child.unref();
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr]) {
      (stream as unknown as Socket).unref();
    }
  }

  run(args: readonly string[], environment: Record<string, string>): Promise<Answer> {
    const { stdin, stdout } = this.child;
    // While an answer is awaited, it keeps the tests alive.
    (stdout as unknown as Socket).ref();
    return new Promise<Answer>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      stdin.write(`${JSON.stringify({ args, environment })}\n`);
    }).finally(() => {
      if (this.waiting.length === 0) (stdout as unknown as Socket).unref();
    });
  }
}

let client: OpenstackProcess | undefined;

/** Runs one command. @returns its standard output. @throws Error with all it writes. */
export async function openstackCommand(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<string> {
  client ??= new OpenstackProcess();
  const { code, out, err } = await client.run(args, environment);
  if (code !== 0) throw new Error(`${out}${err}`);
  return out;
}
