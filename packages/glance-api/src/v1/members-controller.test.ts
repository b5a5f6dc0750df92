import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:project-a:member';
const FRIEND = 'bob:project-b:member';
const STRANGER = 'carol:project-c:member';
const ADMIN = 'root:admin:admin';
const NOBODY = 'dave:none:member';
const NO_PROJECT_ADMIN = 'root:none:admin';

describe('v1 members', () => {
  let server: TestApi;

  beforeEach(async () => {
    server = await startTestApi();
  });

  afterEach(async () => {
    await server.close();
  });

  const as = (token: string) => {
    const agent = request.agent(server.url);
    agent.set('X-Auth-Token', token);
    return agent;
  };

  async function reserved(headers: Record<string, string> = {}, token = OWNER): Promise<string> {
    const answer = await as(token).post('/v1/images').set(headers).expect(201);
    return answer.body.image.id;
  }

  const put = (id: string, member: string, body?: object, token = OWNER) =>
    as(token).put(`/v1/images/${id}/members/${member}`).send(body);
  const replace = (id: string, body: unknown, token = OWNER) =>
    as(token)
      .put(`/v1/images/${id}/members`)
      .set('content-type', 'application/json')
      .send(typeof body === 'string' ? body : JSON.stringify(body));

  async function members(id: string, token = OWNER): Promise<unknown> {
    const answer = await as(token).get(`/v1/images/${id}/members`).expect(200);
    expect(Object.keys(answer.body)).toEqual(['members']);
    return answer.body.members;
  }

  async function restart(...flags: string[]): Promise<void> {
    await server.close();
    server = await startTestApi(...flags);
  }

  // §11.59
  it('let a project see an image at once, and no longer', async () => {
    const id = await reserved();
    await as(FRIEND).head(`/v1/images/${id}`).expect(404);
    const answer = await put(id, 'project-b').expect(204);
    expect(answer.text).toBe('');
    expect(await members(id)).toEqual([{ member_id: 'project-b', can_share: false }]);
    await as(FRIEND).head(`/v1/images/${id}`).expect(200);
    const list = await as(FRIEND).get('/v1/images').expect(200);
    expect(list.body.images).toMatchObject([{ id }]);
    await as(OWNER).delete(`/v1/images/${id}/members/project-b`).expect(204);
    await as(FRIEND).head(`/v1/images/${id}`).expect(404);
    expect((await as(FRIEND).get('/v1/images').expect(200)).body.images).toEqual([]);
    expect(await members(id)).toEqual([]);
  });

  it('take any spelling of the id of the image', async () => {
    const id = await reserved();
    await put(id.toUpperCase(), 'project-b').expect(204);
    expect(await members(`{${id}}`)).toHaveLength(1);
  });

  it.each([
    ['no body', undefined, false],
    ['an empty member', { member: {} }, false],
    ['an empty object', {}, false],
    ['true', { member: { can_share: true } }, true],
    ['false', { member: { can_share: false } }, false],
    ['the text "false"', { member: { can_share: 'false' } }, true],
    ['the empty text', { member: { can_share: '' } }, false],
    ['1', { member: { can_share: 1 } }, true],
    ['0', { member: { can_share: 0 } }, false],
    ['null', { member: { can_share: null } }, false],
    ['an empty list', { member: { can_share: [] } }, false],
    ['an empty object as the value', { member: { can_share: {} } }, false],
    ['a list', { member: { can_share: [0] } }, true],
  ])('are added with %s', async (_what, body, canShare) => {
    const id = await reserved();
    await put(id, 'project-b', body).expect(204);
    expect(await members(id)).toEqual([{ member_id: 'project-b', can_share: canShare }]);
  });

  it('keep what they may do when nothing is said about it', async () => {
    const id = await reserved();
    await put(id, 'project-b', { member: { can_share: true } }).expect(204);
    await put(id, 'project-b').expect(204);
    expect(await members(id)).toEqual([{ member_id: 'project-b', can_share: true }]);
    await replace(id, { memberships: [{ member_id: 'project-b' }] }).expect(204);
    expect(await members(id)).toEqual([{ member_id: 'project-b', can_share: true }]);
  });

  it('are replaced all at once, and removed by an empty list', async () => {
    const id = await reserved();
    await put(id, 'goes').expect(204);
    await replace(id, {
      memberships: [
        { member_id: 'x', can_share: 'false' },
        { member_id: 'y' },
        { member_id: 'y', can_share: true },
      ],
    }).expect(204);
    expect(await members(id)).toEqual([
      { member_id: 'x', can_share: true },
      { member_id: 'y', can_share: true },
    ]);
    await replace(id, { memberships: [] }).expect(204);
    expect(await members(id)).toEqual([]);
    await replace(id, { member_id: 'alone' }).expect(204);
    expect(await members(id)).toEqual([{ member_id: 'alone', can_share: false }]);
  });

  it('take a body of any content type', async () => {
    const id = await reserved();
    await as(OWNER)
      .put(`/v1/images/${id}/members/project-b`)
      .set('content-type', 'application/octet-stream')
      .send('{"member": {"can_share": true}}')
      .expect(204);
    expect(await members(id)).toEqual([{ member_id: 'project-b', can_share: true }]);
  });

  it.each([
    ['no body', '', 'Unexpected body type'],
    ['a list', [{ member_id: 'x' }], 'Unexpected body type'],
    ['text', '"memberships"', 'Unexpected body type'],
    ['null', 'null', 'Unexpected body type'],
    ['what is no JSON', '{"memberships":', 'Malformed JSON'],
    ['deep nesting', '['.repeat(1000), 'nested deeper'],
    // §11.57
    ['the wrong key', { image_memberships: [{ member_id: 'x' }] }, 'Invalid membership'],
    ['an object for a list', { memberships: { member_id: 'x' } }, 'Invalid membership'],
    ['null for a list', { memberships: null }, 'Invalid membership'],
    ['a member without id', { memberships: [{ can_share: true }] }, 'Invalid membership'],
    ['an id that is a number', { memberships: [{ member_id: 1 }] }, 'Invalid membership'],
    ['an id without characters', { memberships: [{ member_id: '' }] }, 'memberId'],
    ['an id that is too long', { memberships: [{ member_id: 'x'.repeat(256) }] }, 'memberId'],
    ['an id beyond the tables', { memberships: [{ member_id: '\u{1f600}' }] }, '4 byte'],
    ['a member that is text', { memberships: ['x'] }, 'Invalid membership'],
    ['a prototype', '{"__proto__": {"memberships": []}}', 'Invalid membership'],
  ])('are not replaced by %s', async (_what, body, text) => {
    const id = await reserved();
    await put(id, 'stays').expect(204);
    const answer = await replace(id, body, ADMIN).expect(400);
    expect(answer.text).toContain(text);
    expect(await members(id)).toEqual([{ member_id: 'stays', can_share: false }]);
  });

  it.each([
    ['a list', '[]'],
    ['a list of members', '{"member": [{"can_share": true}]}'],
    ['null', '{"member": null}'],
    ['a number', '1'],
    ['what is no JSON', '{'],
  ])('are not added with %s', async (_what, body) => {
    const id = await reserved();
    await as(OWNER).put(`/v1/images/${id}/members/project-b`).send(body).expect(400);
    expect(await members(id)).toEqual([]);
  });

  it.each(['x'.repeat(256), encodeURIComponent('\u{1f600}'), '%00'])(
    'cannot be called %s',
    async (member) => {
      const id = await reserved();
      await put(id, member).expect(400);
      await as(OWNER).delete(`/v1/images/${id}/members/${member}`).expect(400);
    },
  );

  it('may be called what needs escapes in a path', async () => {
    const id = await reserved();
    const name = 'a/b?c=d é';
    await put(id, encodeURIComponent(name)).expect(204);
    expect(await members(id)).toEqual([{ member_id: name, can_share: false }]);
    const shared = await as(ADMIN)
      .get(`/v1/shared-images/${encodeURIComponent(name)}`)
      .expect(200);
    expect(shared.body).toEqual({ shared_images: [{ image_id: id, can_share: false }] });
    await as(OWNER)
      .delete(`/v1/images/${id}/members/${encodeURIComponent(name)}`)
      .expect(204);
  });

  it('are more than a replacement of 512 KiB can name', async () => {
    const id = await reserved();
    const memberships = [{ member_id: 'x'.repeat(600_000) }];
    await replace(id, { memberships }).expect(413);
  });

  const CHANGES: [string, (id: string, token: string) => request.Test][] = [
    ['PUT of a member', (id, token) => put(id, 'project-x', undefined, token)],
    ['PUT of all members', (id, token) => replace(id, { memberships: [] }, token)],
    ['DELETE of a member', (id, token) => as(token).delete(`/v1/images/${id}/members/project-x`)],
  ];

  describe.each(CHANGES)('%s', (_change, apply) => {
    it('is for the owner, for admins and for members who may share', async () => {
      const id = await reserved();
      await put(id, 'project-b', { member: { can_share: true } }).expect(204);
      for (const token of [OWNER, ADMIN, NO_PROJECT_ADMIN, FRIEND]) {
        await put(id, 'project-x').expect(204);
        await apply(id, token).expect(204);
        await put(id, 'project-b', { member: { can_share: true } }).expect(204);
      }
    });

    // §11.58
    it('is not found by who sees the image and may not share it, with the reason', async () => {
      const shared = await reserved();
      await put(shared, 'project-b').expect(204);
      const open = await reserved({ 'x-image-meta-is_public': 'True' }, ADMIN);
      const ofNobody = await reserved({ 'x-image-meta-owner': '' }, ADMIN);
      for (const [id, token] of [
        [shared, FRIEND],
        [open, STRANGER],
        [ofNobody, STRANGER],
      ] as const) {
        const refused = await apply(id, token).expect(404);
        expect(refused.text).toContain('Forbidden');
        expect(refused.text).toContain('No permission to share that image.');
      }
    });

    // §11.54
    it('finds no image that is unknown, unseen or deleted', async () => {
      const id = await reserved();
      for (const each of [randomUUID(), 'not-an-id', 'detail']) {
        await apply(each, OWNER).expect(404);
      }
      const unseen = await apply(id, STRANGER).expect(404);
      expect(unseen.text).not.toContain('Forbidden');
      await as(OWNER).delete(`/v1/images/${id}`).expect(200);
      await apply(id, OWNER).expect(404);
      const gone = await apply(id, ADMIN).expect(404);
      expect(gone.text).toContain(`Image with identifier ${id} has been deleted.`);
    });

    // §11.55
    it('needs a project, unless by an admin', async () => {
      const id = await reserved();
      for (const each of [id, randomUUID()]) {
        const refused = await apply(each, NOBODY).expect(401);
        expect(refused.text).toContain('No authenticated user');
      }
    });

    it('is refused to who may only read, before anything else', async () => {
      await restart('--allow-anonymous-access');
      const refused = await apply(randomUUID(), '').unset('x-auth-token').expect(403);
      expect(refused.text).toContain('Read-only access');
    });
  });

  // §11.57
  it('are not found twice', async () => {
    const id = await reserved();
    const refused = await as(OWNER).delete(`/v1/images/${id}/members/project-b`).expect(404);
    expect(refused.text).toContain('Membership could not be found.');
  });

  it('are shown whole to who may share, to others as far as they are concerned', async () => {
    const id = await reserved({ 'x-image-meta-is_public': 'True' }, ADMIN);
    const b = { member_id: 'project-b', can_share: true };
    const c = { member_id: 'project-c', can_share: false };
    await replace(id, { memberships: [b, c] }, ADMIN).expect(204);
    expect(await members(id, ADMIN)).toEqual([b, c]);
    expect(await members(id, FRIEND)).toEqual([b, c]);
    expect(await members(id, STRANGER)).toEqual([c]);
    expect(await members(id, OWNER)).toEqual([]);
    await as(NOBODY).get(`/v1/images/${id}/members`).expect(403);
  });

  // §11.54
  it('of an unknown, unseen or deleted image are not found', async () => {
    const id = await reserved();
    await as(OWNER).get(`/v1/images/${randomUUID()}/members`).expect(404);
    await as(OWNER).get('/v1/images/not-an-id/members').expect(404);
    await as(STRANGER).get(`/v1/images/${id}/members`).expect(404);
    await as(OWNER).delete(`/v1/images/${id}`).expect(200);
    await as(OWNER).get(`/v1/images/${id}/members`).expect(404);
    const gone = await as(ADMIN).get(`/v1/images/${id}/members`).expect(404);
    expect(gone.text).toContain(`Image with identifier ${id} has been deleted.`);
  });

  it.each(['GET', 'PUT', 'POST', 'DELETE', 'PATCH'])(
    '%s of the images shared with a project lists them',
    async (method) => {
      const id = await reserved();
      await put(id, 'project-b', { member: { can_share: true } }).expect(204);
      const shared = async (member: string, token: string): Promise<unknown> => {
        const answer = await fetch(`${server.url}/v1/shared-images/${member}`, {
          method,
          headers: { 'x-auth-token': token },
        });
        expect(answer.status).toBe(200);
        return await answer.json();
      };
      const found = { shared_images: [{ image_id: id, can_share: true }] };
      for (const token of [OWNER, FRIEND, ADMIN]) {
        expect(await shared('project-b', token)).toEqual(found);
      }
      const none = { shared_images: [] };
      for (const token of [STRANGER, NOBODY])
        expect(await shared('project-b', token)).toEqual(none);
      expect(await shared('project-unknown', ADMIN)).toEqual(none);
    },
  );

  // §11.56
  it('are limited in number, and 413 changes nothing', async () => {
    await restart('--image-member-quota=1');
    const id = await reserved();
    await put(id, 'a').expect(204);
    const refused = await put(id, 'b').expect(413);
    expect(refused.text).toContain('Attempted: 2, Maximum: 1');
    await put(id, 'a').expect(413);
    await replace(id, { memberships: [{ member_id: 'b' }, { member_id: 'c' }] }).expect(413);
    expect(await members(id)).toEqual([{ member_id: 'a', can_share: false }]);
    await replace(id, { memberships: [{ member_id: 'b' }] }).expect(204);
  });

  // §11.56
  it('may be forbidden by a limit of 0 and unlimited by -1', async () => {
    await restart('--image-member-quota=0');
    const id = await reserved();
    await put(id, 'a').expect(413);
    await replace(id, { memberships: [] }).expect(204);
    await restart('--image-member-quota=-1');
    const free = await reserved();
    const memberships = Array.from({ length: 200 }, (_, index) => ({ member_id: `m-${index}` }));
    await replace(free, { memberships }).expect(204);
    await put(free, 'one-more').expect(204);
    expect(await members(free)).toHaveLength(201);
  });

  it.each([
    ['GET', 'members/m', null],
    ['HEAD', 'members/m', 'GET, PUT, DELETE'],
    ['POST', 'members/m', 'GET, PUT, DELETE'],
    ['HEAD', 'members', 'GET, PUT'],
    ['POST', 'members', 'GET, PUT'],
    ['DELETE', 'members', 'GET, PUT'],
  ])('%s …/%s is 405 with Allow %j', async (method, path, allow) => {
    const answer = await fetch(`${server.url}/v1/images/${randomUUID()}/${path}`, {
      method,
      headers: { 'x-auth-token': OWNER },
    });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe(allow);
  });

  it.each(['members/', 'members.xml', 'members/m/', 'members/m/x', 'memberships'])(
    'have no route …/%s',
    async (path) => {
      const id = await reserved();
      await as(OWNER).get(`/v1/images/${id}/${path}`).expect(404);
    },
  );

  it('need credentials', async () => {
    const id = await reserved();
    await request(server.url).get(`/v1/images/${id}/members`).expect(401);
    await request(server.url).get('/v1/shared-images/project-a').expect(401);
  });
});
