import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { silentLogger, type Logger } from '@glance/service-kit';
import { NO_CALLER_DETAILS, type Caller } from '../auth/caller';
import { renderPolicySample } from './default-rules';
import { Policy, type PolicyOptions } from './policy';

const MEMBER: Caller = {
  ...NO_CALLER_DETAILS,
  userId: 'alice',
  projectId: 'a',
  roles: ['member', 'reader'],
  isAdmin: false,
  readOnly: false,
};

const OWN_IMAGE = new Map([
  ['project_id', 'a'],
  ['owner', 'a'],
  ['visibility', 'shared'],
]);

describe('policy files', () => {
  let directory: string;
  let errors: string[];
  let warnings: string[];
  let logger: Logger;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-policy-'));
    errors = [];
    warnings = [];
    logger = {
      ...silentLogger,
      error: (message) => errors.push(message),
      warn: (message) => warnings.push(message),
    };
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  const read = (options: Partial<PolicyOptions> = {}): Promise<Policy> =>
    Policy.read(
      {
        policyFile: undefined,
        policyDirs: ['policy.d'],
        defaultRule: 'default',
        adminRole: 'admin',
        enforceNewDefaults: true,
        enforceScope: true,
        searchDirectories: [directory],
        ...options,
      },
      logger,
    );

  const write = (name: string, text: string): Promise<void> =>
    writeFile(path.join(directory, name), text);

  async function allowed(policy: Policy, action: string, caller = MEMBER): Promise<boolean> {
    await policy.refresh();
    return policy.permits(action, caller, OWN_IMAGE);
  }

  describe('at the start', () => {
    it('need not exist: the built-in rules hold', async () => {
      const policy = await read();
      expect(policy.permits('get_images', MEMBER)).toBe(true);
      expect(policy.permits('publicize_image', MEMBER)).toBe(false);
      expect(policy.permits('publicize_image', { ...MEMBER, isAdmin: true })).toBe(true);
      // As upstream: anybody may what a file leaves to the default rule and no file defines.
      expect(policy.permits('default', MEMBER)).toBe(true);
    });

    it.each([
      ['policy.yaml', '"get_images": "!"'],
      ['policy.yaml', '# all of it\nget_images:\n  not role:member and\n  role:reader\n'],
      ['policy.json', '{\n\t"get_images": "!",\n\t"other": "rule:get_images"\n}'],
    ])('are found by their usual names: %s', async (name, text) => {
      await write(name, text);
      const policy = await read();
      expect(policy.permits('get_images', MEMBER)).toBe(false);
      expect(policy.permits('get_image', MEMBER, OWN_IMAGE)).toBe(true);
    });

    it('count in this order: policy.yaml before policy.json, then policy.d by name', async () => {
      await write('policy.json', '{"get_images": "!"}');
      await write('policy.yaml', 'get_image: "!"\nadd_image: "!"\ndelete_image: "!"');
      await mkdir(path.join(directory, 'policy.d'));
      await write('policy.d/20-b.yaml', 'add_image: "@"');
      await write('policy.d/10-a.yaml', 'add_image: "!"\ndelete_image: "@"');
      await write('policy.d/.hidden', 'modify_image: "!"');
      const policy = await read();
      const verdicts = ['get_images', 'get_image', 'add_image', 'delete_image', 'modify_image'];
      expect(verdicts.map((action) => policy.permits(action, MEMBER, OWN_IMAGE))).toEqual([
        true,
        false,
        true,
        true,
        true,
      ]);
    });

    it('replace a built-in rule whole, with what enforce_new_defaults = false adds to it', async () => {
      await write('policy.yaml', 'get_images: "role:auditor"');
      const policy = await read({ enforceNewDefaults: false });
      const nobody = { ...MEMBER, roles: [] };
      expect(policy.permits('get_images', nobody)).toBe(false);
      expect(policy.permits('get_image', nobody, OWN_IMAGE)).toBe(true);
    });

    it('the sample with its comments taken off says what is built in', async () => {
      const rules = renderPolicySample().replace(/^#"/gm, '"');
      expect(rules).toMatch(/^"modify_image": "is_admin:True or .role:member and /m);
      await write('policy.yaml', rules);
      const policy = await read();
      expect(policy.permits('download_image', MEMBER, OWN_IMAGE)).toBe(true);
      expect(policy.permits('publicize_image', MEMBER)).toBe(false);
      expect(policy.isAdmin({ ...MEMBER, roles: ['admin'] })).toBe(true);
    });

    it('may be nothing but comments', async () => {
      await write('policy.yaml', '# "get_images": "!"\n');
      expect((await read()).permits('get_images', MEMBER)).toBe(true);
    });

    it('name the default rule', async () => {
      await write('policy.yaml', 'mine: "role:member"');
      const policy = await read({ defaultRule: 'mine' });
      expect(policy.permits('what_nobody_wrote', MEMBER)).toBe(true);
    });

    it('refuse a file that is configured and not there', async () => {
      await expect(read({ policyFile: 'rules.yaml' })).rejects.toThrow(
        `[oslo_policy] policy_file = rules.yaml: there is no file ${directory}/rules.yaml`,
      );
    });

    it.each([
      ['get_images: "role:a and"', ':1: rule "get_images" at character 11: a check is missing'],
      ['a: "@"\nb: "rule:c"', ':2: rule "b" at character 1: there is no rule "c"'],
      [
        'a: "rule:b"\nb: "role:x or rule:c"\nc: "rule:a"',
        ':1: rule "a" refers to itself: a -> b -> c -> a',
      ],
      ['a: "rule:a"', 'rule "a" refers to itself: a -> a'],
      ['context_is_admin: "rule:nobody"', 'there is no rule "nobody"'],
      ['a: "@"\nb: [unclosed\n', ':3: '],
      ['a: "@"\na: "!"', ':2: Map keys must be unique'],
      ['- a', ':1: expected "name": "rule" pairs'],
      ['just text', ':1: expected "name": "rule" pairs'],
      ['a: !', ':1: rule "a" must be a text in quotation marks'],
      ['a: "@"\nb:', ':2: rule "b" must be a text in quotation marks'],
      ['a: 1', 'rule "a" must be a text'],
      ['a: {b: "@"}', ':1: rule "a" must be a text'],
      ['a: ["@", 1]', ':1: rule "a" must be a text'],
      ['a: [["@", ["@"]]]', ':1: rule "a" must be a text'],
      [
        'a:\n  - "role:b"\n  - - "@"\n    - "rule:c"',
        ':4: rule "a" in "rule:c" at character 1: there',
      ],
      [
        'a:\n  - "role:b and role:c"',
        ':2: rule "a" in "role:b and role:c" at character 8: "and" has no',
      ],
      [
        '{"x": "@",\n"a": [["role:b",\n"http:c"]]}',
        ':3: rule "a" in "http:c" at character 1: checks by',
      ],
      [
        'b: "@"\na: >-\n  role:a or\n  rule:c',
        ':2: rule "a" at character 11: there is no rule "c"',
      ],
      ['a: "rule:get_imag"', 'there is no rule "get_imag"; did you mean "get_image"?'],
      ['a: "rule:b"\nb: "http://x"', ':2: rule "b" at character 1: checks by a remote server'],
      ['1: "@"', 'the name of a rule must be text'],
      ['', 'the file is empty; write {}'],
    ])('refuse %j with file, line and reason', async (text, reason) => {
      await write('policy.yaml', text);
      const refusal = await read().catch((error: unknown) => error as Error);
      expect((refusal as Error).message).toContain(`${directory}/policy.yaml`);
      expect((refusal as Error).message).toContain(reason);
    });

    it('name the faults of all files at once', async () => {
      await write('policy.yaml', 'a: 1\nb: "role:x or"');
      await mkdir(path.join(directory, 'policy.d'));
      await write('policy.d/c.yaml', 'c: [');
      const refusal = await read().catch((error: unknown) => error as Error);
      const lines = (refusal as Error).message
        .split('\n')
        .map((line) => line.slice(directory.length));
      expect(lines).toEqual([
        expect.stringMatching(/^\/policy\.yaml:1: rule "a" must be/),
        expect.stringMatching(/^\/policy\.d\/c\.yaml:1: /),
        expect.stringMatching(/^\/policy\.yaml:2: rule "b" at character 10/),
      ]);
    });

    it.each([
      ['yaml', 'r: []', true],
      ['yaml', 'r: [[]]', false],
      ['yaml', 'r: ["!", []]', false],
      ['yaml', 'r:\n  - role:admin\n  - - project_id:%(project_id)s\n    - role:member', true],
      ['yaml', 'r:\n  - role:admin\n  - - project_id:%(project_id)s\n    - role:admin', false],
      ['json', '{"r": [["role:admin"], ["project_id:%(project_id)s", "role:reader"]]}', true],
      ['json', '{"r": [["role:admin", "role:reader"], ["role:a b"]]}', false],
      ['json', '{"r": [["rule:s"]], "s": "rule:t", "t": "role:member"}', true],
    ])('in the older form of lists, in %s: %s is %s', async (extension, text, expected) => {
      await write(`policy.${extension}`, text);
      const policy = await read();
      expect(policy.permits('r', MEMBER, OWN_IMAGE)).toBe(expected);
      // The same rule as one text, as it is shown.
      const shown = policy.list().find(({ name }) => name === 'r')?.text;
      await write('policy.yaml', JSON.stringify({ s: 'role:member', r: shown?.replace(' b', '') }));
      expect((await read()).permits('r', MEMBER, OWN_IMAGE)).toBe(expected);
    });

    it('warn of rules that nothing asks for, with their place and what may be meant', async () => {
      await write(
        'policy.yaml',
        [
          'mine: "role:x"',
          'get_image: "rule:mine"',
          'get_imagse: "!"',
          'publicise_image: "!"',
          'nothing_like_it: "!"',
          'get_task: "!"',
          'tasks_api_access: "!"',
          'modify_metadef_namespace: "!"',
          'list_metadef_resource_types: "!"',
          'metadef_default: "!"',
        ].join('\n'),
      );
      const at = (line: number): string => `${directory}/policy.yaml:${line}: nothing asks for the`;
      await read();
      expect(warnings).toEqual([
        `${at(3)} rule "get_imagse"; did you mean "get_image"?`,
        `${at(4)} rule "publicise_image"; did you mean "publicize_image"?`,
        `${at(5)} rule "nothing_like_it"`,
      ]);
      warnings = [];
      await read({ defaultRule: 'nothing_like_it', namesAreFree: true });
      expect(warnings).toHaveLength(2);
      warnings = [];
      await write('free.yaml', 'trusted: "role:x"');
      const policy = await read({ policyFile: 'free.yaml', namesAreFree: true });
      expect(warnings).toEqual([]);
      await write('free.yaml', 'ad_image: "!"');
      await policy.refresh();
      expect(warnings).toEqual([expect.stringContaining('did you mean "add_image"?')]);
    });

    it('have rules of today under the name that they came from, unless they are there too', async () => {
      const cache = ['cache_image', 'cache_list', 'cache_delete', 'cache_clean'];
      const allowedBy = async (rules: object): Promise<string[]> => {
        await write('policy.yaml', JSON.stringify(rules));
        const policy = await read();
        return cache.filter((action) => policy.permits(action, MEMBER));
      };
      expect(await allowedBy({ manage_image_cache: 'role:member' })).toEqual(cache.slice(0, 3));
      expect(await allowedBy({ manage_image_cache: 'role:member', cache_list: '!' })).toEqual([
        'cache_image',
        'cache_delete',
      ]);
      expect(await allowedBy({ manage_image_cache: 'rule:cache_image' })).toEqual([]);
      expect(warnings).toEqual([]);
    });

    it('refuse a default rule that does not exist', async () => {
      await expect(read({ defaultRule: 'nothing' })).rejects.toThrow(
        '[oslo_policy] policy_default_rule = nothing: there is no such rule',
      );
    });
  });

  describe('that change', () => {
    it('hold from the next request on, however they are written', async () => {
      await write('policy.yaml', 'get_images: "!"');
      const policy = await read();
      expect(await allowed(policy, 'get_images')).toBe(false);
      await write('policy.yaml', 'get_images: "@"');
      expect(await allowed(policy, 'get_images')).toBe(true);
      await write('new', 'get_images: "!"');
      await rename(path.join(directory, 'new'), path.join(directory, 'policy.yaml'));
      expect(await allowed(policy, 'get_images')).toBe(false);
      // A file that keeps size and times is another file all the same.
      const past = new Date('2020-01-01');
      await write('new', 'get_images: "@"');
      await utimes(path.join(directory, 'new'), past, past);
      await rename(path.join(directory, 'new'), path.join(directory, 'policy.yaml'));
      expect(await allowed(policy, 'get_images')).toBe(true);
      expect(errors).toEqual([]);
    });

    it('may appear later, in each place', async () => {
      const policy = await read();
      await write('policy.json', '{"get_images": "!"}');
      expect(await allowed(policy, 'get_images')).toBe(false);
      await write('policy.yaml', '{}');
      expect(await allowed(policy, 'get_images')).toBe(true);
      await mkdir(path.join(directory, 'policy.d'));
      await write('policy.d/a.yaml', 'get_images: "!"');
      expect(await allowed(policy, 'get_images')).toBe(false);
      await write('policy.d/b.yaml', 'get_images: "@"');
      expect(await allowed(policy, 'get_images')).toBe(true);
      await rm(path.join(directory, 'policy.d/b.yaml'));
      expect(await allowed(policy, 'get_images')).toBe(false);
    });

    it('and cannot be used leave the rules as they were, and say why once', async () => {
      await write('policy.yaml', 'get_images: "!"');
      const policy = await read();
      await write('policy.yaml', 'get_images: "@"\nget_image: "rule:nothing"');
      for (let count = 0; count < 3; count += 1) {
        expect(await allowed(policy, 'get_images')).toBe(false);
      }
      expect(errors).toEqual([
        `The policy rules cannot be read again, the ones before go on: ${directory}/policy.yaml:2: rule "get_image" at character 1: there is no rule "nothing"`,
      ]);
      await write('policy.yaml', '');
      expect(await allowed(policy, 'get_images')).toBe(false);
      await rm(path.join(directory, 'policy.yaml'));
      expect(await allowed(policy, 'get_images')).toBe(false);
      expect(errors.slice(1).join()).toMatch(/the file is empty.*is gone/);
      await write('policy.yaml', 'get_images: "@"');
      expect(await allowed(policy, 'get_images')).toBe(true);
      expect(errors).toHaveLength(3);
    });

    it('are not read while they are being written', async () => {
      await write('policy.yaml', 'get_images: "!"\nget_image: "!"');
      const policy = await read();
      // What is there after the first of the writes would let everybody in.
      const writer = (async () => {
        await write('policy.yaml', 'get_images: "!"\n');
        const refreshed = policy.refresh();
        await write('policy.yaml', 'get_images: "!"\nget_image: "!"\nadd_image: "!"');
        await refreshed;
      })();
      const seen: boolean[] = [];
      const state = { written: false };
      void writer.then(() => (state.written = true));
      while (!state.written) {
        seen.push(policy.permits('get_image', MEMBER));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writer;
      expect(seen).not.toContain(true);
      expect(policy.permits('add_image', MEMBER)).toBe(false);
    });

    it('do not hold requests up while they cannot be read', async () => {
      await write('policy.yaml', 'get_images: "!"');
      const policy = await read();
      const file = path.join(directory, 'policy.yaml');
      await rm(file);
      // Reading it hangs until somebody writes.
      execFileSync('mkfifo', [file]);
      expect(await allowed(policy, 'get_images')).toBe(false);
      expect(await allowed(policy, 'get_images')).toBe(false);
      await write('policy.yaml', 'get_images: "!"');
    });

    it('serve any number of requests that wait for them at once', async () => {
      await write('policy.yaml', 'get_images: "!"');
      const policy = await read();
      await write('policy.yaml', 'get_images: "@"');
      const verdicts = await Promise.all(
        Array.from({ length: 100 }, () => allowed(policy, 'get_images')),
      );
      expect(new Set(verdicts)).toEqual(new Set([true]));
    });
  });

  describe('decide who is an administrator', () => {
    it.each([
      [['admin'], true],
      [['cloud_boss'], true],
      [['member'], false],
    ])('%j is %s by admin_role or context_is_admin', async (roles, expected) => {
      await write('policy.yaml', 'context_is_admin: "role:cloud_boss"');
      const policy = await read({ adminRole: ' Admin ' });
      const isAdmin = policy.isAdmin({ ...MEMBER, roles });
      expect(isAdmin).toBe(expected);
      expect(policy.permits('publicize_image', { ...MEMBER, roles, isAdmin })).toBe(expected);
    });

    it('by another admin_role, "admin" is a role like any other', async () => {
      const policy = await read({ adminRole: 'boss' });
      expect(policy.isAdmin({ ...MEMBER, roles: ['admin'] })).toBe(false);
      expect(policy.isAdmin({ ...MEMBER, roles: ['boss'] })).toBe(true);
    });
  });

  it('may ask for everything that is known about a caller', async () => {
    const rules = [
      ['user_id:alice', true],
      ['tenant:a', true],
      ['user_domain_id:d', true],
      ['project_domain_id:d', false],
      ['is_admin_project:True', true],
      ['service_roles:nova', true],
    ] as const;
    await write('policy.yaml', rules.map(([rule], index) => `r${index}: "${rule}"`).join('\n'));
    const policy = await read();
    const caller = { ...MEMBER, userDomainId: 'd', serviceRoles: ['nova'] };
    expect(rules.map((_, index) => policy.permits(`r${index}`, caller))).toEqual(
      rules.map(([, expected]) => expected),
    );
  });
});
