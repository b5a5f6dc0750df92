import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const USER = 'alice:project-a:member';
const ADMIN = 'root:admin:admin';
const OCTETS = { 'content-type': 'application/octet-stream' };
const RAW = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };

describe('v1 under policy rules', () => {
  let server: TestApi;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-policy-'));
    await rules({});
    server = await startTestApi(`--oslo-policy-policy-file=${path.join(directory, 'rules.yaml')}`);
  });

  afterEach(() => rules({}));

  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const rules = (wanted: Record<string, string>): Promise<void> =>
    writeFile(path.join(directory, 'rules.yaml'), JSON.stringify(wanted));

  const as = (token: string) => {
    const agent = request.agent(server.url);
    agent.set('X-Auth-Token', token);
    return agent;
  };

  async function uploaded(headers: Record<string, string> = {}): Promise<string> {
    const answer = await as(USER)
      .post('/v1/images')
      .set({ ...OCTETS, ...RAW, ...headers })
      .send(Buffer.from('data'))
      .expect(201);
    return answer.body.image.id;
  }

  async function reserved(): Promise<string> {
    const answer = await as(USER).post('/v1/images').set(RAW).expect(201);
    return answer.body.image.id;
  }

  type Call = (id: string) => request.Test;
  const CALLS: [string, string, Call, number][] = [
    ['get_images', 'list', () => as(USER).get('/v1/images'), 200],
    ['get_images', 'detailed list', () => as(USER).get('/v1/images/detail'), 200],
    ['get_image', 'HEAD', (id) => as(USER).head(`/v1/images/${id}`), 200],
    ['get_image', 'GET', (id) => as(USER).get(`/v1/images/${id}`), 404],
    ['add_image', 'POST', () => as(USER).post('/v1/images'), 201],
    [
      'publicize_image',
      'POST of a public image',
      () => as(ADMIN).post('/v1/images').set('x-image-meta-is_public', 'true'),
      201,
    ],
    [
      'publicize_image',
      'PUT of a public image',
      (id) => as(ADMIN).put(`/v1/images/${id}`).set('x-image-meta-is_public', 'true'),
      200,
    ],
    [
      'upload_image',
      'POST of data',
      () =>
        as(USER)
          .post('/v1/images')
          .set({ ...OCTETS, ...RAW })
          .send(Buffer.from('data')),
      201,
    ],
    [
      'upload_image',
      'PUT of data',
      (id) => as(USER).put(`/v1/images/${id}`).set(OCTETS).send(Buffer.from('data')),
      200,
    ],
    ['modify_image', 'PUT', (id) => as(USER).put(`/v1/images/${id}`), 200],
    ['delete_image', 'DELETE', (id) => as(USER).delete(`/v1/images/${id}`), 200],
    ['get_members', 'list of members', (id) => as(USER).get(`/v1/images/${id}/members`), 200],
    ['modify_member', 'PUT of a member', (id) => as(USER).put(`/v1/images/${id}/members/m`), 204],
    ['add_member', 'PUT of a member', (id) => as(USER).put(`/v1/images/${id}/members/m`), 204],
    [
      'modify_member',
      'PUT of all members',
      (id) => as(USER).put(`/v1/images/${id}/members`).send({ memberships: [] }),
      204,
    ],
    [
      'delete_member',
      'DELETE of a member',
      (id) => as(USER).delete(`/v1/images/${id}/members/m`),
      404,
    ],
  ];

  it.each(CALLS)('§11.47: %s decides about a %s', async (action, _what, call, otherwise) => {
    const id = await reserved();
    await rules({ [action]: '!' });
    await call(id).expect(403);
    const unknown = await call(randomUUID());
    expect(unknown.status).toBe(403);
    await rules({});
    await call(id).expect(otherwise);
  });

  it('says which action was refused', async () => {
    await rules({ get_images: 'role:auditor' });
    const refused = await as(USER).get('/v1/images').expect(403);
    expect(refused.text).toContain('You are not authorized to complete get_images action.');
    await as('eve:project-e:auditor').get('/v1/images').expect(200);
  });

  it('§11.45: download_image refuses the same for every id', async () => {
    const id = await uploaded();
    const deleted = await uploaded();
    await as(USER).delete(`/v1/images/${deleted}`).expect(200);
    const queued = await reserved();
    await rules({ download_image: '!' });
    for (const each of [id, deleted, queued, randomUUID(), 'not-an-id']) {
      await as(USER).get(`/v1/images/${each}`).expect(403);
      await as(ADMIN).get(`/v1/images/${each}`).expect(403);
    }
    await as(USER).head(`/v1/images/${id}`).expect(200);
    await rules({});
    await as(USER).get(`/v1/images/${deleted}`).expect(404);
    await as(USER).get(`/v1/images/${id}`).expect(200);
  });

  it('§11.46: download_image may ask for fields and properties of the image', async () => {
    const id = await uploaded({
      'x-image-meta-property-x_test_key': 'test_1234',
      'x-image-meta-property-min_ram': '77',
      'x-image-meta-min_ram': '512',
    });
    const download = async (rule: string, token = USER): Promise<number> => {
      await rules({ restricted: rule, download_image: 'role:admin or rule:restricted' });
      return (await as(token).get(`/v1/images/${id}`)).status;
    };
    expect(await download("not ('test_1234':%(x_test_key)s and role:member)")).toBe(403);
    expect(await download("not ('test_1234':%(x_test_key)s and role:member)", ADMIN)).toBe(200);
    expect(await download("not ('other':%(x_test_key)s and role:member)")).toBe(200);
    expect(await download('not (512:%(min_ram)s and role:member)')).toBe(403);
    expect(await download('not (77:%(min_ram)s and role:member)')).toBe(200);
    expect(await download('project_id:%(owner)s')).toBe(200);
    expect(await download('project_id:%(project_id)s')).toBe(200);
    expect(await download('user_id:%(owner)s')).toBe(403);
    expect(await download("'False':%(is_public)s")).toBe(200);
  });

  it('every change may ask for fields and properties of the image', async () => {
    const golden = await uploaded({ 'x-image-meta-property-golden': 'yes' });
    const plain = await uploaded();
    const rule = "role:member and not 'yes':%(golden)s";
    await rules({ modify_image: rule, delete_image: rule, add_member: rule });
    for (const [id, changed, shared, deleted] of [
      [golden, 403, 403, 403],
      [plain, 200, 204, 200],
      [randomUUID(), 404, 404, 404],
    ] as const) {
      await as(USER).put(`/v1/images/${id}`).expect(changed);
      await as(USER).put(`/v1/images/${id}/members/m`).expect(shared);
      await as(USER).delete(`/v1/images/${id}`).expect(deleted);
    }
  });

  it('an administrator is asked about the image as it is', async () => {
    const id = await uploaded();
    await rules({ delete_image: "not 'project-a':%(owner)s" });
    await as(ADMIN).delete(`/v1/images/${id}`).expect(403);
    await rules({});
    await as(ADMIN).delete(`/v1/images/${id}`).expect(200);
  });

  it('takes whom context_is_admin names for an administrator', async () => {
    const boss = 'carol:project-c:reader,cloud_boss';
    const id = await reserved();
    await as(boss).head(`/v1/images/${id}`).expect(404);
    await rules({ context_is_admin: 'role:cloud_boss' });
    await as(boss).head(`/v1/images/${id}`).expect(200);
    await as(boss).post('/v1/images').set('x-image-meta-is_public', 'true').expect(201);
  });

  it('refuses a malformed request before it asks the rules', async () => {
    await rules({ add_image: '!', modify_image: '!' });
    await as(USER).post('/v1/images').set('x-image-meta-foo', 'x').expect(400);
    await as(USER).put(`/v1/images/${randomUUID()}`).set('x-image-meta-size', 'x').expect(400);
  });
});

describe('v1 by the roles of the caller', () => {
  const READER = 'rita:project-a:reader';
  const NO_ROLE = 'nina:project-a:';
  let server: TestApi;

  afterEach(() => server.close());

  const as = (token: string) => {
    const agent = request.agent(server.url);
    agent.set('X-Auth-Token', token);
    return agent;
  };

  async function uploaded(token: string, headers: Record<string, string> = {}): Promise<string> {
    const answer = await as(token)
      .post('/v1/images')
      .set({ ...OCTETS, ...RAW, ...headers })
      .send(Buffer.from('data'))
      .expect(201);
    return answer.body.image.id;
  }

  /** What a caller is told: reads and writes of an image, and a write of one that is not there. */
  async function statuses(token: string, id: string): Promise<Record<string, number>> {
    const api = as(token);
    const members = `/v1/images/${id}/members`;
    const calls: Record<string, request.Test> = {
      list: api.get('/v1/images'),
      detail: api.get('/v1/images/detail'),
      show: api.head(`/v1/images/${id}`),
      'list members': api.get(members),
      download: api.get(`/v1/images/${id}`),
      create: api.post('/v1/images'),
      'create with data': api
        .post('/v1/images')
        .set({ ...OCTETS, ...RAW })
        .send('data'),
      change: api.put(`/v1/images/${id}`).set('x-image-meta-name', 'changed'),
      share: api.put(`${members}/project-x`),
      'share anew': api.put(members).send({ memberships: [] }),
      'end sharing': api.delete(`${members}/project-x`),
      'delete what is not there': api.delete(`/v1/images/${randomUUID()}`),
      delete: api.delete(`/v1/images/${id}`),
    };
    const answers: Record<string, number> = {};
    for (const [name, call] of Object.entries(calls)) answers[name] = (await call).status;
    return answers;
  }

  const READ_ONLY = {
    list: 200,
    detail: 200,
    show: 200,
    'list members': 200,
    download: 403,
    create: 403,
    'create with data': 403,
    change: 403,
    share: 403,
    'share anew': 403,
    'end sharing': 403,
    'delete what is not there': 403,
    delete: 403,
  };

  it('a reader lists and shows, and neither downloads nor changes anything', async () => {
    server = await startTestApi();
    const own = await uploaded(USER);
    const open = await uploaded(ADMIN, { 'x-image-meta-is_public': 'true' });
    for (const id of [own, open]) expect(await statuses(READER, id)).toEqual(READ_ONLY);
    const head = await as(USER).head(`/v1/images/${own}`).expect(200);
    expect(head.headers).not.toHaveProperty('x-image-meta-name');
    await as(READER).head(`/v1/images/${randomUUID()}`).expect(404);
  });

  it('without a role nobody may anything', async () => {
    server = await startTestApi();
    const own = await uploaded(USER);
    const answers = await statuses(NO_ROLE, own);
    expect(new Set(Object.values(answers))).toEqual(new Set([403]));
  });

  it('without enforce_new_defaults roles make no difference', async () => {
    server = await startTestApi('--oslo-policy-enforce-new-defaults=false');
    const own = await uploaded(USER);
    expect(await statuses(NO_ROLE, own)).toEqual({
      ...READ_ONLY,
      download: 200,
      create: 201,
      'create with data': 201,
      change: 200,
      share: 204,
      'share anew': 204,
      'end sharing': 404,
      'delete what is not there': 404,
      delete: 200,
    });
  });

  it('an image that is not shown is not found, however little the caller may', async () => {
    server = await startTestApi();
    const hidden = await uploaded('bob:project-b:member');
    await as(USER).head(`/v1/images/${hidden}`).expect(404);
    await as(USER).put(`/v1/images/${hidden}`).expect(404);
    await as(USER).put(`/v1/images/${hidden}/members/x`).expect(404);
    await as(READER).head(`/v1/images/${hidden}`).expect(404);
  });

  it('anonymous callers list, show and download what is public', async () => {
    server = await startTestApi('--allow-anonymous-access');
    const open = await uploaded(ADMIN, { 'x-image-meta-is_public': 'true' });
    const hidden = await uploaded(USER);
    const answer = await request(server.url).get('/v1/images').expect(200);
    expect(answer.body.images).toMatchObject([{ id: open }]);
    await request(server.url).head(`/v1/images/${open}`).expect(200);
    await request(server.url).get(`/v1/images/${open}`).expect(200);
    for (const id of [hidden, randomUUID()]) {
      await request(server.url).get(`/v1/images/${id}`).expect(404);
    }
  });

  it.each([
    ['openstack-system-scope', 'all', 403],
    ['x-domain-id', 'default', 403],
    ['x-project-id', 'p', 200],
  ])('a token of %s %s is answered %d', async (header, value, status) => {
    const headers = {
      'x-identity-status': 'Confirmed',
      'x-user-id': 'u',
      'x-roles': 'admin,member,reader',
      [header]: value,
    };
    server = await startTestApi('--paste-deploy-flavor=trusted-auth');
    await request(server.url).get('/v1/images').set(headers).expect(status);
    await server.close();
    const lenient = '--oslo-policy-enforce-scope=false';
    server = await startTestApi('--paste-deploy-flavor=trusted-auth', lenient);
    await request(server.url).get('/v1/images').set(headers).expect(200);
  });
});

describe('v1 with rules that cannot be used', () => {
  it('does not start', async () => {
    await expect(startTestApi('--oslo-policy-policy-file=/nonexistent/rules')).rejects.toThrow(
      '[oslo_policy] policy_file = /nonexistent/rules: there is no file',
    );
  });
});
