import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from './support/deployment';

const NOTHING = JSON.stringify({ vulnerabilities: {} });
const advisory = (severity: string) =>
  JSON.stringify({
    vulnerabilities: {
      bad: {
        via: [
          {
            source: 1,
            name: 'bad',
            severity,
            title: 'reads the mind',
            url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
          },
        ],
      },
      above: { via: ['bad'] },
    },
  });

describe('npm run audit', () => {
  let directory: string;
  let checkout: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-audit-'));
    checkout = path.join(directory, 'checkout');
    await mkdir(path.join(checkout, 'scripts'), { recursive: true });
    await mkdir(path.join(checkout, 'docs'));
    const packageJson = { dependencies: { good: '1.0.0' }, workspaces: [] };
    await write('package.json', JSON.stringify(packageJson));
  });

  beforeEach(async () => {
    await write('docs/dependencies.md', '| `good` | for good |');
    await write('scripts/audit-exceptions.json', '[]');
    await rm(path.join(checkout, 'node_modules'), { recursive: true, force: true });
    await installed('good', { license: '(MIT OR GPL-3.0)' });
  });

  afterAll(() => rm(directory, { recursive: true }));

  const write = (name: string, text: string): Promise<void> =>
    writeFile(path.join(checkout, name), text);

  async function installed(name: string, fields: object): Promise<void> {
    await mkdir(path.join(checkout, 'node_modules', name), { recursive: true });
    const text = JSON.stringify({ name, version: '1.0.0', ...fields });
    await write(`node_modules/${name}/package.json`, text);
  }

  /** The script with an npm that has this to say. */
  async function audit(answer: string, root = checkout): Promise<{ code: number; err: string }> {
    const npm = path.join(directory, 'npm');
    await writeFile(path.join(directory, 'answer'), answer);
    await writeFile(npm, `#!/bin/sh\ncat '${path.join(directory, 'answer')}'\n`);
    await chmod(npm, 0o755);
    const script = path.join(ROOT, 'scripts/audit.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, '--root', root], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${directory}:${process.env['PATH'] ?? ''}` },
    });
    return { code: status ?? -1, err: stderr.trim() };
  }

  const except = (id: string, until: string, name = 'bad'): Promise<void> =>
    write(
      'scripts/audit-exceptions.json',
      JSON.stringify([{ package: name, id, reason: 'not reached', until }]),
    );

  it('finds nothing wrong with this checkout', async () => {
    expect(await audit(NOTHING, ROOT)).toEqual({ code: 0, err: '' });
  });

  it('has a code of its own for an endpoint that does not answer', async () => {
    for (const answer of ['', 'not JSON', '{"message":"405 Method Not Allowed","error":{}}']) {
      expect(await audit(answer)).toEqual({
        code: 2,
        err: expect.stringContaining('did not answer'),
      });
    }
  });

  it('fails for what is high or critical, until that is accepted, and again after a while', async () => {
    expect(await audit(advisory('moderate'))).toEqual({ code: 0, err: '' });
    const found = 'bad: GHSA-aaaa-bbbb-cccc: critical, in production: reads the mind';
    expect(await audit(advisory('critical'))).toEqual({ code: 1, err: found });
    await except('GHSA-aaaa-bbbb-cccc', '2999-01-01');
    expect(await audit(advisory('high'))).toEqual({ code: 0, err: '' });
    await except('GHSA-other', '2999-01-01');
    expect((await audit(advisory('high'))).code).toBe(1);
    await except('GHSA-aaaa-bbbb-cccc', '2020-01-01');
    expect(await audit(advisory('critical'))).toEqual({
      code: 1,
      err: `${found} (the exception ended on 2020-01-01)`,
    });
  });

  it('fails for install scripts and for licences that are not allowed', async () => {
    await installed('bad', { license: 'MIT', scripts: { postinstall: 'curl' } });
    expect(await audit(NOTHING)).toEqual({
      code: 1,
      err: 'bad: install-script: version 1.0.0 has postinstall',
    });
    await except('install-script', '2999-01-01');
    expect((await audit(NOTHING)).code).toBe(0);
    await installed('bad', { license: 'MIT AND GPL-3.0' });
    expect((await audit('')).err).toContain('bad: licence MIT AND GPL-3.0: version 1.0.0');
    await installed('bad', {});
    expect((await audit(NOTHING)).err).toBe('bad: licence none: version 1.0.0');
  });

  it('fails unless the documentation has every direct dependency and no other', async () => {
    await write('docs/dependencies.md', '| `gone` | for nothing |');
    const { code, err } = await audit(NOTHING);
    expect(code).toBe(1);
    expect(err.split('\n')).toEqual([
      'good: docs/dependencies.md does not say what it is for',
      'gone: docs/dependencies.md names it, and no package.json does',
    ]);
  });
});
