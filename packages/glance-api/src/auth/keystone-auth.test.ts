import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { FakeKeystone } from '@glance/keystone-client/testing';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ACCESS = [
  '--paste-deploy-flavor=keystone',
  '--keystone-authtoken-username=glance',
  '--keystone-authtoken-password=secret',
  '--keystone-authtoken-project-name=service',
];

describe('authentication by Keystone', () => {
  let keystone: FakeKeystone;
  let server: TestApi | undefined;

  beforeEach(async () => {
    keystone = await FakeKeystone.start();
    keystone.addToken('member-token', { user: 'u', project: 'p', roles: ['Member', 'Reader'] });
    keystone.addToken('admin-token', { project: 'ops', roles: ['admin', 'member', 'reader'] });
  });

  afterEach(async () => {
    await server?.close();
    server = undefined;
    await keystone.stop();
  });

  async function start(...flags: string[]): Promise<string> {
    const authUrl = `--keystone-authtoken-auth-url=${keystone.url}`;
    server = await startTestApi(...ACCESS, authUrl, ...flags);
    return server.url;
  }

  /** The owner of an image that the holder of a token makes, or the status when he may not. */
  async function ownerFor(url: string, headers: Record<string, string>): Promise<string | number> {
    const answer = await request(url).post('/v2/images').set(headers).send({});
    return answer.status === 201 ? (answer.body.owner as string) : answer.status;
  }

  const list = (url: string, headers: Record<string, string>) =>
    request(url).get('/v2/images').set(headers);

  it('takes user, project and roles from Keystone, and from nowhere else', async () => {
    const url = await start();
    const forged = {
      'x-roles': 'admin',
      'x-project-id': 'other',
      'x-identity-status': 'Confirmed',
    };
    expect(await ownerFor(url, { 'x-auth-token': 'member-token', ...forged })).toBe('p');
    await request(url)
      .post('/v2/images')
      .set({ 'x-auth-token': 'member-token', ...forged })
      .send({ visibility: 'public' })
      .expect(403);
    await request(url)
      .post('/v2/images')
      .set('x-auth-token', 'admin-token')
      .send({ visibility: 'public' })
      .expect(201);
    expect(await ownerFor(url, forged)).toBe(401);
  });

  it.each(['none', '', 'a b'])('refuses the token %j and says where to get one', async (token) => {
    const url = await start('--keystone-authtoken-www-authenticate-uri=https://id.example/v3');
    const answer = await list(url, { 'x-auth-token': token }).expect(401);
    expect(answer.headers['www-authenticate']).toBe('Keystone uri="https://id.example/v3"');
  });

  it('refuses a request without a token, and lets it read when that is configured', async () => {
    const url = await start();
    const answer = await list(url, {}).expect(401);
    expect(answer.headers['www-authenticate']).toBe(`Keystone uri="${keystone.url}"`);
    await server?.close();
    const open = await start('--allow-anonymous-access');
    await list(open, {}).expect(200);
    expect(await ownerFor(open, {})).toBe(403);
    // A token that is none is no reason to read on as nobody.
    await list(open, { 'x-auth-token': '' }).expect(401);
    await list(open, { 'x-auth-token': 'none' }).expect(401);
  });

  it('answers 503 and not 401 while Keystone does not answer', async () => {
    const url = await start();
    await list(url, { 'x-auth-token': 'member-token' }).expect(200);
    keystone.failWith = 500;
    const answer = await list(url, { 'x-auth-token': 'admin-token' }).expect(503);
    expect(answer.headers['retry-after']).toBeDefined();
    expect(answer.headers['www-authenticate']).toBeUndefined();
    // Whom it knows already it serves on.
    await list(url, { 'x-auth-token': 'member-token' }).expect(200);
    keystone.failWith = undefined;
    await list(url, { 'x-auth-token': 'admin-token' }).expect(200);
  });

  it('answers 503 while Keystone does not accept the service itself', async () => {
    keystone.password = 'another';
    const url = await start();
    const answer = await list(url, { 'x-auth-token': 'member-token' }).expect(503);
    expect(answer.text).not.toContain('secret');
  });

  it('forgets what a revoked token was after token_cache_time', async () => {
    const url = await start('--keystone-authtoken-token-cache-time=0');
    await list(url, { 'x-auth-token': 'member-token' }).expect(200);
    keystone.revokeToken('member-token');
    await list(url, { 'x-auth-token': 'member-token' }).expect(401);
  });

  it.each([
    ['system', { scope: 'system', roles: ['admin', 'member', 'reader'] }],
    ['domain', { scope: 'domain', roles: ['admin', 'member', 'reader'] }],
    ['no project', { project: null, roles: [] }],
  ] as const)('lets tokens for %s do nothing', async (_, token) => {
    keystone.addToken('t', { ...token, roles: [...token.roles] });
    const url = await start();
    await list(url, { 'x-auth-token': 't' }).expect(403);
    expect(await ownerFor(url, { 'x-auth-token': 't' })).toBe(403);
  });

  it('ends an upload whose token ended meanwhile as its owner began it', async () => {
    keystone.addToken('short', { user: 'u', project: 'p', lifeMs: 1500 });
    const url = await start('--keystone-authtoken-token-cache-time=0');
    const headers = { 'x-auth-token': 'short' };
    const image = await request(url)
      .post('/v2/images')
      .set(headers)
      .send({ disk_format: 'raw', container_format: 'bare' })
      .expect(201);
    const id = image.body.id as string;
    const upload = http.request(`${url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
    });
    const status = new Promise((resolve, reject) => {
      upload.once('response', (answer) => resolve(answer.resume().statusCode));
      upload.once('error', reject);
    });
    upload.write(randomBytes(1000));
    while ((await list(url, headers)).status !== 401) {
      upload.write(randomBytes(1000));
    }
    upload.end();
    expect(await status).toBe(204);
    const stored = await request(url)
      .get(`/v2/images/${id}`)
      .set('x-auth-token', 'member-token')
      .expect(200);
    expect(stored.body).toMatchObject({ status: 'active', owner: 'p' });
  });

  describe('with a service token', () => {
    beforeEach(() => {
      keystone.addToken('ended', { project: 'p', lifeMs: -1000 });
      keystone.addToken('nova', { project: 'service', roles: ['service'] });
    });

    it('takes a token of a user that has ended', async () => {
      const url = await start();
      await list(url, { 'x-auth-token': 'ended' }).expect(401);
      await list(url, { 'x-auth-token': 'ended', 'x-service-token': 'nova' }).expect(200);
      await list(url, { 'x-auth-token': 'ended' }).expect(401);
      await list(url, { 'x-service-token': 'nova' }).expect(401);
    });

    it('needs one that is valid, and of a service', async () => {
      const url = await start();
      const headers = { 'x-auth-token': 'ended', 'x-service-token': 'member-token' };
      await list(url, headers).expect(401);
      await list(url, { ...headers, 'x-auth-token': 'member-token' }).expect(200);
      for (const service of ['none', '']) {
        await list(url, { 'x-auth-token': 'member-token', 'x-service-token': service }).expect(401);
      }
    });

    it('refuses what is no service when roles of services are required', async () => {
      const url = await start(
        '--keystone-authtoken-service-token-roles-required',
        '--keystone-authtoken-service-token-roles=Nova, cinder',
      );
      const headers = { 'x-auth-token': 'member-token', 'x-service-token': 'nova' };
      await list(url, headers).expect(401);
      keystone.addToken('cinder', { roles: ['Cinder'] });
      await list(url, { ...headers, 'x-service-token': 'cinder' }).expect(200);
    });
  });

  it('keeps to the access rules of an application credential', async () => {
    keystone.addToken('t', {
      project: 'p',
      accessRules: [{ service: 'image', method: 'GET', path: '/v2/images/**' }],
    });
    const url = await start();
    await list(url, { 'x-auth-token': 't' }).expect(200);
    expect(await ownerFor(url, { 'x-auth-token': 't' })).toBe(401);
    await request(url).get('/v2/schemas/image').set('x-auth-token', 't').expect(401);
    await server?.close();
    const other = await start('--keystone-authtoken-service-type=volume');
    await list(other, { 'x-auth-token': 't' }).expect(401);
  });

  it.each([
    [['--keystone-authtoken-auth-url='], 'auth_url is not set'],
    [['--keystone-authtoken-password='], 'password is not set'],
    [['--keystone-authtoken-auth-url=http://host/v2.0'], 'auth_url cannot be used'],
    [['--keystone-authtoken-insecure'], 'insecure = true is not supported'],
    [['--keystone-authtoken-cafile=/nowhere'], 'cafile = /nowhere: the file does not exist'],
    [['--keystone-authtoken-certfile=/x'], 'certfile and keyfile must be set together'],
    [
      ['--keystone-authtoken-auth-type=v3applicationcredential'],
      'application_credential_id is not set',
    ],
  ])('does not start with %j', async (flags, text) => {
    await expect(start(...flags)).rejects.toThrow(text);
  });
});
