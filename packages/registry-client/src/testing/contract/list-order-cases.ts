import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from '@jest/globals';
import {
  IMAGE_SORT_KEYS,
  type ImageListQuery,
  type ImageRecord,
  type SortDirection,
} from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

type Sort = ImageListQuery['sort'];
const DIRECTIONS: SortDirection[] = ['asc', 'desc'];

const SORTS: Sort[] = [
  [],
  ...IMAGE_SORT_KEYS.flatMap((key) => DIRECTIONS.map((direction) => [{ key, direction }])),
  [
    { key: 'name', direction: 'asc' },
    { key: 'sizeBytes', direction: 'desc' },
  ],
  [
    { key: 'status', direction: 'desc' },
    { key: 'name', direction: 'asc' },
  ],
  [
    { key: 'createdAt', direction: 'asc' },
    { key: 'id', direction: 'desc' },
  ],
  [
    { key: 'diskFormat', direction: 'desc' },
    { key: 'updatedAt', direction: 'asc' },
    { key: 'containerFormat', direction: 'asc' },
  ],
];

/** Images with ties and nulls, and with '' and 0 beside the nulls, in every sort key. */
async function createSamples(world: ContractWorld): Promise<ImageRecord[]> {
  const names = [null, '', 'a', 'a', 'b', null];
  const sizes = [null, 0, 5, 5, 2 ** 40, 0];
  const diskFormats = ['raw', null, 'iso', 'raw', null, 'qcow2'];
  const containerFormats = [null, 'bare', 'bare', null, 'ova', ''];
  const created = ['05', '01', '03', '03', '05', '02'];
  const updated = ['06', '07', '06', '09', '08', '07'];
  for (const [index, name] of names.entries()) {
    const { id } = await world.create({
      name,
      sizeBytes: sizes[index] ?? null,
      diskFormat: diskFormats[index] ?? null,
      containerFormat: containerFormats[index] ?? null,
      visibility: index % 2 === 0 ? 'private' : 'public',
      ...(sizes[index] === 0 && { status: 'active' }),
    });
    await world.underTest.overwrite(id, {
      createdAt: `2020-01-${created[index]}T00:00:00`,
      updatedAt: `2020-01-${updated[index]}T00:00:00`,
    });
  }
  return world.registry.listImages(world.query({ owner: world.project }), world.owner);
}

/** Nulls are lowest; what is missing of `createdAt` and `id` follows in the last direction. */
function inOrder(images: readonly ImageRecord[], sort: Sort): string[] {
  const direction = sort.at(-1)?.direction ?? 'desc';
  const terms = [...sort, { key: 'createdAt', direction }, { key: 'id', direction }] as Sort;
  const rank = (a: string | number | null, b: string | number | null) => {
    if (a === b) return 0;
    if (a === null) return -1;
    return b === null || a > b ? 1 : -1;
  };
  return [...images]
    .sort((a, b) => {
      for (const { key, direction } of terms) {
        const order = rank(a[key], b[key]);
        if (order !== 0) return direction === 'asc' ? order : -order;
      }
      return 0;
    })
    .map(({ id }) => id);
}

export function listOrderCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let images: ImageRecord[];

  beforeAll(async () => {
    world = newWorld();
    images = await createSamples(world);
  });

  async function page(query: Partial<ImageListQuery>, caller = world.owner): Promise<string[]> {
    const records = await world.registry.listImages(
      world.query({ owner: world.project, ...query }),
      caller,
    );
    return records.map(({ id }) => id);
  }

  it('lists all images of the samples', () => {
    expect(images).toHaveLength(6);
  });

  it.each(SORTS.map((sort) => ({ sort })))(
    'orders by $sort, and pages are the same list in pieces',
    async ({ sort }) => {
      const expected = inOrder(images, sort);
      expect(await page({ sort })).toEqual(expected);
      expect(await page({ sort, scope: 'all' }, world.admin)).toEqual(expected);
      for (const limit of [1, 2, 4]) {
        const pages: string[] = [];
        for (;;) {
          const marker = pages.at(-1);
          const next = await page({ sort, limit, ...(marker !== undefined && { marker }) });
          expect(next).toEqual(expected.slice(pages.length, pages.length + limit));
          if (next.length === 0) break;
          pages.push(...next);
        }
      }
    },
  );

  it('gives no more than the limit, and nothing for a limit of nothing', async () => {
    expect(await page({ limit: 0 })).toEqual([]);
    expect(await page({ limit: 5 })).toHaveLength(5);
    expect(await page({ limit: 100 })).toHaveLength(6);
  });

  it('goes on after a marker that the filters leave out', async () => {
    const [marker = ''] = inOrder(
      images.filter(({ sizeBytes }) => sizeBytes === null),
      [{ key: 'id', direction: 'asc' }],
    );
    const sort: Sort = [{ key: 'id', direction: 'asc' }];
    const expected = inOrder(
      images.filter(({ id, sizeBytes }) => sizeBytes !== null && id > marker),
      sort,
    );
    expect(await page({ sort, sizeMin: 0, marker })).toEqual(expected);
  });

  it('goes on after a community image of somebody else', async () => {
    const { id: marker } = await world.create({ visibility: 'community' }, world.stranger);
    const sort: Sort = [{ key: 'id', direction: 'asc' }];
    const expected = inOrder(images, sort).filter((id) => id > marker);
    expect(await page({ sort, marker })).toEqual(expected);
  });

  it('does not know a marker that is no image', async () => {
    for (const marker of [randomUUID(), 'no-uuid']) {
      for (const caller of [world.owner, world.admin]) {
        await expectRefusal(page({ marker }, caller), 'invalid_request');
      }
    }
  });

  it.each(['private', 'shared'] as const)(
    'refuses a %s marker that the caller may not see, and names it',
    async (visibility) => {
      const { id: marker } = await world.create({ visibility }, world.stranger);
      for (const caller of [world.owner, world.projectless, world.anonymous]) {
        await expect(page({ marker, deleted: 'any' }, caller)).rejects.toMatchObject({
          code: 'forbidden',
          details: { marker },
        });
      }
      await page({ marker }, world.stranger);
      await page({ marker }, world.admin);
    },
  );

  it('does not tell of a deleted image that it was one the caller may not see', async () => {
    const { id: marker } = await world.create({ visibility: 'private' }, world.stranger);
    await world.remove(marker, world.stranger);
    await expectRefusal(page({ marker }), 'invalid_request');
    await expectRefusal(page({ marker, deleted: 'any' }), 'invalid_request');
  });

  it('goes on after a deleted image where deleted ones are listed, and for admins', async () => {
    const own = newWorld();
    const kept = await own.create();
    const gone = await own.create();
    await own.underTest.overwrite(kept.id, { createdAt: '2020-01-01T00:00:00' });
    await own.remove(gone.id);
    await expectRefusal(own.listed({ marker: gone.id }), 'invalid_request');
    expect(await own.listed({ marker: gone.id, deleted: 'any' })).toEqual([kept.id]);
    const all = { scope: 'all', marker: gone.id } as const;
    expect(await own.listed(all, own.admin)).toEqual([kept.id]);
  });

  it.each<[string, object]>([
    ['an unknown sort key', { sort: [{ key: 'owner', direction: 'asc' }] }],
    [
      'an SQL fragment for a sort key',
      { sort: [{ key: 'id;drop table images', direction: 'asc' }] },
    ],
    ['an unknown direction', { sort: [{ key: 'id', direction: 'up' }] }],
    ['a negative limit', { limit: -1 }],
    ['half a limit', { limit: 0.5 }],
    ['a limit in text', { limit: '5' }],
  ])('refuses %s', async (_what, query) => {
    await expectRefusal(page(query), 'invalid_request');
  });
}
