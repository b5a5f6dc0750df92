import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runGlanceManage } from './run-glance-manage';

describe('glance-manage', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-manage-'));
  });

  afterAll(() => rm(directory, { recursive: true }));

  async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runGlanceManage({
      argv,
      env: {},
      defaultFiles: [],
      print: (line) => out.push(line),
      printError: (line) => err.push(line),
      isTerminal: false,
    });
    return { code, out: out.join('\n'), err: err.join('\n') };
  }

  const fileOf = async (name: string, ...lines: string[]): Promise<string> => {
    const file = path.join(directory, name);
    await writeFile(file, lines.join('\n'));
    return file;
  };

  it('shows the commands of both services to who names neither', async () => {
    for (const words of [[], ['image'], ['--config-file', 'store']]) {
      const { code, err } = await run(...words);
      expect(code).toBe(2);
      expect(err).toMatch(/glance-manage db sync/);
      expect(err).toMatch(
        /glance-manage store orphans \[--delete\] \[--max-deletes N\] \[--force\]/,
      );
    }
  });

  it('works on the database', async () => {
    const file = await fileOf(
      'registry.conf',
      '[database]',
      `connection = sqlite:///${path.join(directory, 'db.sqlite')}`,
    );
    expect((await run('--config-file', file, 'db', 'sync')).code).toBe(0);
    expect(await run('--config-file', file, 'db_version')).toMatchObject({
      code: 0,
      out: '2024_1_contract01',
    });
    expect(await run('--config-file', file, 'db', 'expire_leases')).toMatchObject({
      code: 0,
      out: 'No upload is overdue.',
    });
  });

  it.each([
    [['store']],
    [['store', 'explode']],
    [['store', 'orphans', 'file']],
    [['store', 'unfinished', '--delete']],
    [['store', 'deletions', '--max-deletes', '3']],
  ])('shows the commands on stores to %j', async (words) => {
    const { code, err } = await run(...words);
    expect([code, err]).toEqual([2, expect.stringMatching(/^usage: .* store COMMAND/)]);
  });

  it.each([
    [['store', 'orphans', '--delet'], /--delet: no such option/],
    [['store', 'orphans', '--max-deletes'], /needs a value/],
    [['store', 'orphans', '--delete=yes'], /takes no value/],
  ])('refuses %j', async (words, message) => {
    expect(await run(...words)).toMatchObject({ code: 1, err: expect.stringMatching(message) });
  });

  it('fails when the registry is not there, and touches no store', async () => {
    const file = await fileOf(
      'api.conf',
      '[DEFAULT]',
      'registry_port = 1',
      '[glance_store]',
      `filesystem_store_datadir = ${directory}/file/that/cannot/be`,
    );
    await writeFile(path.join(directory, 'file'), '');
    expect(await run('--config-file', file, 'store', 'orphans')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/The image registry is not available/),
    });
  });
});
