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
  let logger: Logger;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-policy-'));
    errors = [];
    logger = { ...silentLogger, error: (message) => errors.push(message) };
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
      expect(policy.permits('what_nobody_wrote', MEMBER)).toBe(false);
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
      ['a: ["role:a"]', 'rule "a" must be a text'],
      ['1: "@"', 'the name of a rule must be text'],
      ['', 'the file is empty; write {}'],
    ])('refuse %j with file, line and reason', async (text, reason) => {
      await write('policy.yaml', text);
      const refusal = await read().catch((error: unknown) => error as Error);
      expect((refusal as Error).message).toContain(`${directory}/policy.yaml`);
      expect((refusal as Error).message).toContain(reason);
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
