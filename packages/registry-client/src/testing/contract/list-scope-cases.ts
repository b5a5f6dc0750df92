import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  MEMBER_STATUSES,
  VISIBILITIES,
  type ImageListQuery,
  type MemberStatus,
  type NewImage,
} from '@glance/common';
import { sorted, type ContractWorld, type NewWorld } from './contract-world';

type Caller = 'admin' | 'owner' | 'unscoped';
type Ask = 'nothing' | (typeof VISIBILITIES)[number] | 'all';
const ASKS: readonly Ask[] = ['nothing', ...VISIBILITIES, 'all'];

const OWN = ['own-public', 'own-community', 'own-shared', 'own-private'];
const FOREIGN = ['public', 'community', 'shared', 'private'];
/** Images of others that are shared with the caller, by what the caller's project has answered. */
const TO_ME: Record<MemberStatus, string> = {
  pending: 'to-me-pending',
  accepted: 'to-me-accepted',
  rejected: 'to-me-rejected',
};
/** Memberships that are left over open nothing. */
const LEFT_OVER = ['to-me-private', 'to-me-community'];

/** Api-v2 sheet 5.4. `to-me` stands for what is shared with the caller by the asked answer. */
const CANDIDATES: Record<Caller, Record<Ask, readonly string[]>> = {
  owner: {
    nothing: ['public', ...OWN, 'to-me'],
    public: ['public', 'own-public'],
    private: ['own-private'],
    shared: ['own-shared', 'to-me'],
    community: ['community', 'own-community', 'to-me-community'],
    all: ['public', 'community', 'to-me-community', ...OWN, 'to-me'],
  },
  admin: {
    nothing: ['public', 'shared', 'private', 'to-me-private', ...except(OWN), ...values(TO_ME)],
    public: ['public', 'own-public'],
    private: ['private', 'own-private', 'to-me-private'],
    shared: ['shared', 'own-shared', ...values(TO_ME)],
    community: ['community', 'own-community', 'to-me-community'],
    all: [...OWN, ...FOREIGN, ...LEFT_OVER, ...values(TO_ME)],
  },
  unscoped: {
    nothing: ['public', 'own-public'],
    public: ['public', 'own-public'],
    private: [],
    shared: [],
    community: ['community', 'own-community', 'to-me-community'],
    all: ['public', 'own-public', 'community', 'own-community', 'to-me-community'],
  },
};

function values(record: Readonly<Record<string, string>>): string[] {
  return Object.values(record);
}

/** Without the community image: it is another project's to an admin. */
function except(names: readonly string[]): string[] {
  return names.filter((name) => name !== 'own-community');
}

/** Which images a list is made of before any filter (api-v2 sheet 5.4). */
export function listScopeCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  const names = new Map<string, string>();

  async function add(name: string, image: NewImage, answer?: MemberStatus): Promise<void> {
    for (const hidden of [false, true]) {
      const caller = name.startsWith('own') ? world.owner : world.stranger;
      const { id } = await world.create({ ...image, hidden }, caller);
      names.set(id, hidden ? `hidden ${name}` : name);
      if (answer) await world.underTest.addMember(id, world.project, answer);
      // Somebody else's membership is nothing to the callers.
      await world.underTest.addMember(id, world.memberProject, 'accepted');
    }
  }

  beforeAll(async () => {
    world = newWorld();
    for (const visibility of VISIBILITIES) {
      await add(`own-${visibility}`, { visibility });
      await add(visibility, { visibility });
    }
    for (const status of MEMBER_STATUSES) {
      await add(TO_ME[status], { visibility: 'shared' }, status);
    }
    await add('to-me-private', { visibility: 'private' }, 'accepted');
    await add('to-me-community', { visibility: 'community' }, 'accepted');
  });

  async function listed(caller: Caller, ask: Ask, query: Partial<ImageListQuery>) {
    const visibility = ask === 'all' ? [...VISIBILITIES] : [ask as (typeof VISIBILITIES)[number]];
    const ids = await world.listed(
      {
        scope: caller === 'admin' ? 'all' : 'caller',
        hidden: false,
        ...(ask === 'nothing' ? {} : { visibility }),
        ...query,
      },
      world[caller === 'unscoped' ? 'projectless' : caller],
    );
    return sorted(ids.map((id) => names.get(id)));
  }

  /** The names of the images, with those for `to-me` that go with the asked answer. */
  function expected(caller: Caller, ask: Ask, memberStatus: ImageListQuery['memberStatus']) {
    const toMe = memberStatus === 'all' ? values(TO_ME) : [TO_ME[memberStatus]];
    return sorted(CANDIDATES[caller][ask].flatMap((name) => (name === 'to-me' ? toMe : [name])));
  }

  describe.each(Object.keys(CANDIDATES) as Caller[])('for the caller %s', (caller) => {
    it.each(ASKS)('of the visibility %s', async (ask) => {
      for (const memberStatus of [...MEMBER_STATUSES, 'all'] as const) {
        const names = expected(caller, ask, memberStatus);
        expect(await listed(caller, ask, { memberStatus })).toEqual(names);
        const hidden = names.map((name) => `hidden ${name}`);
        expect(await listed(caller, ask, { memberStatus, hidden: true })).toEqual(hidden);
      }
    });

    it.each(ASKS)('of the visibility %s, page by page', async (ask) => {
      const whole = await listed(caller, ask, { memberStatus: 'all' });
      const found: (string | undefined)[] = [];
      for (let marker: string | undefined; ;) {
        const page = await world.registry.listImages(
          world.query({
            name: [world.mark],
            scope: caller === 'admin' ? 'all' : 'caller',
            hidden: false,
            memberStatus: 'all',
            limit: 2,
            ...(ask === 'nothing' ? {} : { visibility: ask === 'all' ? [...VISIBILITIES] : [ask] }),
            ...(marker === undefined ? {} : { marker }),
          }),
          world[caller === 'unscoped' ? 'projectless' : caller],
        );
        if (page.length === 0) break;
        found.push(...page.map(({ id }) => names.get(id)));
        marker = page.at(-1)?.id;
      }
      expect(sorted(found)).toEqual(whole);
    });
  });

  it('lists community images of its own project for an admin who asks for no visibility', async () => {
    const { id } = await world.create({ visibility: 'community' }, world.admin);
    const query: Partial<ImageListQuery> = { scope: 'all', id: [id] };
    expect(await world.listed(query, world.admin)).toEqual([id]);
    for (const projectId of ['elsewhere', null]) {
      expect(await world.listed(query, world.as({ projectId, isAdmin: true }))).toEqual([]);
    }
  });
}
