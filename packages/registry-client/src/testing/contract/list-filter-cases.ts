import { beforeAll, expect, it } from '@jest/globals';
import { TIME_OPERATORS, type ImageListQuery, type ImageRecord } from '@glance/common';
import { expectRefusal, type ContractWorld, type NewWorld } from './contract-world';

/** One project's images, each different from the others in what can be asked for. */
async function createSamples(world: ContractWorld) {
  const alpha = await world.createActive(
    {
      name: 'alpha',
      diskFormat: 'raw',
      containerFormat: 'bare',
      minDisk: 1,
      minRam: 512,
      properties: [
        ['os', 'linux'],
        ['arch', 'x86'],
      ],
      tags: ['t1', 't2'],
      protected: true,
      visibility: 'private',
    },
    {
      sizeBytes: 10,
      virtualSizeBytes: 100,
      checksum: 'a'.repeat(32),
      hashAlgorithm: 'sha256',
      hashValue: 'aa'.repeat(64),
    },
  );
  const beta = await world.createActive(
    {
      name: 'beta',
      diskFormat: 'qcow2',
      containerFormat: 'ovf',
      minDisk: 2,
      properties: [
        ['os', 'linux'],
        ['arch', 'arm'],
      ],
      tags: ['t1'],
    },
    {
      sizeBytes: 20,
      virtualSizeBytes: 200,
      checksum: 'b'.repeat(32),
      hashValue: 'bb'.repeat(64),
    },
  );
  const gamma = await world.create({
    name: 'gamma',
    hidden: true,
    properties: [['os', null]],
    visibility: 'community',
  });
  const empty = await world.create({ status: 'active', sizeBytes: 0, visibility: 'public' });
  const unnamed = await world.registry.updateImage(
    empty.id,
    { fields: { name: null } },
    world.owner,
  );
  const killed = await world.createKilled({ name: 'killed' });
  const { id } = await world.create({ name: 'gone', properties: [['os', 'linux']], tags: ['t1'] });
  await world.remove(id);
  const gone = await world.registry.getImage(id, world.admin);
  return { alpha, beta, gamma, unnamed, killed, gone };
}

type Samples = Awaited<ReturnType<typeof createSamples>>;
type SampleName = keyof Samples;
const LIVE: SampleName[] = ['alpha', 'beta', 'gamma', 'unnamed'];

interface FilterCase {
  title: string;
  query: Partial<ImageListQuery> | ((samples: Samples) => Partial<ImageListQuery>);
  found: SampleName[];
}

const CASES: FilterCase[] = [
  { title: 'nothing', query: {}, found: LIVE },
  { title: 'an id', query: ({ beta }) => ({ id: [beta.id] }), found: ['beta'] },
  {
    title: 'one of several ids',
    query: ({ alpha, unnamed, gone }) => ({ id: [alpha.id, unnamed.id, gone.id, 'none'] }),
    found: ['alpha', 'unnamed'],
  },
  { title: 'a name', query: { name: ['alpha'] }, found: ['alpha'] },
  { title: 'one of several names', query: { name: ['beta', 'gamma'] }, found: ['beta', 'gamma'] },
  { title: 'a name with wildcards', query: { name: ['%', 'alph_'] }, found: [] },
  { title: 'a name with a quote', query: { name: ["' OR 1=1 -- "] }, found: [] },
  { title: 'a status', query: { status: ['active'] }, found: ['alpha', 'beta', 'unnamed'] },
  {
    title: 'one of several statuses',
    query: { status: ['queued', 'active'] },
    found: LIVE,
  },
  { title: 'a status that is no status', query: { status: ['ready'] }, found: [] },
  { title: 'a status that live images never have', query: { status: ['killed'] }, found: [] },
  { title: 'a container format', query: { containerFormat: ['ovf'] }, found: ['beta'] },
  { title: 'disk formats', query: { diskFormat: ['raw', 'qcow2'] }, found: ['alpha', 'beta'] },
  { title: 'a checksum', query: { checksum: 'b'.repeat(32) }, found: ['beta'] },
  { title: 'a hash', query: { hashValue: 'aa'.repeat(64) }, found: ['alpha'] },
  { title: 'a hash algorithm', query: { hashAlgorithm: 'sha256' }, found: ['alpha'] },
  { title: 'an unknown hash algorithm', query: { hashAlgorithm: 'sha1' }, found: [] },
  { title: 'a size', query: { sizeBytes: 20 }, found: ['beta'] },
  { title: 'the exact size nothing', query: { sizeBytes: 0 }, found: ['unnamed'] },
  { title: 'a virtual size', query: { virtualSizeBytes: 100 }, found: ['alpha'] },
  { title: 'the virtual size nothing', query: { virtualSizeBytes: 0 }, found: [] },
  { title: 'at least a virtual size', query: { virtualSizeMin: 101 }, found: ['beta'] },
  { title: 'a virtual size at all', query: { virtualSizeMin: 0 }, found: ['alpha', 'beta'] },
  { title: 'at most a virtual size', query: { virtualSizeMax: 100 }, found: ['alpha'] },
  {
    title: 'a range of virtual sizes',
    query: { virtualSizeMin: 100, virtualSizeMax: 200 },
    found: ['alpha', 'beta'],
  },
  { title: 'at least a minimum disk', query: { minDiskMin: 2 }, found: ['beta'] },
  {
    title: 'at most a minimum disk',
    query: { minDiskMax: 1 },
    found: ['alpha', 'gamma', 'unnamed'],
  },
  { title: 'a range of minimum disks', query: { minDiskMin: 1, minDiskMax: 1 }, found: ['alpha'] },
  { title: 'at least a minimum memory', query: { minRamMin: 512 }, found: ['alpha'] },
  {
    title: 'at most a minimum memory',
    query: { minRamMax: 511 },
    found: ['beta', 'gamma', 'unnamed'],
  },
  { title: 'an empty range of minimum memory', query: { minRamMin: 2, minRamMax: 1 }, found: [] },
  { title: 'bounds beyond any', query: { minRamMax: 2 ** 40, minDiskMin: 0 }, found: LIVE },
  { title: 'the exact minimum disk', query: { minDisk: 1 }, found: ['alpha'] },
  { title: 'no minimum disk', query: { minDisk: 0 }, found: ['gamma', 'unnamed'] },
  { title: 'the exact minimum memory', query: { minRam: 512 }, found: ['alpha'] },
  { title: 'protected', query: { protected: true }, found: ['alpha'] },
  { title: 'not protected', query: { protected: false }, found: ['beta', 'gamma', 'unnamed'] },
  { title: 'hidden', query: { hidden: true }, found: ['gamma'] },
  { title: 'not hidden', query: { hidden: false }, found: ['alpha', 'beta', 'unnamed'] },
  { title: 'at least a size', query: { sizeMin: 11 }, found: ['beta'] },
  { title: 'at least that size', query: { sizeMin: 10 }, found: ['alpha', 'beta'] },
  { title: 'at most a size', query: { sizeMax: 10 }, found: ['alpha', 'unnamed'] },
  { title: 'a size at all', query: { sizeMin: 0 }, found: ['alpha', 'beta', 'unnamed'] },
  { title: 'a range of sizes', query: { sizeMin: 1, sizeMax: 19 }, found: ['alpha'] },
  { title: 'the size nothing', query: { sizeMax: 0 }, found: ['unnamed'] },
  { title: 'a property', query: { properties: [['os', 'linux']] }, found: ['alpha', 'beta'] },
  {
    title: 'several properties',
    query: {
      properties: [
        ['os', 'linux'],
        ['arch', 'arm'],
      ],
    },
    found: ['beta'],
  },
  {
    title: 'a property with two values',
    query: {
      properties: [
        ['arch', 'x86'],
        ['arch', 'arm'],
      ],
    },
    found: [],
  },
  { title: 'another value', query: { properties: [['os', 'windows']] }, found: [] },
  { title: 'a property of null', query: { properties: [['os', '']] }, found: [] },
  { title: 'another property', query: { properties: [['distro', 'linux']] }, found: [] },
  { title: 'a tag', query: { tags: ['t1'] }, found: ['alpha', 'beta'] },
  { title: 'several tags', query: { tags: ['t1', 't2'] }, found: ['alpha'] },
  { title: 'another tag', query: { tags: ['t1', 't3'] }, found: [] },
  {
    title: 'visibilities',
    query: { visibility: ['private', 'public'] },
    found: ['alpha', 'unnamed'],
  },
  {
    title: 'several things at once',
    query: { status: ['active'], properties: [['os', 'linux']], tags: ['t1'], sizeMin: 15 },
    found: ['beta'],
  },
];

export function listFilterCases(newWorld: NewWorld): void {
  let world: ContractWorld;
  let samples: Samples;

  beforeAll(async () => {
    world = newWorld();
    samples = await createSamples(world);
  });

  /** Names of the samples in a list of everything this project owns. */
  async function found(query: Partial<ImageListQuery>, caller = world.owner) {
    const page = await world.registry.listImages(
      world.query({ owner: world.project, ...query }),
      caller,
    );
    return (Object.keys(samples) as SampleName[]).filter((name) =>
      page.some(({ id }) => id === samples[name].id),
    );
  }

  it.each(CASES)('by $title', async ({ query, found: expected }) => {
    const asked = typeof query === 'function' ? query(samples) : query;
    expect(await found(asked)).toEqual(expected);
    // An admin's list of everything goes another way to the same images; community ones of other
    // projects need to be asked for.
    const all = await found({ ...asked, scope: 'all' }, world.admin);
    const isOpen = asked.visibility?.includes('community') ?? false;
    expect(all).toEqual(expected.filter((name) => isOpen || name !== 'gamma'));
  });

  it('by owner, of those that the caller may list', async () => {
    const page = await world.registry.listImages(
      world.query({ owner: world.project }),
      world.stranger,
    );
    expect(page.map(({ id }) => id)).toEqual([samples.unnamed.id]);
    expect(await found({ owner: 'nobody' })).toEqual([]);
  });

  it('shows the same record in a list as by id', async () => {
    const page = await world.registry.listImages(
      world.query({ owner: world.project, deleted: 'any' }),
      world.owner,
    );
    for (const name of ['alpha', 'beta', 'gamma', 'killed'] as const) {
      const image = await world.registry.getImage(samples[name].id, world.owner);
      expect(page.find(({ id }) => id === image.id)).toEqual(image);
    }
    expect(page.find(({ id }) => id === samples.gone.id)).toMatchObject({
      status: 'deleted',
      deleted: true,
      properties: [],
      tags: [],
      locations: [],
    });
  });

  it('by deletion', async () => {
    expect(await found({ deleted: 'any' })).toEqual([...LIVE, 'killed', 'gone']);
    expect(await found({ deleted: 'any', status: ['killed'] })).toEqual(['killed']);
    expect(await found({ deleted: true, scope: 'all' }, world.admin)).toEqual(['gone']);
    expect(await found({ deleted: 'any', tags: ['t1'] })).toEqual(['alpha', 'beta']);
    expect(await found({ deleted: 'any', properties: [['os', 'linux']] })).toEqual([
      'alpha',
      'beta',
    ]);
  });

  it.each(['createdAt', 'updatedAt'] as const)('by %s', async (key) => {
    const own = newWorld();
    const days = ['2020-01-01', '2020-01-02', '2020-01-03'];
    const images: ImageRecord[] = [];
    for (const day of days) {
      const image = await own.create();
      await own.underTest.overwrite(image.id, { [key]: `${day}T12:00:00` });
      images.push(image);
    }
    const expected = { gt: [2], gte: [1, 2], lt: [0], lte: [0, 1], eq: [1], neq: [0, 2] };
    for (const operator of TIME_OPERATORS) {
      const ids = await own.listed({ [key]: { operator, value: '2020-01-02T12:00:00' } });
      expect(ids.sort()).toEqual(expected[operator].map((index) => images[index]?.id).sort());
    }
  });

  it('by change since a time, exclusive', async () => {
    const own = newWorld();
    const { id } = await own.create();
    await own.underTest.overwrite(id, { updatedAt: '2020-01-02T12:00:00' });
    expect(await own.listed({ changesSince: '2020-01-02T11:59:59' })).toEqual([id]);
    expect(await own.listed({ changesSince: '2020-01-02T12:00:00' })).toEqual([]);
    await own.remove(id);
    expect(await own.listed({ changesSince: '2020-01-02T12:00:00', deleted: 'any' })).toEqual([id]);
  });

  it.each<[string, object]>([
    ['an unknown filter', { colour: ['red'] }],
    ['a name that is no list', { name: 'alpha' }],
    ['an unknown visibility', { visibility: ['secret'] }],
    ['an object for a text', { owner: { id: 1 } }],
    ['a time that is none', { changesSince: 'yesterday' }],
    ['an unknown operator', { createdAt: { operator: 'like', value: '2020-01-01T00:00:00' } }],
    ['a negative size', { sizeMin: -1 }],
    ['a size in text', { sizeBytes: '5' }],
    ['a negative virtual size', { virtualSizeMax: -1 }],
    ['half a minimum memory', { minRamMin: 0.5 }],
  ])('refuses %s', async (_what, query) => {
    const call = world.registry.listImages(world.query(query), world.owner);
    await expectRefusal(call, 'invalid_request');
  });
}
