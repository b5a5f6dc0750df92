import { randomUUID } from 'node:crypto';
import { INTERNAL_HEADERS, type Identity } from '@glance/common';
import { ServiceKeys } from '@glance/service-kit';
import request from 'supertest';
import { createRegistry, type RegistryApplication } from './composition';
import { ADMIN, aQuery, anUpload, memberOf } from './testing/registry-world';

const KEY = 'the key of the tests, thirty-two characters';
const NEXT_KEY = 'the key that comes after the key of the tests';

function headers(identity: Identity = memberOf('p'), more: Record<string, string> = {}) {
  return {
    [INTERNAL_HEADERS.serviceKey]: KEY,
    [INTERNAL_HEADERS.identity]: Buffer.from(JSON.stringify(identity)).toString('base64url'),
    ...more,
  };
}

describe('the internal API', () => {
  let registry: RegistryApplication;
  let keys = [KEY];
  const serviceKeys = new ServiceKeys(() => keys);

  beforeAll(async () => {
    registry = await createRegistry(
      { database: { url: 'sqlite://' }, serviceKeys },
      { migrate: true },
    );
  });

  afterAll(() => registry.close());

  const api = () => request(registry.app);
  const create = (image: object, more: Record<string, string> = {}) =>
    api()
      .post('/v1/images')
      .set(headers(memberOf('p'), more))
      .send({ image });
  const codeOf = (response: request.Response): unknown =>
    (response.body as { error?: { code: unknown } }).error?.code;

  it('names its contract and release', async () => {
    const response = await api().get('/v1').set(headers());
    expect(response.status).toBe(200);
    expect(response.body).toEqual({ contract: { major: 1, minor: 14 }, release: '0.1.0' });
  });

  describe('believes nobody', () => {
    it.each([
      ['without a key', {}],
      ['with a wrong key', { [INTERNAL_HEADERS.serviceKey]: `${KEY}x` }],
      ['with an empty key', { [INTERNAL_HEADERS.serviceKey]: '' }],
      [
        'with identity headers of the historic registry',
        { 'X-Identity-Status': 'Confirmed', 'X-Roles': 'admin', 'X-Tenant-Id': 'p' },
      ],
    ] as [string, Record<string, string>][])('%s', async (_how, given) => {
      for (const path of ['/v1', '/v1/images', `/v1/images/${randomUUID()}`, '/nowhere']) {
        const response = await api().get(path).set(given);
        expect([response.status, codeOf(response)]).toEqual([401, 'unauthenticated']);
      }
      const write = await api().post('/v1/images').set(given).send({ image: {} });
      expect(write.status).toBe(401);
    });

    it('who names no end user', async () => {
      const response = await api().get('/v1/images').set(INTERNAL_HEADERS.serviceKey, KEY);
      expect([response.status, codeOf(response)]).toEqual([401, 'unauthenticated']);
    });

    it.each([
      '{',
      '"admin"',
      '{"isAdmin":true}',
      '[[[[[[]]]]]]',
      JSON.stringify({ ...ADMIN, roles: 'admin' }),
    ])('whose identity is %s', async (text) => {
      const identity = Buffer.from(text).toString('base64url');
      const response = await api()
        .get('/v1/images')
        .set({ ...headers(), [INTERNAL_HEADERS.identity]: identity });
      expect([response.status, codeOf(response)]).toEqual([400, 'invalid_request']);
    });

    it('beyond the identity that is signed for: loose role headers change nothing', async () => {
      const query = JSON.stringify(aQuery({ scope: 'all' }));
      const response = await api()
        .get('/v1/images')
        .query({ query })
        .set(headers(memberOf('p'), { 'X-Roles': 'admin' }));
      expect([response.status, codeOf(response)]).toEqual([403, 'forbidden']);
    });
  });

  it.each([
    ['/livez', 200],
    ['/v1', 200],
    ['/v1/nowhere', 404],
    ['/v1/images?limit=1', 400],
  ])('tells browsers and caches to keep away from %s', async (path, status) => {
    const response = await api().get(path).set(headers());
    expect(response.status).toBe(status);
    expect(response.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'",
    });
    expect(response.headers).not.toHaveProperty('x-powered-by');
  });

  it('accepts each of two keys, as they are read again', async () => {
    const statusWith = async (key: string): Promise<number> =>
      (
        await api()
          .get('/v1')
          .set({ ...headers(), [INTERNAL_HEADERS.serviceKey]: key })
      ).status;
    const use = (...next: string[]): void => {
      keys = next;
      serviceKeys.reload();
    };
    expect([await statusWith(KEY), await statusWith(NEXT_KEY)]).toEqual([200, 401]);
    use(KEY, NEXT_KEY);
    expect([await statusWith(KEY), await statusWith(NEXT_KEY)]).toEqual([200, 200]);
    expect(await statusWith(`${KEY},${NEXT_KEY}`)).toBe(401);
    use(NEXT_KEY);
    expect([await statusWith(KEY), await statusWith(NEXT_KEY)]).toEqual([401, 200]);
    expect(() => {
      use();
    }).toThrow(/no key any more/);
    expect([await statusWith(KEY), await statusWith(NEXT_KEY)]).toEqual([401, 200]);
    use(KEY);
  });

  it.each(['/livez', '/healthcheck'])('answers %s without a key', async (path) => {
    const response = await api().get(path);
    expect([response.status, response.text]).toEqual([200, 'OK']);
  });

  it('creates, reads, lists, updates, uploads and deletes', async () => {
    const created = await create({ name: 'whole story' });
    expect(created.status).toBe(201);
    const { id } = (created.body as { image: { id: string } }).image;
    const upload = anUpload();
    const steps: [string, string, object | undefined, number][] = [
      ['get', `/v1/images/${id}`, undefined, 200],
      ['patch', `/v1/images/${id}`, { fields: { name: 'renamed' } }, 200],
      ['post', `/v1/images/${id}/uploads`, upload, 201],
      ['get', `/v1/images/${id}/uploads/${upload.uploadId}`, undefined, 200],
      ['put', `/v1/images/${id}/uploads/${upload.uploadId}`, { bytesReceived: 3 }, 200],
      [
        'post',
        `/v1/images/${id}/uploads/${upload.uploadId}/commit`,
        {
          location: { url: 'file:///x', metadata: {} },
          sizeBytes: 3,
          virtualSizeBytes: null,
          checksum: 'c'.repeat(32),
          hashAlgorithm: 'sha512',
          hashValue: 'd'.repeat(128),
        },
        200,
      ],
      [
        'post',
        `/v1/images/${id}/uploads/${upload.uploadId}/abandon`,
        { reason: 'late', locationUrl: null },
        200,
      ],
      ['post', `/v1/images/${id}/deletion`, { delayed: false }, 201],
      ['post', `/v1/images/${id}/deletion/revert`, undefined, 200],
      ['post', `/v1/images/${id}/deletion`, { delayed: true }, 201],
      ['post', `/v1/images/${id}/deletion/finish`, undefined, 200],
      ['get', `/v1/images/${id}`, undefined, 404],
    ];
    for (const [method, path, body, status] of steps) {
      const call = api()[method as 'get'](path).set(headers());
      const response = await (body === undefined ? call : call.send(body));
      expect([method, path, response.status]).toEqual([method, path, status]);
    }
  });

  it('answers a repeated request key with its first answer', async () => {
    const key = { [INTERNAL_HEADERS.requestKey]: randomUUID() };
    const first = await create({ name: 'keyed' }, key);
    const second = await create({ name: 'keyed' }, key);
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    const { id } = (first.body as { image: { id: string } }).image;
    const elsewhere = await api()
      .patch(`/v1/images/${id}`)
      .set(headers(memberOf('p'), key))
      .send({ fields: { name: 'x' } });
    expect([elsewhere.status, codeOf(elsewhere)]).toEqual([409, 'conflict']);
  });

  it('does nothing for a caller whose deadline is over', async () => {
    const id = randomUUID();
    const late = await create({ id }, { [INTERNAL_HEADERS.deadline]: '0' });
    expect([late.status, codeOf(late)]).toEqual([503, 'database_unavailable']);
    expect(late.headers['retry-after']).toBe('1');
    expect((await create({ id })).status).toBe(201);
  });

  it.each([
    ['a name of an object prototype', { properties: [['__proto__', 'x']] }, 400],
    ['a constructor', { properties: [['constructor', 'x']] }, 400],
    ['an object for a text', { name: { id: 1 } }, 400],
    ['an array for a text', { name: ['a'] }, 400],
    ['a text for a number', { minDisk: '1' }, 400],
    ['a number too large', { minRam: 2 ** 31 }, 400],
    ['a field that no image has', { deleted: true }, 400],
    ['a character that the tables cannot hold', { name: 'smile 😀' }, 400],
    ['a NUL character', { name: 'a\u0000b' }, 400],
    ['a status of its own', { status: 'deleted' }, 400],
  ] as [string, object, number][])('refuses %s', async (_what, image, status) => {
    const response = await create(image);
    expect([response.status, codeOf(response)]).toEqual([status, 'invalid_request']);
  });

  it('refuses what is no JSON, too deep or too large', async () => {
    const send = (text: string) =>
      api().post('/v1/images').set(headers()).set('Content-Type', 'application/json').send(text);
    expect(codeOf(await send('{"image":'))).toBe('invalid_request');
    expect(codeOf(await send('['.repeat(200_000)))).toBe('invalid_request');
    expect(codeOf(await send(`{"image":{"name":"${'x'.repeat(1024 * 1024)}"}}`))).toBe('too_large');
    expect(codeOf(await send(''))).toBe('invalid_request');
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it.each(['', 'query=x', 'query=%5B%5D', 'query=1&query=2', 'query=%7B%22__proto__%22%3A1%7D'])(
    'refuses the list query %s',
    async (query) => {
      const response = await api().get(`/v1/images?${query}`).set(headers());
      expect([response.status, codeOf(response)]).toEqual([400, 'invalid_request']);
    },
  );

  it('tells unknown resources, methods and images apart', async () => {
    const get = async (path: string) => {
      const response = await api().get(path).set(headers());
      return [response.status, codeOf(response)];
    };
    expect(await get('/v2/images')).toEqual([404, 'not_found']);
    expect(await get(`/v1/images/${'x'.repeat(300)}`)).toEqual([404, 'image_not_found']);
    expect(await get(`/v1/images/${encodeURIComponent("' OR 1=1")}`)).toEqual([
      404,
      'image_not_found',
    ]);
    expect(await get(`/v1/images/${randomUUID()}/uploads/nothing`)).toEqual([404, 'not_found']);
    expect(await get('/v1/images/%E0%A4%A')).toEqual([400, 'invalid_request']);
    const method = await api().delete(`/v1/images/${randomUUID()}`).set(headers());
    expect([method.status, codeOf(method)]).toEqual([405, 'method_not_allowed']);
  });
});
