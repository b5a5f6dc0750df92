import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describeWith } from './installed';
import { CLIENT_ENVIRONMENT, PYTHON } from './openstack-client';

/** `describe` where Tempest and its tests of Glance are; else skipped, aloud, an error in CI. */
export const describeWithTempest = (): jest.Describe =>
  describeWith(
    'Tempest (python3-tempest, glance-tempest-plugin)',
    ...([PYTHON, '-c', 'import tempest, glance_tempest_plugin'] as const),
  );

/** How one of Tempest's tests went; the detail of a skipped one is its reason. */
export interface TempestOutcome {
  test: string;
  outcome: 'passed' | 'skipped' | 'failed';
  detail: string;
}

/**
 * Runs tests of the installed, unmodified Tempest.
 * @param names of modules, classes or tests
 * @param options of tempest.conf, lines by section
 */
export async function runTempest(
  names: readonly string[],
  options: Record<string, string[]>,
): Promise<TempestOutcome[]> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-tempest-'));
  try {
    const sections = Object.entries({
      DEFAULT: [`log_dir = ${directory}`, 'log_file = tempest.log'],
      oslo_concurrency: [`lock_path = ${directory}`],
      ...options,
    }).map(([name, lines]) => `[${name}]\n${lines.join('\n')}\n`);
    await writeFile(path.join(directory, 'tempest.conf'), sections.join(''));
    const runner = path.join(__dirname, 'tempest-runner.py');
    const child = spawn(PYTHON, [runner, ...names], {
      cwd: directory,
      env: { ...CLIENT_ENVIRONMENT, TEMPEST_CONFIG_DIR: directory },
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const outcomes: TempestOutcome[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      outcomes.push(JSON.parse(line) as TempestOutcome);
    });
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`Tempest ended with ${code}:\n${log}`);
    return outcomes;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
