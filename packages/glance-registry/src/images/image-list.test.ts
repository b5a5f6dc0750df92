import { randomUUID } from 'node:crypto';
import {
  IMAGE_SORT_KEYS,
  VISIBILITIES,
  type ImageListQuery,
  type ImageSortKey,
  type SortDirection,
  type Visibility,
} from '@glance/common';
import { selectRows, sql } from '../db/sql';
import { ADMIN, RegistryWorld, aQuery, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { imagesSharedWith } from './image-list';
import { pageQuery } from './image-list-query';
import { ImageOrder } from './image-order';

const ME = memberOf('my-project');

/** Few values in every sorted column, NULL and empty ones among them, so that all sorts have ties. */
const NAMES = [null, '', 'alpha', 'beta'];
const FORMATS = [null, 'raw', 'qcow2'];
const SIZES = [null, 0, 7];
const COMMON_TAGS = ['common-1', 'common-2'];
const TAGGED = {
  name: 'tagged',
  tags: ['a', 'b', 'c'],
  properties: [['os', 'linux'] as const],
};

describeEachDatabase('the list of images', (current, dialect) => {
  let world: RegistryWorld;
  const hidden: string[] = [];

  beforeAll(async () => {
    world = new RegistryWorld(current().database);
    const rows = [];
    for (let index = 0; index < 144; index += 1) {
      const time = `2026-01-01 00:00:0${index % 3}`;
      rows.push({
        id: randomUUID(),
        name: NAMES[index % 4] ?? null,
        size: SIZES[index % 3] ?? null,
        disk_format: FORMATS[Math.floor(index / 4) % 3] ?? null,
        container_format: index % 5 === 0 ? null : 'bare',
        status: index % 7 === 0 ? 'queued' : 'active',
        visibility: VISIBILITIES[index % 4] as Visibility,
        owner: ['my-project', 'other-project', null][Math.floor(index / 16) % 3] ?? null,
        created_at: time,
        updated_at: index % 11 === 0 ? null : `2026-01-02 00:00:0${index % 2}`,
        min_disk: 0,
        min_ram: 0,
        protected: 0,
        os_hidden: Number(index % 13 === 0),
        deleted: 0,
      });
    }
    await world.database.knex.batchInsert('images', rows, 50);
    for (const row of rows) {
      if (row.visibility === 'shared' && row.owner === 'other-project') {
        await world.share(row.id, 'my-project');
      }
      if (row.os_hidden === 1) hidden.push(row.id);
    }
  }, 30_000);

  const ids = async (query: Partial<ImageListQuery>, identity = ME): Promise<string[]> =>
    (await world.images.list(aQuery(query), identity, {})).map(({ id }) => id);

  async function pages(query: Partial<ImageListQuery>, size: number, identity = ME) {
    const found: string[] = [];
    for (let marker: string | undefined; ;) {
      const page = await ids(
        { ...query, limit: size, ...(marker === undefined ? {} : { marker }) },
        identity,
      );
      found.push(...page);
      if (page.length < size) return found;
      marker = page.at(-1);
    }
  }

  const sorts: [ImageSortKey, SortDirection][] = IMAGE_SORT_KEYS.flatMap((key) => [
    [key, 'asc'] as [ImageSortKey, SortDirection],
    [key, 'desc'] as [ImageSortKey, SortDirection],
  ]);

  it.each(sorts)('by %s %s is the same in pages and in one piece', async (key, direction) => {
    const sort = [{ key, direction }];
    const whole = await ids({ sort });
    expect(whole.length).toBeGreaterThan(60);
    expect(new Set(whole).size).toBe(whole.length);
    expect(await pages({ sort }, 7)).toEqual(whole);
    const everything = await ids({ sort, scope: 'all' }, ADMIN);
    expect(await pages({ sort, scope: 'all' }, 11, ADMIN)).toEqual(everything);
  });

  it('by several keys in several directions is the same in pages and in one piece', async () => {
    const sort: ImageListQuery['sort'] = [
      { key: 'name', direction: 'desc' },
      { key: 'sizeBytes', direction: 'asc' },
      { key: 'diskFormat', direction: 'desc' },
    ];
    expect(await pages({ sort }, 5)).toEqual(await ids({ sort }));
  });

  it.each(['asc', 'desc'] as const)('sorts NULL below everything, %s', async (direction) => {
    const sort = [{ key: 'name', direction } as const];
    const names = (await world.images.list(aQuery({ sort }), ME, {})).map(({ name }) => name);
    const inOrder = [...names].sort((a, b) => {
      if (a === b) return 0;
      if (a === null || b === null) return a === null ? -1 : 1;
      return a < b ? -1 : 1;
    });
    expect(names).toEqual(direction === 'asc' ? inOrder : inOrder.reverse());
  });

  it('is found with and without hidden images, which are found alone as well', async () => {
    const all = await ids({ scope: 'all' }, ADMIN);
    const shown = await ids({ scope: 'all', hidden: false }, ADMIN);
    const notShown = await ids({ scope: 'all', hidden: true }, ADMIN);
    expect(notShown.length).toBeGreaterThan(0);
    expect(hidden).toEqual(expect.arrayContaining(notShown));
    expect([...shown, ...notShown].sort()).toEqual([...all].sort());
  });

  /** How many statements the work takes. */
  async function statementsOf(work: () => Promise<unknown>): Promise<number> {
    let statements = 0;
    const count = (): void => {
      statements += 1;
    };
    world.database.knex.on('query', count);
    try {
      await work();
    } finally {
      world.database.knex.removeListener('query', count);
    }
    return statements;
  }

  it('takes as many statements for a large page as for a small one', async () => {
    const counts = [];
    for (const limit of [1, 10, 60]) {
      counts.push(await statementsOf(async () => expect(await ids({ limit })).toHaveLength(limit)));
    }
    expect(new Set(counts).size).toBe(1);
  });

  // Marker, counts of candidates, count of what is shared, page, and all that hangs on its images.
  it('takes five statements at the most, whatever is asked', async () => {
    const sort: ImageListQuery['sort'] = [{ key: 'name', direction: 'asc' }];
    const [marker = ''] = await ids({ sort, limit: 1 });
    const query: Partial<ImageListQuery> = {
      hidden: false,
      visibility: [...VISIBILITIES],
      memberStatus: 'accepted',
      sort,
      marker,
    };
    const filters: Partial<ImageListQuery> = {
      tags: ['a', 'b', 'c'],
      properties: [['os', 'linux']],
      status: ['queued', 'deactivated'],
      createdAt: { operator: 'gte', value: '2025-01-01T00:00:00' },
      updatedAt: { operator: 'lt', value: '2027-01-01T00:00:00' },
    };
    const { id } = await world.create({ ...TAGGED, visibility: 'private' }, ME);
    for (const identity of [ME, ADMIN]) {
      const scope = identity.isAdmin ? 'all' : 'caller';
      for (const limit of [1, 20]) {
        const plain = async () =>
          expect((await ids({ ...query, scope, limit }, identity)).length).toBe(limit);
        const filtered = async () =>
          expect(await ids({ ...query, ...filters, scope, limit }, identity)).toEqual([id]);
        // An admin's list asks nobody's memberships.
        expect(await statementsOf(plain)).toBe(identity.isAdmin ? 3 : 4);
        expect(await statementsOf(filtered)).toBe(identity.isAdmin ? 4 : 5);
      }
    }
  });

  it.each([
    ['no name at all', { name: [] }],
    ['a name that no column can hold', { name: ['😀'] }],
    ['a tag that no column can hold', { tags: ['😀'] }],
    ['an id that no column can hold', { id: ['😀', 'x'.repeat(200)] }],
    ['a property value that no column can hold', { properties: [['os', '😀']] }],
    ['an unknown status', { status: ['lost'] }],
  ] as [string, Partial<ImageListQuery>][])('is empty for %s', async (_what, filter) => {
    expect(await ids(filter)).toEqual([]);
  });

  it.each(["' OR 1=1 -- ", '"; DROP TABLE images; --', 'a\\', '%', '?', ':name', '{}'])(
    'takes %s for the text it is',
    async (text) => {
      const mine = memberOf('quoting-project');
      const { id } = await world.create(
        { name: text, tags: [text], properties: [[text, text]] },
        mine,
      );
      for (const filter of [
        { name: [text] },
        { tags: [text] },
        { properties: [[text, text] as const] },
      ]) {
        expect(await ids(filter, mine)).toEqual([id]);
        await expect(ids({ ...filter, owner: text }, mine)).resolves.toEqual([]);
      }
    },
  );

  it.each(['\u0000', '\u2028', 'x'.repeat(60), '😀'])(
    'does not know an impossible marker',
    async (marker) => {
      await expect(ids({ marker })).rejects.toMatchObject({
        code: 'invalid_request',
        message: 'Invalid marker. Image could not be found.',
      });
    },
  );

  it('tells projects apart that differ in case only', async () => {
    const upper = memberOf('MY-PROJECT');
    const closed = await world.create({ visibility: 'private' }, ME);
    await expect(world.images.get(closed.id, upper, {})).rejects.toMatchObject({
      code: 'image_not_found',
    });
    expect(await ids({ visibility: ['private'] }, upper)).toEqual([]);
    const shared = await world.create({ visibility: 'shared' }, memberOf('third-project'));
    await world.share(shared.id, 'my-project');
    expect(await ids({ visibility: ['shared'] }, upper)).toEqual([]);
  });

  describe('with more images shared with a project than are read one by one', () => {
    const popular = memberOf('popular-project');

    beforeAll(async () => {
      const rows = Array.from({ length: 2100 }, (_, index) => ({
        id: randomUUID(),
        name: `shared ${index}`,
        status: 'active',
        visibility: 'shared',
        owner: 'generous-project',
        created_at: `2025-01-01 00:${String(index % 60).padStart(2, '0')}:00`,
        updated_at: '2025-01-01 00:00:00',
        min_disk: 0,
        min_ram: 0,
        protected: 0,
        os_hidden: 0,
        deleted: 0,
      }));
      const { knex } = world.database;
      await knex.batchInsert('images', rows, 200);
      await knex.batchInsert(
        'image_members',
        rows.map(({ id, created_at }) => ({
          image_id: id,
          member: 'popular-project',
          can_share: 0,
          status: 'accepted',
          created_at,
          updated_at: created_at,
          deleted: 0,
        })),
        200,
      );
      const tags = rows.flatMap(({ id, created_at }) =>
        COMMON_TAGS.map((value) => ({ image_id: id, value, created_at, deleted: 0 })),
      );
      await knex.batchInsert('image_tags', tags, 200);
    }, 30_000);

    it('pages through all of them', async () => {
      const listed = await pages({ visibility: ['shared'] }, 500, popular);
      expect(new Set(listed).size).toBe(2100);
      expect(listed).toHaveLength(2100);
    });

    it.each<[string, Partial<ImageListQuery>]>([
      ['all', {}],
      ['all with tags that most have', { tags: COMMON_TAGS }],
    ])('reads the first page of %s in the order of an index', async (_what, filter) => {
      const { knex, dialect: sqlDialect } = world.database;
      const query = aQuery({ limit: 20, hidden: false, ...filter });
      const shared = await imagesSharedWith(knex, sqlDialect, query, popular);
      expect(shared).toEqual({ amount: 'many' });
      const page = pageQuery(sqlDialect, {
        query,
        identity: popular,
        order: new ImageOrder([]),
        marker: undefined,
        candidates: undefined,
        shared,
      });
      if (dialect === 'sqlite') {
        const plan = await selectRows<{ id: number; parent: number; detail: string }>(
          knex,
          sql`EXPLAIN QUERY PLAN ${page}`,
        );
        const branches = plan.filter(({ detail }) => /(SEARCH|SCAN) images\b/.test(detail));
        expect(branches.length).toBeGreaterThanOrEqual(5);
        for (const branch of branches) {
          expect(branch.detail).toMatch(/registry_images_(visibility|owner)_created_at/);
          // What is sorted lies outside of the branches: the few rows that each gives.
          const within = plan.filter(({ parent }) => parent === branch.parent);
          expect(within.map(({ detail }) => detail).join()).not.toMatch(/TEMP B-TREE/);
        }
        return;
      }
      const plan = await selectRows<{
        select_type: string;
        table: string;
        Extra: string;
        key: string;
      }>(knex, sql`EXPLAIN FORMAT = TRADITIONAL ${page}`);
      // Nothing is collected before the first image is looked at.
      expect(plan.map((step) => step.select_type)).not.toContain('MATERIALIZED');
      const branches = plan.filter(({ table }) => table === 'images');
      expect(branches.length).toBeGreaterThanOrEqual(5);
      for (const branch of branches) {
        expect(branch.key).toMatch(/^registry_images_(visibility|owner)_created_at$/);
        expect(branch.Extra).not.toMatch(/filesort|temporary/);
      }
    });
  });
});
