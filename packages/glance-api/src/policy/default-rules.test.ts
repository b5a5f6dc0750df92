import type { ImageRecord, Visibility } from '@glance/common';
import { silentLogger } from '@glance/service-kit';
import { ANONYMOUS_CALLER, NO_CALLER_DETAILS, type Caller } from '../auth/caller';
import type { PolicyTarget } from './check';
import { POLICY_ACTIONS, type PolicyAction } from './default-rules';
import { METADEF_ACTIONS } from './metadef-rules';
import { enforceOnImage } from './image-access';
import { imageTarget, memberTarget, newImageTarget } from './image-target';
import { Policy } from './policy';

const caller = (projectId: string | null, ...roles: string[]): Caller => ({
  ...NO_CALLER_DETAILS,
  userId: 'user',
  projectId,
  roles,
  isAdmin: roles.includes('admin'),
  readOnly: false,
});

/** The personas of api-v2 sheet §13.3; images are the project's `home`, shared ones with `guest`. */
const PERSONAS: Record<string, Caller> = {
  admin: caller('ops', 'admin'),
  ownMember: caller('home', 'member', 'reader'),
  ownReader: caller('home', 'reader'),
  guestMember: caller('guest', 'member', 'reader'),
  guestReader: caller('guest', 'reader'),
  service: caller('home', 'service'),
  noRole: caller('home'),
  anonymous: ANONYMOUS_CALLER,
};

const VISIBILITIES: [string, Visibility][] = [
  ['P', 'public'],
  ['C', 'community'],
  ['S', 'shared'],
  ['p', 'private'],
];

type MetadefAction = keyof typeof METADEF_ACTIONS;

/** The same of every rule about metadata definitions that reads, or changes, something (metadefs sheet §2). */
function metadefRules({ read, list, write }: Record<'read' | 'list' | 'write', string>) {
  const textOf = (action: string): string =>
    action === 'get_metadef_namespaces' ? list : /^(get|list)_/.test(action) ? read : write;
  return Object.fromEntries(
    Object.keys(METADEF_ACTIONS).map((action) => [action, textOf(action)]),
  ) as Record<MetadefAction, string>;
}

const ALL = '* * * * * * * *';
const ADMIN = '* - - - - - - -';
const OWNING_MEMBER = '* * - - - - - -';
const OWN_PROJECT = '* * * - - * * -';

/**
 * Who may by §13.2 and §6, in the order of PERSONAS: `*` all images, `-` none, else those of public,
 * community, shared and private visibility.
 */
const ROLES_DECIDE: Record<PolicyAction, string> = {
  get_images: '* * * * * - - *',
  get_image: '* * * PCS PCS - - PC',
  download_image: '* * - PCS - - - PC',
  download_from_store: '* * - PCS - - - PC',
  add_image: OWNING_MEMBER,
  modify_image: OWNING_MEMBER,
  delete_image: OWNING_MEMBER,
  publicize_image: ADMIN,
  communitize_image: OWNING_MEMBER,
  upload_image: OWNING_MEMBER,
  copy_from: OWNING_MEMBER,
  get_image_location: '* * * - - - - -',
  set_image_location: OWNING_MEMBER,
  delete_image_location: ADMIN,
  add_image_location: '* * - - - * - -',
  fetch_image_location: '* - - - - * - -',
  add_member: OWNING_MEMBER,
  get_member: '* * * * * - - -',
  get_members: '* * * S S - - -',
  modify_member: '* - - * - - - -',
  delete_member: OWNING_MEMBER,
  deactivate: OWNING_MEMBER,
  reactivate: OWNING_MEMBER,
  get_image_timeline: '* * * - - - - -',
  tasks_api_access: ADMIN,
  copy_image: ADMIN,
  manage_image_cache: ADMIN,
  cache_image: ADMIN,
  cache_list: ADMIN,
  cache_delete: ADMIN,
  cache_clean: ADMIN,
  cache_prune: ADMIN,
  list_cached_nodes: ADMIN,
  ...metadefRules({ read: '* * * P P - - -', list: '* * * - - - - -', write: ADMIN }),
  stores_info_detail: '* - - - - * - -',
};

/** Where `enforce_new_defaults = false` makes a difference (§13.4). */
const FORMERLY: Partial<Record<PolicyAction, string>> = {
  get_images: ALL,
  get_image: ALL,
  download_image: ALL,
  add_image: ALL,
  modify_image: OWN_PROJECT,
  delete_image: OWN_PROJECT,
  communitize_image: ALL,
  upload_image: OWN_PROJECT,
  copy_from: ALL,
  get_image_location: ALL,
  get_image_timeline: OWN_PROJECT,
  set_image_location: OWN_PROJECT,
  delete_image_location: OWN_PROJECT,
  add_member: OWN_PROJECT,
  get_member: ALL,
  get_members: ALL,
  modify_member: '* - - * * - - -',
  delete_member: OWN_PROJECT,
  deactivate: OWN_PROJECT,
  reactivate: OWN_PROJECT,
  ...metadefRules({ read: ALL, list: ALL, write: ADMIN }),
};

const NOBODY_BUT_ADMIN = '* - -';

/** What admin, member and reader without a project may, where `enforce_scope` is off. */
const WITHOUT_PROJECT: Partial<Record<PolicyAction, string>> = {
  get_images: '* * *',
  get_image: '* PCS PCS',
  download_image: '* PCS -',
  download_from_store: '* PCS -',
  ...metadefRules({ read: '* P P', list: NOBODY_BUT_ADMIN, write: NOBODY_BUT_ADMIN }),
};

const image = (fields: Partial<ImageRecord> = {}): ImageRecord => ({
  id: 'f0000000-0000-4000-8000-000000000000',
  name: 'disk',
  status: 'active',
  visibility: 'shared',
  owner: 'home',
  sizeBytes: 7,
  virtualSizeBytes: null,
  diskFormat: 'raw',
  containerFormat: 'bare',
  checksum: null,
  hashAlgorithm: null,
  hashValue: null,
  minDisk: 0,
  minRam: 512,
  protected: false,
  hidden: false,
  deleted: false,
  createdAt: '2024-05-06T07:08:09',
  updatedAt: '2024-05-06T07:08:09',
  deletedAt: null,
  properties: [],
  tags: [],
  locations: [],
  ...fields,
});

function targetOf(action: PolicyAction, visibility: Visibility, who: Caller): PolicyTarget {
  switch (action) {
    case 'add_image':
      return newImageTarget({ owner: 'home', visibility }, who);
    case 'get_member':
    case 'modify_member':
      return memberTarget(image({ visibility }), 'guest');
    default:
      return imageTarget(image({ visibility }), who);
  }
}

function whoMay(policy: Policy, action: PolicyAction): string {
  return Object.values(PERSONAS)
    .map((who) => visibilitiesFor(policy, action, who))
    .join(' ');
}

function visibilitiesFor(policy: Policy, action: PolicyAction, who: Caller): string {
  const allowed = VISIBILITIES.filter(([, visibility]) =>
    policy.permits(action, who, targetOf(action, visibility, who)),
  );
  if (allowed.length === 0) return '-';
  return allowed.length === VISIBILITIES.length ? '*' : allowed.map(([sign]) => sign).join('');
}

function readPolicy(options: { enforceNewDefaults?: boolean; enforceScope?: boolean } = {}) {
  return Policy.read(
    {
      policyFile: undefined,
      policyDirs: [],
      defaultRule: 'default',
      adminRole: 'admin',
      enforceNewDefaults: true,
      enforceScope: true,
      searchDirectories: [],
      ...options,
    },
    silentLogger,
  );
}

describe('the built-in rules', () => {
  let policy: Policy;
  let former: Policy;

  beforeAll(async () => {
    policy = await readPolicy();
    former = await readPolicy({ enforceNewDefaults: false });
  });

  it.each(POLICY_ACTIONS)('say by role and project who may: %s', (action) => {
    expect(whoMay(policy, action)).toBe(ROLES_DECIDE[action]);
  });

  it.each(POLICY_ACTIONS)('without enforce_new_defaults, say who may: %s', (action) => {
    expect(whoMay(former, action)).toBe(FORMERLY[action] ?? ROLES_DECIDE[action]);
  });

  it('let a member create images of its own project only', () => {
    const guest = PERSONAS['guestMember']!;
    const create = (owner: string | null): boolean =>
      policy.permits('add_image', guest, newImageTarget({ owner, visibility: 'private' }, guest));
    expect(['guest', 'home', null].map(create)).toEqual([true, false, false]);
  });

  it('give nobody without a project what belongs to nobody', () => {
    const nobody = caller(null, 'member', 'reader');
    for (const each of ['modify_image', 'get_members', 'modify_member'] as const) {
      expect(policy.permits(each, nobody, imageTarget(image({ owner: null }), nobody))).toBe(false);
    }
    const open = imageTarget(image({ owner: null, visibility: 'public' }), nobody);
    expect(policy.permits('get_image', nobody, open)).toBe(true);
    expect(policy.permits('get_images', nobody)).toBe(true);
  });

  it('do not count the roles of a service that acts for a user', () => {
    const user = { ...PERSONAS['ownReader']!, serviceRoles: ['service'] };
    expect(policy.permits('fetch_image_location', user, imageTarget(image(), user))).toBe(false);
  });

  describe.each(['project', 'domain', 'system'] as const)('for tokens of a %s', (tokenScope) => {
    // Who has a project has the one that the images are of.
    const scoped: Caller[] = [['admin', 'member', 'reader'], ['member', 'reader'], ['reader']].map(
      (roles) => ({ ...caller(tokenScope === 'project' ? 'home' : null, ...roles), tokenScope }),
    );
    const whoOf = (rules: Policy, action: PolicyAction): string =>
      scoped.map((who) => visibilitiesFor(rules, action, who)).join(' ');

    it.each(POLICY_ACTIONS)('admin, member and reader may: %s', async (action) => {
      const ofRow = (row: string): string => row.split(' ').slice(0, 3).join(' ');
      for (const enforceNewDefaults of [true, false]) {
        const roles = ROLES_DECIDE[action];
        const row = enforceNewDefaults ? roles : (FORMERLY[action] ?? roles);
        const withoutProject = enforceNewDefaults
          ? (WITHOUT_PROJECT[action] ?? NOBODY_BUT_ADMIN)
          : row === ALL
            ? '* * *'
            : (WITHOUT_PROJECT[action] ?? NOBODY_BUT_ADMIN);
        const unscoped = tokenScope === 'project' ? ofRow(row) : withoutProject;
        const enforced = await readPolicy({ enforceNewDefaults, enforceScope: true });
        const open = await readPolicy({ enforceNewDefaults, enforceScope: false });
        expect(whoOf(enforced, action)).toBe(tokenScope === 'project' ? unscoped : '- - -');
        expect(whoOf(open, action)).toBe(unscoped);
      }
    });

    it('rules that are no actions are not refused', () => {
      expect(policy.permits('service_api', scoped[0]!)).toBe(true);
    });
  });

  describe('on an image that is there', () => {
    const outcome = (rules: Policy, action: PolicyAction, who: Caller): string => {
      try {
        enforceOnImage(rules, action, who, image());
        return 'permitted';
      } catch (error) {
        return `${(error as { code: string }).code}: ${(error as Error).message}`;
      }
    };

    it('permit, forbid, or say that there is none to whom it may not be shown', () => {
      const forbidden = 'forbidden: You are not authorized to complete delete_image action.';
      const missing = `image_not_found: No image found with ID ${image().id}`;
      expect(outcome(policy, 'delete_image', PERSONAS['ownMember']!)).toBe('permitted');
      expect(outcome(policy, 'delete_image', PERSONAS['ownReader']!)).toBe(forbidden);
      expect(outcome(policy, 'delete_image', PERSONAS['guestMember']!)).toBe(forbidden);
      expect(outcome(policy, 'delete_image', PERSONAS['noRole']!)).toBe(missing);
      expect(outcome(policy, 'get_image', PERSONAS['noRole']!)).toBe(missing);
    });

    it('permit what has its own right without get_image', () => {
      expect(outcome(policy, 'fetch_image_location', PERSONAS['service']!)).toBe('permitted');
    });
  });
});

describe('an image as rules see it', () => {
  const guest = PERSONAS['guestMember']!;

  it('has its fields under the names of API v2, and properties beside them', () => {
    const target = imageTarget(
      image({
        properties: [
          ['os_distro', 'bsd'],
          ['min_ram', 'no'],
          ['member_id', 'guest'],
        ],
      }),
      PERSONAS['ownMember']!,
    );
    const seen = ['project_id', 'owner', 'min_ram', 'os_distro', 'is_public', 'created_at'];
    expect(seen.map((field) => target.get(field))).toEqual([
      'home',
      'home',
      512,
      'bsd',
      false,
      '2024-05-06T07:08:09Z',
    ]);
    expect(['os_distro', 'member_id', '__proto__'].map((name) => target.has(name))).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('names its member where it is shared with the caller', () => {
    const memberOf = (fields: Partial<ImageRecord>, who: Caller): unknown =>
      imageTarget(image(fields), who).get('member_id');
    expect(memberOf({}, guest)).toBe('guest');
    expect(memberOf({}, PERSONAS['ownMember']!)).toBeUndefined();
    expect(memberOf({ visibility: 'private' }, guest)).toBeUndefined();
    expect(memberOf({}, ANONYMOUS_CALLER)).toBeUndefined();
  });
});
