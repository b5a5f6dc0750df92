import { ANONYMOUS, VISIBILITIES, type Identity, type Visibility } from '@glance/common';
import { ADMIN, RegistryWorld, aQuery, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';

type Relation =
  'owner' | 'accepted' | 'pending' | 'rejected' | 'stranger' | 'projectless' | 'anonymous';

const IDENTITIES: Record<Relation | 'admin', Identity> = {
  owner: memberOf('owner-project'),
  accepted: memberOf('accepted-project'),
  pending: memberOf('pending-project'),
  rejected: memberOf('rejected-project'),
  stranger: memberOf('stranger-project'),
  projectless: memberOf(''),
  anonymous: ANONYMOUS,
  admin: ADMIN,
};

const EVERYBODY = Object.keys(IDENTITIES) as (Relation | 'admin')[];
const MEMBERS: Relation[] = ['accepted', 'pending', 'rejected'];

/** Schema sheet 5.1: a membership of any status lets one see a shared image. */
const SEEN_BY: Record<Visibility, (Relation | 'admin')[]> = {
  public: EVERYBODY,
  community: EVERYBODY,
  shared: ['owner', ...MEMBERS, 'admin'],
  private: ['owner', 'admin'],
};

/** Schema sheet 5.2 for a plain list of the caller's scope. */
const LISTED_BY: Record<Visibility, (Relation | 'admin')[]> = {
  public: EVERYBODY,
  community: ['owner'],
  shared: ['owner', 'accepted'],
  private: ['owner'],
};

describeEachDatabase('an image', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  async function whoSees(id: string): Promise<string[]> {
    const seen: string[] = [];
    for (const who of EVERYBODY) {
      const found = await world.images.get(id, IDENTITIES[who], {}).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'image_not_found' });
          return false;
        },
      );
      if (found) seen.push(who);
    }
    return seen;
  }

  async function whoLists(id: string): Promise<string[]> {
    const listed: string[] = [];
    for (const who of EVERYBODY) {
      const page = await world.images.list(aQuery({ id: [id] }), IDENTITIES[who], {});
      const whole = await world.images.list(aQuery(), IDENTITIES[who], {});
      // By its id or among all others: the same answer.
      expect(whole.some((image) => image.id === id)).toBe(page.length === 1);
      if (page.length === 1) listed.push(who);
    }
    return listed;
  }

  it.each(VISIBILITIES)(
    'that is %s is seen and listed by whom the rules say',
    async (visibility) => {
      const { id } = await world.create({ visibility }, IDENTITIES.owner);
      for (const status of MEMBERS) await world.share(id, `${status}-project`, status);
      expect((await whoSees(id)).sort()).toEqual([...SEEN_BY[visibility]].sort());
      expect((await whoLists(id)).sort()).toEqual([...LISTED_BY[visibility]].sort());
    },
  );

  it('without owner is seen by everybody, and listed only when it is public', async () => {
    const closed = await world.create({ visibility: 'private', owner: null });
    const open = await world.create({ visibility: 'public', owner: null });
    expect(await whoSees(closed.id)).toEqual(EVERYBODY);
    expect(await whoLists(closed.id)).toEqual([]);
    expect(await whoLists(open.id)).toEqual(EVERYBODY);
  });

  it('is not shared any more once the membership is marked deleted', async () => {
    const { id } = await world.create({ visibility: 'shared' }, IDENTITIES.owner);
    await world.share(id, 'accepted-project');
    await world.database.knex('image_members').where({ image_id: id }).update({ deleted: 1 });
    expect(await whoSees(id)).toEqual(['owner', 'admin']);
    expect(await whoLists(id)).toEqual(['owner']);
  });

  it('that was deleted is seen by admins only', async () => {
    const { id } = await world.create({ visibility: 'public' }, IDENTITIES.owner);
    await world.deletions.begin(id, { delayed: false }, IDENTITIES.owner, {});
    expect(await whoSees(id)).toEqual(['admin']);
    expect(await whoLists(id)).toEqual([]);
  });

  it('is listed once, however many ways lead to it', async () => {
    const { id } = await world.create({ visibility: 'public' }, IDENTITIES.owner);
    await world.share(id, 'owner-project');
    await world.share(id, 'owner-project', 'pending');
    const page = await world.images.list(
      aQuery({ memberStatus: 'all', visibility: [...VISIBILITIES] }),
      IDENTITIES.owner,
      {},
    );
    expect(page.filter((image) => image.id === id)).toHaveLength(1);
  });
});
