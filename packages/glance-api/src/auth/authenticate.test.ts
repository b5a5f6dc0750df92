import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

describe('authentication', () => {
  let server: TestApi;

  afterEach(async () => {
    await server.close();
  });

  /** The owner of an image the caller makes, or the status when it may not. */
  async function ownerOf(headers: Record<string, string>): Promise<string | number | null> {
    const answer = await request(server.url).post('/v1/images').set(headers);
    return answer.status === 201 ? (answer.body.image.owner as string | null) : answer.status;
  }

  /** Whether the caller is an administrator: only they may publish. */
  async function isAdmin(headers: Record<string, string>): Promise<boolean> {
    const answer = await request(server.url)
      .post('/v1/images')
      .set({ ...headers, 'x-image-meta-is_public': 'true' });
    return answer.status === 201;
  }

  describe('by trusted-auth', () => {
    const CONFIRMED = {
      'x-identity-status': 'Confirmed',
      'x-user-id': 'u',
      'x-project-id': 'p',
      'x-roles': 'member',
    };

    beforeEach(async () => {
      server = await startTestApi('--paste-deploy-flavor=trusted-auth');
    });

    it('believes the headers of the proxy', async () => {
      expect(await ownerOf(CONFIRMED)).toBe('p');
      expect(await isAdmin(CONFIRMED)).toBe(false);
      expect(await isAdmin({ ...CONFIRMED, 'x-roles': 'member, Admin ' })).toBe(true);
    });

    it('takes the project from the newest of its three names', async () => {
      const { 'x-project-id': _project, ...rest } = CONFIRMED;
      expect(await ownerOf({ ...rest, 'x-tenant': 'old', 'x-tenant-id': 'newer' })).toBe('newer');
      expect(await ownerOf({ ...rest, 'x-tenant': 'old' })).toBe('old');
    });

    it.each(['Invalid', 'confirmed', ''])('refuses the identity status %j', async (status) => {
      expect(await ownerOf({ ...CONFIRMED, 'x-identity-status': status })).toBe(401);
    });

    it('believes them from trusted proxies only, whom nobody can claim to be', async () => {
      await server.close();
      const parsing = '--oslo-middleware-enable-proxy-headers-parsing=true';
      server = await startTestApi(
        '--paste-deploy-flavor=trusted-auth',
        '--trusted-proxies=192.0.2.7',
        parsing,
      );
      expect(await ownerOf(CONFIRMED)).toBe(401);
      expect(await ownerOf({ ...CONFIRMED, 'x-forwarded-for': '192.0.2.7' })).toBe(401);
      await server.close();
      server = await startTestApi(
        '--paste-deploy-flavor=trusted-auth',
        '--trusted-proxies=192.0.2.7,127.0.0.0/8',
        parsing,
      );
      // The proxy is the peer, wherever it says that its client is.
      expect(await ownerOf({ ...CONFIRMED, 'x-forwarded-for': '198.51.100.1' })).toBe('p');
    });

    it('refuses a request without an identity', async () => {
      expect(await ownerOf({ 'x-roles': 'admin', 'x-user-id': 'u' })).toBe(401);
    });
  });

  describe('by fakeauth', () => {
    beforeEach(async () => {
      server = await startTestApi();
    });

    it('reads the token', async () => {
      expect(await ownerOf({ 'x-auth-token': 'u:p:member' })).toBe('p');
      expect(await isAdmin({ 'x-auth-token': 'u:p:member,admin' })).toBe(true);
      expect(await isAdmin({ 'x-auth-token': 'u:p:' })).toBe(false);
    });

    it('implies roles as Keystone does', async () => {
      await server.close();
      server = await startTestApi('--admin-role=boss');
      // An administrator no more, a member of the project all the same.
      expect(await isAdmin({ 'x-auth-token': 'u:p:admin' })).toBe(false);
      for (const role of ['admin', 'member', 'reader']) {
        const headers = { 'x-auth-token': `u:p:${role}` };
        await request(server.url).get('/v1/images').set(headers).expect(200);
        expect(await ownerOf(headers)).toBe(role === 'reader' ? 403 : 'p');
      }
    });

    it('reads the token as the glance client escapes it', async () => {
      expect(await ownerOf({ 'x-auth-token': 'u%3Ap%C3%A9%3Amember' })).toBe('pé');
      expect(await isAdmin({ 'x-auth-token': 'u%3Ap%3Amember%2Cadmin' })).toBe(true);
      expect(await ownerOf({ 'x-auth-token': 'u:100%25:member' })).toBe('100%25');
    });

    it('takes no identity headers beside it', async () => {
      const headers = { 'x-auth-token': 'u:p:member', 'x-roles': 'admin', 'x-project-id': 'other' };
      expect(await ownerOf(headers)).toBe('p');
      expect(await isAdmin(headers)).toBe(false);
    });

    it.each(['u:p', 'u:p:r:x', 'x', 'u%3Ap', '%', '%3A%3A%'])(
      'refuses the token %j',
      async (token) => {
        expect(await ownerOf({ 'x-auth-token': token })).toBe(401);
      },
    );
  });

  describe('switched off', () => {
    beforeEach(async () => {
      server = await startTestApi('--paste-deploy-flavor=');
    });

    it('makes everybody the administrator of one project, whose images are in its lists', async () => {
      expect(await ownerOf({})).toBe('admin');
      expect(await isAdmin({})).toBe(true);
      const list = await request(server.url).get('/v1/images').expect(200);
      expect(list.body.images).toHaveLength(2);
    });

    it('lets pages of its own origin change images, and those of others not', async () => {
      expect(await ownerOf({ origin: server.url })).toBe('admin');
      for (const origin of ['https://elsewhere.example', 'null', 'http://127.0.0.1:1']) {
        expect(await ownerOf({ origin })).toBe(403);
        await request(server.url).get('/v2/images').set({ origin }).expect(200);
      }
    });

    it('lets pages of origins change images that are allowed by name', async () => {
      await server.close();
      server = await startTestApi(
        '--paste-deploy-flavor=',
        '--cors-allowed-origin=https://horizon.example',
      );
      expect(await ownerOf({ origin: 'https://horizon.example' })).toBe('admin');
      expect(await ownerOf({ origin: 'https://elsewhere.example' })).toBe(403);
    });

    it('lets pages of its own origin change images where a trusted proxy shows it', async () => {
      await server.close();
      server = await startTestApi(
        '--paste-deploy-flavor=',
        '--trusted-proxies=127.0.0.1',
        '--oslo-middleware-enable-proxy-headers-parsing=true',
      );
      const origin = 'https://glance.example';
      expect(await ownerOf({ origin, 'x-forwarded-host': 'glance.example' })).toBe('admin');
      expect(await ownerOf({ origin })).toBe(403);
    });
  });
});

describe('a network address', () => {
  it.each([
    ['fakeauth', [], 'loopback'],
    ['trusted-auth', [], 'trusted_proxies'],
    ['', [], 'flavor is unset'],
  ])('is refused with flavor %j', async (flavor, more, text) => {
    await expect(
      startTestApi('--bind-host=0.0.0.0', `--paste-deploy-flavor=${flavor}`, ...more),
    ).rejects.toThrow(text);
  });

  it('is accepted without authentication only when that is said', async () => {
    const server = await startTestApi(
      '--bind-host=0.0.0.0',
      '--paste-deploy-flavor=',
      '--allow-unauthenticated-network',
    );
    await server.close();
  });
});
