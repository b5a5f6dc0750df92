import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runScrubber } from '@glance/glance-api';
import type { ManageInvocation } from '@glance/service-kit';
import { runGlanceManage } from './run-glance-manage';
import { runStatus } from './status/run-status';

describe('glance-manage', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-manage-'));
  });

  afterAll(() => rm(directory, { recursive: true }));

  const run = (...argv: string[]) => runAs(runGlanceManage, argv);

  async function runAs(
    program: (invocation: ManageInvocation) => Promise<number>,
    argv: string[],
  ): Promise<{ code: number; out: string; err: string }> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await program({
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
      expect(err).toMatch(/glance-manage images restore ID/);
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

  describe('policy', () => {
    it('check says that files can be used', async () => {
      const rules = await fileOf('good.yaml', 'get_images: "rule:mine"', 'mine: "role:x"');
      expect(await run('policy', 'check', rules)).toEqual({
        code: 0,
        out: `${rules}: can be used`,
        err: '',
      });
      const old = await fileOf('old.json', '{"get_images": [["rule:mine"]], "get_imag": "!"}');
      expect(await run('policy', 'check', rules, old)).toMatchObject({
        code: 0,
        err: `WARNING: ${old}:1: nothing asks for the rule "get_imag"; did you mean "get_image"?`,
      });
    });

    it('check has a line for each problem of all files', async () => {
      const first = await fileOf('a.yaml', 'a: "role:x or"', 'b: "rule:get_imag"', 'c: "rule:d"');
      const second = await fileOf('b.yaml', 'd: "rule:c"', 'e: 1');
      const { code, out, err } = await run('policy', 'check', first, second);
      expect([code, out]).toEqual([1, '']);
      expect(err.split('\n')).toEqual([
        expect.stringContaining(`${second}:2: rule "e" must be a text`),
        expect.stringContaining(`${first}:1: rule "a" at character 10: a check is missing`),
        expect.stringContaining(`${first}:2: rule "b" at character 1: there is no rule "get_imag"`),
        expect.stringContaining(`${first}:3: rule "c" refers to itself: c -> d -> c`),
      ]);
      expect(await run('policy', 'check', `${directory}/none`)).toMatchObject({ code: 1 });
    });

    it('check without a file looks at what the configuration names, property protections too', async () => {
      await fileOf('mine.yaml', 'trusted: "role:x"');
      const protections = 'props.conf';
      const config = await fileOf(
        'policy-api.conf',
        '[DEFAULT]',
        `property_protection_file = ${protections}`,
        'property_protection_rule_format = policies',
        '[oslo_policy]',
        'policy_file = mine.yaml',
      );
      const section = ['[.*]', 'create = trusted', 'read = @', 'update = !'];
      const props = await fileOf(protections, ...section, 'delete = trusted');
      expect(await run('--config-file', config, 'policy', 'check')).toEqual({
        code: 0,
        out: `${directory}/mine.yaml: can be used\n${props}: can be used`,
        err: '',
      });
      await fileOf(protections, ...section, 'delete = nobody');
      expect(await run('--config-file', config, 'policy', 'check')).toEqual({
        code: 1,
        out: '',
        err: `${props}:5: [.*] delete = nobody: there is no policy rule "nobody"`,
      });
    });

    it('list prints every rule and where it comes from, as a policy file or JSON', async () => {
      const rules = await fileOf('list.yaml', '# mine', 'get_images:', '  - [role:a, role:b]');
      const config = await fileOf('list.conf', '[oslo_policy]', `policy_file = ${rules}`);
      const { code, out } = await run('--config-file', config, 'policy', 'list');
      expect(code).toBe(0);
      expect(out).toContain(`"get_images": "role:a and role:b"  # ${rules}:2\n`);
      expect(out).toContain('"publicize_image": "is_admin:True"  # built in\n');
      const copy = await fileOf('copy.yaml', out);
      expect(await run('policy', 'check', copy)).toMatchObject({ code: 0, err: '' });
      const json = await run('--config-file', config, 'policy', 'list', '--format', 'json');
      expect(JSON.parse(json.out)).toContainEqual({
        name: 'get_images',
        rule: 'role:a and role:b',
        origin: `${rules}:2`,
      });
    });

    it.each([[[]], [['explode']], [['list', 'x']], [['list', '--format', 'xml']]])(
      'shows its commands to %j',
      async (words) => {
        const { code, err } = await run('policy', ...words);
        expect([code, err]).toEqual([2, expect.stringMatching(/^usage: .* policy COMMAND/)]);
      },
    );
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

  it.each([[['images']], [['images', 'restore']], [['images', 'explode', 'x']]])(
    'shows the commands on images to %j',
    async (words) => {
      const { code, err } = await run(...words);
      expect([code, err]).toEqual([2, expect.stringMatching(/^usage: .* images COMMAND/)]);
    },
  );

  describe('glance-scrubber', () => {
    const scrub = (...argv: string[]) =>
      runAs((invocation) => runScrubber(invocation, AbortSignal.abort()), argv);

    it.each([
      [['--daemon', '--restore', 'x'], 1, /cannot be given together/],
      [['--restore'], 1, /needs the id of an image/],
      [['now'], 2, /^usage: glance-scrubber/],
    ])('refuses %j', async (words, code, message) => {
      expect(await scrub(...words)).toEqual({ code, out: '', err: expect.stringMatching(message) });
    });

    it('fails when the registry is not there', async () => {
      const file = await fileOf('scrubber.conf', '[DEFAULT]', 'registry_port = 1');
      expect(await scrub('--config-file', file)).toMatchObject({
        code: 1,
        err: expect.stringMatching(/The image registry is not available/),
      });
    });
  });

  describe('glance-status', () => {
    const check = async (...lines: string[]) => {
      const file = await fileOf('status.conf', ...lines);
      return await runAs(runStatus, ['--config-file', file, 'upgrade', 'check']);
    };

    it('finds nothing wrong with a plain configuration', async () => {
      const { code, out } = await check('[glance_store]', 'stores = file,sheepdog');
      expect(code).toBe(0);
      expect(out).toMatch(/\| Check: Policy File JSON to YAML Migration +\|\n\| Result: Success/);
    });

    it('fails for a key that stands in the wrong file', async () => {
      const { code, out } = await check('[DEFAULT]', 'metadata_encryption_key = 0123456789abcdef');
      expect([code, out]).toEqual([2, expect.stringMatching(/Result: Failure.*\n.*registry.conf/)]);
      expect(out).not.toContain('0123456789abcdef');
    });

    it('fails for what cannot be served', async () => {
      expect(await check('[DEFAULT]', 'owner_is_tenant = False')).toMatchObject({
        code: 2,
        out: expect.stringMatching(/Result: Failure.*\n.*owner_is_tenant is false/),
      });
      await fileOf('bad.yaml', 'get_images: "role:x or"');
      const bad = await check('[oslo_policy]', 'policy_file = bad.yaml');
      expect(bad).toMatchObject({ code: 2, out: expect.stringMatching(/a check is missing/) });
      expect(await runAs(runStatus, ['upgrade'])).toMatchObject({ code: 2 });
      expect(await runAs(runStatus, ['--workers', 'many', 'upgrade', 'check'])).toMatchObject({
        code: 2,
      });
    });
  });
});
