import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ImageProperty } from '@glance/common';
import { silentLogger } from '@glance/service-kit';
import { NO_CALLER_DETAILS, type Caller } from '../auth/caller';
import { Policy } from './policy';
import { PropertyAccess, V1_PROPERTY_MANNERS, V2_PROPERTY_MANNERS } from './property-access';
import { PropertyProtections } from './property-protections';

const MEMBER: Caller = {
  ...NO_CALLER_DETAILS,
  userId: 'alice',
  projectId: 'a',
  roles: ['member', 'reader'],
  isAdmin: false,
  readOnly: false,
};

/** Named by what a member may do, in the order create, read, update, delete. */
const PROTECTIONS = ['crud', 'c---', '-r--', '----']
  .map((rights) => {
    const grant = (right: string): string => (rights.includes(right) ? '@' : '!');
    return `[^${rights}$]\ncreate = ${grant('c')}\nread = ${grant('r')}\nupdate = ${grant('u')}\ndelete = ${grant('d')}\n`;
  })
  .join('\n');

const STORED: ImageProperty[] = ['crud', 'c---', '-r--', '----'].map((name) => [name, 'old']);

describe('protected properties', () => {
  let directory: string;
  let policy: Policy;
  let protections: PropertyProtections;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-properties-'));
    const file = path.join(directory, 'protections.conf');
    await writeFile(file, PROTECTIONS);
    const options = { policyFile: undefined, policyDirs: [], searchDirectories: [] };
    const rules = { defaultRule: 'default', enforceNewDefaults: true, enforceScope: true };
    policy = await Policy.read({ ...options, ...rules, adminRole: 'admin' }, silentLogger);
    protections = await PropertyProtections.read(
      { file, format: 'roles', searchDirectories: [], policy },
      silentLogger,
    );
  });

  afterAll(() => rm(directory, { recursive: true }));

  const refusalOf = (attempt: () => void): string | undefined => {
    try {
      attempt();
      return undefined;
    } catch (error) {
      expect(error).toMatchObject({ code: 'forbidden' });
      return (error as Error).message;
    }
  };

  it('may be left to the default rule, which lets anybody pass', async () => {
    const file = path.join(directory, 'policies.conf');
    const section = (name: string, rule: string) => [
      `[${name}]`,
      ...['create', 'read', 'update', 'delete'].map((each) => `${each} = ${rule}`),
    ];
    await writeFile(
      file,
      [...section('^x_.*', 'default'), ...section('.*', 'context_is_admin')].join('\n'),
    );
    const byPolicy = await PropertyProtections.read(
      { file, format: 'policies', searchDirectories: [], policy },
      silentLogger,
    );
    expect(byPolicy.permits('read', 'x_theirs', MEMBER)).toBe(true);
    expect(byPolicy.permits('read', 'other', MEMBER)).toBe(false);
  });

  it.each([
    ['a new value', ['crud', 'new'], true, true],
    ['a new value', ['-r--', 'new'], false, false],
    ['the stored value', ['-r--', 'old'], true, false],
    ['a value of what cannot be read', ['c---', 'new'], false, true],
    ['a value of what cannot be read', ['----', 'old'], false, false],
    ['another spelling of what cannot be read', ['C---', 'new'], false, false],
  ] as const)('%s may be set: %j by v1 %s, by v2 %s', (_what, property, byV1, byV2) => {
    for (const [manners, expected, refusal] of [
      [V1_PROPERTY_MANNERS, byV1, `Property '${property[0]}' is protected`],
      [V2_PROPERTY_MANNERS, byV2, `Attribute '${property[0]}' is reserved.`],
    ] as const) {
      const access = new PropertyAccess(protections, manners);
      const refused = refusalOf(() => access.checkSet(property, STORED, MEMBER));
      expect(refused).toBe(expected ? undefined : refusal);
    }
  });

  it('are seen, made and removed by whom the file names', () => {
    const access = new PropertyAccess(protections, V2_PROPERTY_MANNERS);
    expect(STORED.map(([name]) => access.mayRead(name, MEMBER))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(refusalOf(() => access.checkRemove('crud', MEMBER))).toBeUndefined();
    expect(refusalOf(() => access.checkRemove('-r--', MEMBER))).toContain("'-r--' is reserved");
    expect(refusalOf(() => access.checkCreate([['c---', 'v']], MEMBER))).toBeUndefined();
    expect(refusalOf(() => access.checkCreate([['----', 'v']], MEMBER))).toContain('reserved');
  });

  it('are not those that the service makes for itself', () => {
    expect(protections.permits('read', 'os_glance_import_task', MEMBER)).toBe(true);
    expect(protections.permits('read', 'my_os_glance_note', MEMBER)).toBe(false);
  });
});
