import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './support/deployment';

const run = promisify(execFile);

describe('glance-manage policy', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-policy-'));
    await writeFile(path.join(directory, 'glance-api.conf'), '[DEFAULT]\n');
  });

  afterAll(() => rm(directory, { recursive: true }));

  /** Runs the command in a shell, as an operator does. */
  async function shell(command: string): Promise<{ code: number; out: string; err: string }> {
    const manage = path.join(ROOT, 'packages/glance-manage/bin/glance-manage.js');
    const script = `glance_manage() { "${process.execPath}" "${manage}" --config-file glance-api.conf "$@"; }; ${command}`;
    try {
      const { stdout, stderr } = await run('bash', ['-c', script], { cwd: directory });
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    }
  }

  it('checks files, and lists what holds', async () => {
    await writeFile(
      path.join(directory, 'new.yaml'),
      '"get_image": "role:auditor"\n"get_imagse": ""\n',
    );
    const checked = await shell('glance_manage policy check new.yaml && mv new.yaml policy.yaml');
    expect(checked).toMatchObject({
      code: 0,
      err: expect.stringContaining('"get_image"') as string,
    });
    const listed = await shell('glance_manage policy list');
    expect(listed.out).toMatch(/^"get_image": "role:auditor" {2}# .*policy\.yaml:1$/m);
    expect(listed.out).toMatch(/^"publicize_image": .*# built in$/m);
    await writeFile(path.join(directory, 'bad.yaml'), '"get_image": "role:a and"\n');
    const refused = await shell('glance_manage policy check bad.yaml');
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining('bad.yaml:1') as string,
    });
  });

  it('ends well when its reader has seen enough', async () => {
    const listed = await shell('set -o pipefail; glance_manage policy list | head -n 1');
    expect(listed).toEqual({
      code: 0,
      out: expect.stringContaining('context_is_admin') as string,
      err: expect.not.stringContaining('EPIPE') as string,
    });
  });
});
