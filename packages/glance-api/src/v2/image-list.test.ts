import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ALICE = 'alice:demo:member,reader';
const BOB = 'bob:other:member,reader';
const ADMIN = 'root:admin:admin';

describe('GET /v2/images', () => {
  let server: TestApi;

  beforeEach(async () => {
    server = await startTestApi();
  });

  afterEach(async () => {
    await server.close();
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = async (body: object, token = ALICE): Promise<string> =>
    (await as(token).post('/v2/images').send(body).expect(201)).body.id;
  const list = async (query: string, token = ALICE) =>
    (await as(token).get(`/v2/images${query}`).expect(200)).body;
  const names = async (query: string, token = ALICE): Promise<string[]> =>
    (await list(query, token)).images.map((image: { name: string }) => image.name).sort();

  it('shows whole images, with links', async () => {
    const id = await create({ name: 'one', tags: ['t'], key: 'value' });
    const body = await list('');
    expect(Object.keys(body).sort()).toEqual(['first', 'images', 'schema']);
    expect(body).toMatchObject({ first: '/v2/images', schema: '/v2/schemas/images' });
    expect(body.images).toEqual([(await as(ALICE).get(`/v2/images/${id}`)).body]);
  });

  // §18 Listing
  it('pages to an empty page after an exactly full one', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await create({ name });
    const seen: string[] = [];
    let path = '/v2/images?limit=2&sort=name:asc&name=in:a,b,c,d';
    await create({ name: 'no' });
    const pages: number[] = [];
    while (path) {
      const { body } = await as(ALICE).get(path).expect(200);
      pages.push(body.images.length);
      seen.push(...body.images.map((image: { name: string }) => image.name));
      expect(body.first).toBe('/v2/images?limit=2&sort=name%3Aasc&name=in%3Aa%2Cb%2Cc%2Cd');
      path = body.next;
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
    expect(pages).toEqual([2, 2, 0]);
  });

  it('keeps repeated parameters in its links', async () => {
    await create({ name: 'x', tags: ['a', 'b'] });
    const body = await list('?tag=a&tag=b&limit=1');
    expect(body.first).toBe('/v2/images?tag=a&tag=b&limit=1');
    expect(body.next).toBe(`/v2/images?tag=a&tag=b&limit=1&marker=${body.images[0].id}`);
  });

  it('caps the limit, and takes 0 for nothing', async () => {
    await create({ name: 'x' });
    const none = await list('?limit=0');
    expect(none.images).toEqual([]);
    expect(none).not.toHaveProperty('next');
    expect((await list('?limit=100000')).images).toHaveLength(1);
    expect((await list('?limit=1&limit=0')).images).toHaveLength(1);
    expect((await list('?limit=%2B1')).images).toHaveLength(1);
  });

  // §5.1, §18 Listing
  it.each([
    'limit=',
    'limit=blah',
    'limit=-1',
    'limit=1.1',
    'marker=',
    'marker=none',
    'marker=a1111111-1111-4111-8111-111111111111',
    'sort_key=min_ram',
    'sort_key=blah',
    'sort_dir=foo',
    'sort=',
    'sort=name:asc:desc',
    'sort=name&sort_dir=asc',
    'sort=name&sort_key=name',
    'sort_dir=asc&sort_dir=desc',
    'sort_key=name&sort_dir=asc&sort_dir=desc',
    'sort_key=name&sort_key=id&sort_key=size&sort_dir=asc&sort_dir=desc',
    'visibility=blah',
    'member_status=blah',
    'os_hidden=abcd',
    'os_hidden=',
    'protected=False',
    'protected=1',
    'changes-since=2020-01-01T00:00:00Z',
    'changes-since=anything',
    'created_at=lt:invalid_value',
    'created_at=invalid_operator:2020-01-01T00:00:00Z',
    'created_at=in:2020-01-01T00:00:00Z',
    'updated_at=yesterday',
    'size_max=abc',
    'size_min=',
    'min_ram_min=a',
    'name=a:b',
    'status=neq:active',
    'name=in:%22a',
    'name=in:a%22b%22',
    'name=in:%22a%22b',
  ])('refuses ?%s', async (query) => {
    await as(ALICE).get(`/v2/images?${query}`).expect(400);
  });

  it('filters by each of its parameters', async () => {
    await create({
      name: 'full',
      disk_format: 'raw',
      container_format: 'bare',
      min_ram: 512,
      min_disk: 10,
      tags: ['a', 'b'],
      os_distro: 'debian',
      'a:b': 'c',
      protected: true,
    });
    await create({ name: 'plain', tags: ['a'], os_distro: 'in:debian' });
    await create({ name: 'hidden', os_hidden: true });
    const cases: [string, string[]][] = [
      ['', ['full', 'plain']],
      ['?name=full', ['full']],
      ['?name=eq:full', ['full']],
      ['?name=in:full,plain', ['full', 'plain']],
      ['?name=in:%22full%22,none', ['full']],
      ['?name=in:', []],
      ['?name=none&name=full', ['full']],
      [`?name=${'n'.repeat(300)}`, []],
      ['?status=in:queued,active', ['full', 'plain']],
      ['?status=deleted', []],
      ['?status=killed', []],
      ['?disk_format=raw', ['full']],
      ['?container_format=in:bare,ovf', ['full']],
      ['?min_ram=512', ['full']],
      ['?min_ram_min=1', ['full']],
      ['?min_ram_max=511', ['plain']],
      ['?min_disk_min=10&min_disk_max=10', ['full']],
      ['?min_disk=abc', []],
      ['?size_min=0', []],
      ['?size=abc', []],
      ['?tag=a', ['full', 'plain']],
      ['?tag=%20a%20&tag=b', ['full']],
      ['?tag=a&tag=unknown', []],
      ['?protected=true', ['full']],
      ['?protected=false', ['plain']],
      ['?os_hidden=true', ['hidden']],
      ['?os_hidden=False', ['full', 'plain']],
      ['?os_distro=debian', ['full']],
      ['?os_distro=in:debian', ['plain']],
      ['?a:b=c&os_distro=debian', ['full']],
      ['?foo_min=5', []],
      ['?locations=x', []],
      ['?members=x', []],
      ['?properties=x', []],
      ['?deleted=true', ['full', 'plain']],
      ['?owner=demo', ['full', 'plain']],
      ['?owner=other', []],
      ['?visibility=shared', ['full', 'plain']],
      ['?visibility=private', []],
      ['?visibility=', []],
      ['?visibility=all', ['full', 'plain']],
      ['?created_at=gt:2000-01-01', ['full', 'plain']],
      ['?created_at=lt:2000-01-01T00:00:00Z', []],
      ['?updated_at=gte:2000-01-01T00:00:00%2B02:00', ['full', 'plain']],
      ['?os_hash_algo=sha512', []],
      ['?checksum=abc', []],
    ];
    for (const [query, expected] of cases) {
      expect([query, await names(query)]).toEqual([query, expected]);
    }
  });

  it('takes a comma in a name for one item only in quotes', async () => {
    await create({ name: 'image-2,image-5' });
    expect(await names('?name=in:image-1,image-2')).toEqual([]);
    expect(await names('?name=in:%22image-2,image-5%22')).toEqual(['image-2,image-5']);
  });

  it('sorts by several keys, each in its direction', async () => {
    for (const [name, container] of [
      ['a', 'bare'],
      ['a', 'ovf'],
      ['b', 'bare'],
    ]) {
      await create({ name, container_format: container });
    }
    const order = async (query: string): Promise<string[]> =>
      (await list(query)).images.map(
        (image: { name: string; container_format: string }) =>
          `${image.name}-${image.container_format}`,
      );
    const mixed = ['a-ovf', 'a-bare', 'b-bare'];
    expect(await order('?sort=name:asc,container_format')).toEqual(mixed);
    expect(await order('?sort=name:asc,container_format:')).toEqual(mixed);
    expect(
      await order('?sort_key=name&sort_dir=asc&sort_key=container_format&sort_dir=desc'),
    ).toEqual(mixed);
    expect(await order('?sort_key=name&sort_key=container_format&sort_dir=asc')).toEqual([
      'a-bare',
      'a-ovf',
      'b-bare',
    ]);
  });

  // §5.1, §18
  it('tells a marker that is not there from one that is not seen', async () => {
    const hidden = await create({ visibility: 'private' }, BOB);
    await as(ALICE).get(`/v2/images?marker=${hidden}`).expect(403);
    const deleted = await create({});
    await as(ALICE).delete(`/v2/images/${deleted}`).expect(204);
    await as(ALICE).get(`/v2/images?marker=${deleted}`).expect(400);
    await as(ADMIN).get(`/v2/images?marker=${deleted}`).expect(200);
  });

  // §5.4, §18
  it('lists what each kind of caller may see', async () => {
    for (const visibility of ['public', 'community', 'shared', 'private']) {
      await create({ name: `admin-${visibility}`, visibility }, ADMIN);
      if (visibility !== 'public') await create({ name: `bob-${visibility}`, visibility }, BOB);
    }
    expect(await names('', BOB)).toEqual([
      'admin-public',
      'bob-community',
      'bob-private',
      'bob-shared',
    ]);
    expect(await names('?visibility=community', ALICE)).toEqual([
      'admin-community',
      'bob-community',
    ]);
    expect(await names('?visibility=all', ALICE)).toEqual([
      'admin-community',
      'admin-public',
      'bob-community',
    ]);
    expect(await names('', ADMIN)).toEqual([
      'admin-community',
      'admin-private',
      'admin-public',
      'admin-shared',
      'bob-private',
      'bob-shared',
    ]);
    expect(await names('?visibility=all', ADMIN)).toHaveLength(7);
    expect(await names('?visibility=shared', ADMIN)).toEqual(['admin-shared', 'bob-shared']);
  });
});
