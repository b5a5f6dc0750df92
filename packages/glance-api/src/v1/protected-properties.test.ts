import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const USER = 'alice:project-a:member,builder';
const OTHER_ROLE = 'alice:project-a:member';
const ADMIN = 'root:admin:admin';
const SERVICE = 'nova:project-a:member,SPL';

/** Sections are searched for in this order. */
const PROTECTIONS = `
[^x_none_]
create = !
read = !
update = !
delete = !

[^x_open_]
create = @
read = @
update = @
delete = @

[^x_owner_]
create = Admin, builder
read = admin, builder
update = admin, builder
delete = admin

[^x_hidden_]
create = admin, spl
read = admin, spl
update = admin, spl
delete = admin, spl

[^x_fixed_]
create = admin, builder
read = @
update = admin
delete = admin

[_owner_]
create =
read = @
update =
delete =
`;

describe('v1 with protected properties', () => {
  let server: TestApi;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-props-'));
    await protections(PROTECTIONS);
    server = await startTestApi(`--property-protection-file=${path.join(directory, 'props.conf')}`);
  });

  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const protections = (text: string): Promise<void> =>
    writeFile(path.join(directory, 'props.conf'), text);

  const as = (token: string) => {
    const agent = request.agent(server.url);
    agent.set('X-Auth-Token', token);
    return agent;
  };

  const headersOf = (properties: Record<string, string>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(properties).map(([name, value]) => [`x-image-meta-property-${name}`, value]),
    );

  async function created(properties: Record<string, string>, token = ADMIN): Promise<string> {
    const answer = await as(token)
      .post('/v1/images')
      .set({ ...headersOf(properties), 'x-image-meta-owner': 'project-a' })
      .expect(201);
    return answer.body.image.id;
  }

  const put = (id: string, properties: Record<string, string>, token: string, purge: boolean) =>
    as(token)
      .put(`/v1/images/${id}`)
      .set({ ...headersOf(properties), 'x-glance-registry-purge-props': String(purge) });

  /** Everything that is stored, through the registry. */
  async function stored(id: string): Promise<unknown> {
    const image = await server.registry.getImage(id, {
      identity: {
        userId: 'test',
        projectId: 'admin',
        roles: ['admin'],
        isAdmin: true,
        readOnly: false,
      },
      requestId: 'req-test',
    });
    return Object.fromEntries(image.properties);
  }

  it.each([
    ['x_open_a', USER, 201],
    ['x_owner_a', USER, 201],
    ['x_owner_a', OTHER_ROLE, 403],
    ['x_hidden_a', USER, 403],
    ['x_hidden_a', SERVICE, 201],
    ['x_none_a', ADMIN, 403],
    // Found in the middle of the name; who may is an empty list.
    ['my_owner_a', ADMIN, 403],
    // No pattern is found in it.
    ['anything', ADMIN, 403],
    // Names are compared as they are stored.
    ['X-Open-A', USER, 201],
  ])('%s is created by %s: %d', async (property, token, status) => {
    const answer = await as(token)
      .post('/v1/images')
      .set(headersOf({ [property]: 'v' }));
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.text).toContain(`Property '${property}' is protected`);
  });

  it('§11.63: unreadable properties vanish from HEAD, GET, detail and the answer to PUT', async () => {
    const answer = await as(SERVICE)
      .post('/v1/images')
      .set(headersOf({ x_hidden_a: 'secret', x_open_a: 'b' }))
      .set('x-image-meta-size', '0')
      .expect(201);
    const { id } = answer.body.image;
    for (const [token, sees] of [
      [SERVICE, true],
      [ADMIN, true],
      [USER, false],
    ] as const) {
      for (const call of [as(token).head(`/v1/images/${id}`), as(token).get(`/v1/images/${id}`)]) {
        const { headers } = await call.expect(200);
        expect('x-image-meta-property-x_hidden_a' in headers).toBe(sees);
        expect(headers['x-image-meta-property-x_open_a']).toBe('b');
      }
      const changed = await put(id, {}, token, false).expect(200);
      expect('x_hidden_a' in changed.body.image.properties).toBe(sees);
    }
    const detail = await as(USER).get('/v1/images/detail').expect(200);
    expect(detail.text).toContain(id);
    expect(detail.text).not.toContain('secret');
    // Nor does a filter tell.
    const found = await as(USER).get('/v1/images?property-x_hidden_a=secret').expect(200);
    expect(found.body.images).toEqual([]);
    const known = await as(SERVICE).get('/v1/images?property-x_hidden_a=secret').expect(200);
    expect(known.body.images).toHaveLength(1);
  });

  it('§11.63: a value that stays may be sent, another one needs update', async () => {
    const id = await created({ x_fixed_a: 'old', x_hidden_a: 'h' });
    await put(id, { x_fixed_a: 'old' }, USER, false).expect(200);
    const refused = await put(id, { x_fixed_a: 'new' }, USER, false).expect(403);
    expect(refused.text).toContain("Property 'x_fixed_a' is protected");
    // What cannot be read cannot be guessed either.
    await put(id, { x_hidden_a: 'h' }, USER, false).expect(403);
    await put(id, { x_hidden_b: 'h' }, USER, false).expect(403);
    await put(id, { x_fixed_a: 'new', x_hidden_a: 'i' }, ADMIN, false).expect(200);
    expect(await stored(id)).toEqual({ x_fixed_a: 'new', x_hidden_a: 'i' });
  });

  it('§11.63: a purge keeps what is unreadable, and needs delete for what is not', async () => {
    const id = await created({ x_hidden_a: 'h', x_open_a: 'o' });
    const purged = await put(id, { x_open_b: 'p' }, USER, true).expect(200);
    expect(purged.body.image.properties).toEqual({ x_open_b: 'p' });
    expect(await stored(id)).toEqual({ x_hidden_a: 'h', x_open_b: 'p' });

    const fixed = await created({ x_fixed_a: 'f', x_open_a: 'o' });
    const refused = await put(fixed, { x_open_b: 'p' }, USER, true).expect(403);
    expect(refused.text).toContain("Property 'x_fixed_a' is protected");
    expect(await stored(fixed)).toEqual({ x_fixed_a: 'f', x_open_a: 'o' });
    await put(fixed, { x_fixed_a: 'f' }, USER, true).expect(200);
    expect(await stored(fixed)).toEqual({ x_fixed_a: 'f' });
  });

  it('§11.63: "!" binds administrators', async () => {
    const id = await created({ x_open_a: 'o' });
    server.registry.overwrite(id, { properties: [['x_none_a', 'n']] });
    const head = await as(ADMIN).head(`/v1/images/${id}`).expect(200);
    expect(head.headers).not.toHaveProperty('x-image-meta-property-x_none_a');
    await put(id, { x_none_a: 'n' }, ADMIN, false).expect(403);
    await put(id, {}, ADMIN, true).expect(200);
    expect(await stored(id)).toEqual({ x_none_a: 'n' });
  });

  it('protects what a database takes for the same name', async () => {
    const id = await created({});
    server.registry.overwrite(id, { properties: [['X_Fixed_A', 'f']] });
    await put(id, { x_fixed_a: 'g' }, USER, false).expect(403);
    expect(await stored(id)).toEqual({ X_Fixed_A: 'f' });
  });

  it('refuses before anything is stored, also with data', async () => {
    const upload = {
      'content-type': 'application/octet-stream',
      'x-image-meta-disk_format': 'raw',
      'x-image-meta-container_format': 'bare',
    };
    await as(OTHER_ROLE)
      .post('/v1/images')
      .set({ ...upload, ...headersOf({ x_owner_a: 'v' }), 'x-image-meta-name': 'refused' })
      .send(Buffer.from('data'))
      .expect(403);
    expect((await as(ADMIN).get('/v1/images?name=refused&is_public=none')).body.images).toEqual([]);
    const id = await created({ x_fixed_a: 'f', x_hidden_a: 'h' });
    await as(USER)
      .put(`/v1/images/${id}`)
      .set({ ...upload, ...headersOf({ x_fixed_a: 'g' }) })
      .send(Buffer.from('data'))
      .expect(403);
    const filled = await as(USER)
      .put(`/v1/images/${id}`)
      .set({ ...upload, ...headersOf({ x_open_a: 'g' }) })
      .send(Buffer.from('data'))
      .expect(200);
    expect(filled.body.image).toMatchObject({
      status: 'active',
      properties: { x_fixed_a: 'f', x_open_a: 'g' },
    });
  });

  it('holds a changed file from the next request on', async () => {
    await protections('[.*]\ncreate = !\nread = @\nupdate = !\ndelete = !\n');
    await as(USER)
      .post('/v1/images')
      .set(headersOf({ x_open_a: 'v' }))
      .expect(403);
    await protections('[.*]\ncreate = @\n');
    await as(USER)
      .post('/v1/images')
      .set(headersOf({ x_open_a: 'v' }))
      .expect(403);
    await protections(PROTECTIONS);
    await as(USER)
      .post('/v1/images')
      .set(headersOf({ x_open_a: 'v' }))
      .expect(201);
  });

  describe('in the format "policies"', () => {
    let other: TestApi;

    afterEach(() => other.close());

    it('asks policy rules', async () => {
      await writeFile(path.join(directory, 'rules.yaml'), '"trusted": "project_id:project-t"');
      const file = path.join(directory, 'policies.conf');
      await writeFile(file, '[.*]\ncreate = trusted\nread = @\nupdate = trusted\ndelete = !\n');
      other = await startTestApi(
        `--property-protection-file=${file}`,
        '--property-protection-rule-format=policies',
        `--oslo-policy-policy-file=${path.join(directory, 'rules.yaml')}`,
      );
      const post = (token: string) =>
        request(other.url)
          .post('/v1/images')
          .set({ 'x-auth-token': token, 'x-image-meta-property-a': 'v' });
      await post(USER).expect(403);
      await post('tom:project-t:member').expect(201);

      // Both files at once, the one that needs the other first.
      await writeFile(file, '[.*]\ncreate = anew\nread = @\nupdate = @\ndelete = !\n');
      await writeFile(path.join(directory, 'rules.yaml'), '"anew": "project_id:project-a"');
      await post('tom:project-t:member').expect(403);
      await post(USER).expect(201);

      // One after the other: until there is the rule, the file that needs it changes nothing.
      await writeFile(file, '[.*]\ncreate = late\nread = @\nupdate = @\ndelete = !\n');
      await post(USER).expect(201);
      await writeFile(path.join(directory, 'rules.yaml'), '"late": "project_id:project-t"');
      await post(USER).expect(403);
      await post('tom:project-t:member').expect(201);
    });
  });

  describe('as trusted-auth tells them', () => {
    let other: TestApi;

    afterEach(() => other.close());

    it('service roles count like roles', async () => {
      other = await startTestApi(
        '--paste-deploy-flavor=trusted-auth',
        `--property-protection-file=${path.join(directory, 'props.conf')}`,
      );
      const post = (roles: Record<string, string>) =>
        request(other.url)
          .post('/v1/images')
          .set({ 'x-identity-status': 'Confirmed', 'x-project-id': 'p', ...roles })
          .set(headersOf({ x_hidden_a: 'v' }));
      await post({ 'x-roles': 'member' }).expect(403);
      await post({ 'x-roles': 'member', 'x-service-roles': 'Spl' }).expect(201);
    });
  });

  it.each([
    ['/nonexistent/props.conf', 'property_protection_file = /nonexistent/props.conf: there is no'],
    ['broken.conf', 'broken.conf:1: [*] is no regular expression'],
  ])('does not start with %s', async (file, text) => {
    await writeFile(path.join(directory, 'broken.conf'), '[*]\ncreate = @\nread = @\n');
    await expect(
      startTestApi(`--property-protection-file=${path.resolve(directory, file)}`),
    ).rejects.toThrow(text);
  });
});
