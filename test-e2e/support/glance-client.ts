import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

const PYTHON = '/usr/bin/python3';

/** `describe` where the unmodified client and these programs are there; else skipped, aloud. */
export function describeWithClient(...programs: readonly string[]): jest.Describe {
  const found =
    spawnSync(PYTHON, ['-c', 'import glanceclient'], { env: {} }).status === 0 &&
    programs.every((program) => spawnSync(program, ['--version']).status === 0);
  if (found) return describe;
  const wanted = ['glance CLIENT', ...programs].join(' or ');
  const text = `NO ${wanted}: their tests are SKIPPED (python3-glanceclient, qemu-utils)`;
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

/**
 * Runs the client as Debian ships it, on a terminal of its own: from anything else it would take
 * its standard input for image data.
 * @param token what the api is shown as `X-Auth-Token`.
 * @returns what the client writes. @throws Error with that when it fails.
 */
export async function glance(url: string, token: string, ...args: string[]): Promise<string> {
  const words = [PYTHON, '/usr/bin/glance', '--os-image-api-version', '1', ...args];
  const command = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const client = spawn('script', ['-qefc', command, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: '/usr/bin:/bin',
      OS_IMAGE_URL: url,
      OS_AUTH_TOKEN: token,
      PYTHONWARNINGS: 'ignore',
      COLUMNS: '200',
    },
  });
  let output = '';
  client.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(client, 'close')) as [number | null];
  if (code !== 0) throw new Error(output);
  return output.replaceAll('\r', '');
}

/** The value of a row in a table of names and values. */
export function field(table: string, name: string): string {
  return (
    new RegExp(`\\| ${name.replaceAll("'", "\\'")}\\s+\\| (.*?)\\s+\\|`).exec(table)?.[1] ?? ''
  );
}

/** The cells of a table with a heading, row by row. */
export function rowsOf(table: string): string[][] {
  const lines = table.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(1).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
