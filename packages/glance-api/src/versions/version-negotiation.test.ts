import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const VENDOR = 'application/vnd.openstack.images-';

describe('version negotiation', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(async () => {
    await server.close();
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    request(server.url)
      .get(path)
      .set({ 'x-auth-token': 'u:p:member', ...headers })
      .redirects(0);

  // §11.4
  it('tells the versions that work, in their order, to anybody', async () => {
    const answer = await request(server.url).get('/versions').expect(200);
    const entry = (id: string, status: string) => ({
      id,
      status,
      links: [{ rel: 'self', href: `${server.url}/${id.slice(0, 2)}/` }],
    });
    const older = ['v2.7', 'v2.6', 'v2.5', 'v2.4', 'v2.3', 'v2.2', 'v2.1', 'v2.0'];
    expect(answer.body).toEqual({
      versions: [
        entry('v2.15', 'SUPPORTED'),
        entry('v2.9', 'SUPPORTED'),
        entry('v2.17', 'CURRENT'),
        ...older.map((id) => entry(id, 'SUPPORTED')),
        entry('v1.1', 'DEPRECATED'),
        entry('v1.0', 'DEPRECATED'),
      ],
    });
    expect(answer.headers['content-type']).toBe('application/json');
    await request(server.url).post('/versions/anything').expect(200);
  });

  // §11.4
  it.each([
    '/',
    '/images',
    '/v1.2/images',
    '/v1.a/images',
    '/v10',
    '/v2.19/images',
    '/va.1/images',
  ])('answers 300 with the versions for %s', async (path) => {
    const answer = await get(path).expect(300);
    expect(answer.body.versions).toHaveLength(13);
  });

  it.each(['/', '/v2/images', '/v2/nothing', '/v1/images/x'])(
    'answers OPTIONS of %s, to anybody and with nothing',
    async (path) => {
      const answer = await request(server.url).options(path).expect(200);
      expect(answer.text).toBe('');
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    },
  );

  it.each(['/v1/images', '/v1.0/images', '/v1.1/images'])('serves %s', async (path) => {
    expect((await get(`${path}?limit=1`).expect(200)).body).toEqual({ images: [] });
  });

  // §11.3
  it.each(['/v1', '/v1.0', '/v1.1', '/v2', '/v2.7', '/v2.17'])(
    'sends %s to its version',
    async (path) => {
      const answer = await get(path).expect(302);
      expect(answer.headers['location']).toBe(`${server.url}${path.slice(0, 3)}/`);
    },
  );

  it.each(['v1', 'v1.0', 'v1.1'])('serves %s when Accept names it', async (version) => {
    const answer = await get('/images', { accept: `${VENDOR}${version}` }).expect(200);
    expect(answer.body).toEqual({ images: [] });
  });

  it.each([`${VENDOR}v10`, `${VENDOR}v1, text/html`, 'application/vnd.openstack.compute-v1', 'x'])(
    'answers 300 when Accept is %s',
    async (accept) => {
      await get('/images', { accept }).expect(300);
    },
  );

  it('takes the path whole when Accept names the version', async () => {
    await get('/v1/images', { accept: `${VENDOR}v1` }).expect(404);
  });

  it('repeats no Host that is no host', async () => {
    const answer = await request(server.url).get('/versions').set('host', 'evil"><x');
    expect(answer.text).not.toContain('evil');
  });

  it('announces and routes no version that is switched off', async () => {
    const off = await startTestApi('--enable-v1-api=false', '--enable-v2-api=false');
    try {
      expect((await request(off.url).get('/versions')).body).toEqual({ versions: [] });
      await request(off.url).get('/v1/images').expect(300);
      await request(off.url).get('/v2/images').expect(300);
    } finally {
      await off.close();
    }
  });

  it('builds its links on public_endpoint when there is one', async () => {
    const proxied = await startTestApi('--public-endpoint=https://images.example/prefix/');
    try {
      const answer = await request(proxied.url).get('/versions');
      expect(answer.body.versions[0].links[0].href).toBe('https://images.example/prefix/v2/');
    } finally {
      await proxied.close();
    }
  });

  describe('behind a proxy', () => {
    const SEEN_FROM_OUTSIDE = {
      'x-forwarded-for': '192.0.2.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'glance.example',
      'x-forwarded-prefix': '/image',
    };
    const parsing = '--oslo-middleware-enable-proxy-headers-parsing=true';
    const linkOf = async (...flags: string[]): Promise<string> => {
      const proxied = await startTestApi(...flags);
      try {
        const versions = await request(proxied.url).get('/versions').set(SEEN_FROM_OUTSIDE);
        const redirect = await request(proxied.url)
          .get('/v2')
          .set(SEEN_FROM_OUTSIDE)
          .redirects(0)
          .expect(302);
        const link = versions.body.versions[0].links[0].href as string;
        expect(redirect.headers['location']).toBe(link);
        return link.replace(proxied.url, 'OWN');
      } finally {
        await proxied.close();
      }
    };

    it('that is trusted, builds its links as the client must follow them', async () => {
      expect(await linkOf('--trusted-proxies=127.0.0.1', parsing)).toBe(
        'https://glance.example/image/v2/',
      );
    });

    it('that is not trusted or not to be parsed, builds them on its own address', async () => {
      expect(await linkOf()).toBe('OWN/v2/');
      expect(await linkOf(parsing)).toBe('OWN/v2/');
      expect(await linkOf('--trusted-proxies=192.0.2.9', parsing)).toBe('OWN/v2/');
      expect(await linkOf('--trusted-proxies=127.0.0.1')).toBe('OWN/v2/');
    });

    it('learns the protocol from the header that is named for it', async () => {
      const named = '--secure-proxy-ssl-header=HTTP_X_FORWARDED_PROTO';
      expect(await linkOf(named)).toBe('OWN/v2/');
      expect(await linkOf(named, '--trusted-proxies=127.0.0.1')).toMatch(
        /^https:\/\/127\.0\.0\.1:\d+\/v2\/$/,
      );
    });
  });
});
