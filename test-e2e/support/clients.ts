import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { CLIENT_ENVIRONMENT, PYTHON, openstackCommand } from './openstack-client';

/** `describe` where the unmodified clients of API v2 are; else skipped, aloud, an error in CI. */
export function describeWithClients(): jest.Describe {
  const imports = 'import glanceclient, openstackclient, openstack';
  if (spawnSync(PYTHON, ['-c', imports], { env: {} }).status === 0) return describe;
  const text =
    'NO openstack or glance CLIENT: their tests are SKIPPED (python3-openstackclient, python3-glanceclient, python3-openstacksdk)';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

export interface ClientRun {
  environment: Record<string, string>;
  /** File that the client reads as its standard input. */
  input?: string;
}

/** Runs a client as Debian ships it. @returns what it writes. @throws Error with all it writes. */
export async function runClient(
  program: 'openstack' | 'glance' | 'python3',
  args: readonly string[],
  { environment, input }: ClientRun,
): Promise<Buffer> {
  if (program === 'openstack' && input === undefined) {
    return Buffer.from(await openstackCommand(args, environment));
  }
  const argv = program === 'python3' ? args : [`/usr/bin/${program}`, ...args];
  // On a terminal of its own: from anything else glance takes its standard input for image data.
  const onTerminal = program === 'glance' && input === undefined;
  const words = [PYTHON, ...argv].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const client = spawn(
    onTerminal ? 'script' : PYTHON,
    onTerminal ? ['-qefc', words.join(' '), '/dev/null'] : [...argv],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...CLIENT_ENVIRONMENT, ...environment },
    },
  );
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  client.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  client.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  client.stdin.on('error', () => undefined);
  if (input === undefined) client.stdin.end();
  else createReadStream(input).pipe(client.stdin);
  const [code] = (await once(client, 'close')) as [number | null];
  if (code !== 0) throw new Error(Buffer.concat([...out, ...err]).toString());
  return Buffer.concat(out);
}
