import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SERVICE_IDENTITY, type Visibility } from '@glance/common';
import Ajv from 'ajv';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:project-a:member,reader';
const OWNER_READER = 'rita:project-a:reader';
const FRIEND = 'bob:project-b:member,reader';
const FRIEND_READER = 'rob:project-b:reader';
const STRANGER = 'carol:project-c:member,reader';
const ADMIN = 'root:admin:admin,member,reader';
const ZULU = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

describe('members of API v2', () => {
  let server: TestApi;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'v2-members-'));
    await rules({});
    server = await startTestApi(
      '--image-member-quota=3',
      `--oslo-policy-policy-file=${path.join(directory, 'rules.yaml')}`,
    );
  });

  afterEach(() => rules({}));

  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const rules = (wanted: Record<string, string>): Promise<void> =>
    writeFile(path.join(directory, 'rules.yaml'), JSON.stringify(wanted));
  const as = (token: string) =>
    request.agent(server.url).set({ 'x-auth-token': token, accept: 'text/plain' });

  async function created(image: object = {}, token = OWNER): Promise<string> {
    return (await as(token).post('/v2/images').send(image).expect(201)).body.id;
  }

  const membersOf = (id: string): string => `/v2/images/${id}/members`;
  const add = (id: string, member: string, token = OWNER) =>
    as(token).post(membersOf(id)).send({ member });
  const answerWith = (status: unknown, id: string, token = FRIEND, member = 'project-b') =>
    as(token)
      .put(`${membersOf(id)}/${member}`)
      .send({ status });
  async function shared(): Promise<string> {
    const id = await created();
    await add(id, 'project-b').expect(200);
    return id;
  }
  async function listed(id: string, token = OWNER): Promise<[string, string][]> {
    const { body } = await as(token).get(membersOf(id)).expect(200);
    return body.members.map((each: { member_id: string; status: string }) => [
      each.member_id,
      each.status,
    ]);
  }

  // §18 Members and tags
  it('are pending when they are added, and shown as the schemas say', async () => {
    const id = await created();
    const answer = await add(id, 'project-b').expect(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.body).toEqual({
      member_id: 'project-b',
      image_id: id,
      status: 'pending',
      created_at: expect.stringMatching(ZULU),
      updated_at: answer.body.created_at,
      schema: '/v2/schemas/member',
    });
    const one = await as(OWNER)
      .get(`${membersOf(id)}/project-b`)
      .expect(200);
    expect(one.body).toEqual(answer.body);
    const list = await as(OWNER).get(membersOf(id)).expect(200);
    expect(list.body).toEqual({ members: [answer.body], schema: '/v2/schemas/members' });
    for (const [name, body] of [
      ['member', one.body],
      ['members', list.body],
    ] as const) {
      const schema = (await as(OWNER).get(`/v2/schemas/${name}`).expect(200)).body;
      const ajv = new Ajv({ strict: false });
      expect(ajv.validate({ ...schema, additionalProperties: false }, body)).toBe(true);
    }
  });

  it.each([
    ['no body', undefined],
    ['nothing', '{}'],
    ['an empty member', '{"member": ""}'],
    ['a list', '["project-b"]'],
    ['a number', '{"member": 1}'],
    ['no object', '"project-b"'],
    ['broken JSON', '{"member": '],
    ['4-byte unicode', '{"member": "😀"}'],
    ['a member of 256 characters', JSON.stringify({ member: 'm'.repeat(256) })],
  ])('are not added from %s', async (_what, body) => {
    const id = await created();
    const call = as(OWNER).post(membersOf(id)).set('content-type', 'application/json');
    await (body === undefined ? call : call.send(body)).expect(400);
    expect(await listed(id)).toEqual([]);
  });

  it('may be anybody, the owner too, but each once', async () => {
    const id = await created();
    await add(id, 'project-a').expect(200);
    await add(id, 'project-a').expect(409);
    await add(id, 'nobody knows this project').expect(200);
    expect(await listed(id)).toHaveLength(2);
  });

  it('are as many as the quota lets, which is asked before it is asked who they are', async () => {
    const id = await created();
    for (const member of ['a', 'b', 'c']) await add(id, member).expect(200);
    expect((await add(id, 'd').expect(413)).text).toContain('Attempted: 4, Maximum: 3');
    await add(id, 'a').expect(413);
  });

  it.each(['private', 'community', 'public'])('are none of a %s image', async (visibility) => {
    const id = await created({ visibility }, ADMIN);
    for (const call of [
      as(ADMIN).get(membersOf(id)),
      add(id, 'project-b', ADMIN),
      answerWith('accepted', id, ADMIN),
      as(ADMIN).delete(`${membersOf(id)}/project-b`),
    ]) {
      expect((await call.expect(403)).text).toContain('Only shared images have members.');
    }
    await as(ADMIN)
      .get(`${membersOf(id)}/project-b`)
      .expect(404);
    const status = visibility === 'private' ? 404 : 403;
    await as(STRANGER).get(membersOf(id)).expect(status);
    await add(id, 'project-c', STRANGER).expect(status);
    await answerWith('accepted', id, STRANGER, 'project-c').expect(status);
    await as(STRANGER)
      .delete(`${membersOf(id)}/project-c`)
      .expect(status);
  });

  it('see themselves only, and the owner all of them', async () => {
    const id = await shared();
    await add(id, 'project-c').expect(200);
    const all = [
      ['project-b', 'pending'],
      ['project-c', 'pending'],
    ];
    for (const token of [OWNER, OWNER_READER, ADMIN]) expect(await listed(id, token)).toEqual(all);
    for (const token of [FRIEND, FRIEND_READER]) {
      expect(await listed(id, token)).toEqual([['project-b', 'pending']]);
      await as(token)
        .get(`${membersOf(id)}/project-b`)
        .expect(200);
      await as(token)
        .get(`${membersOf(id)}/project-c`)
        .expect(404);
    }
    await as('dan:project-d:member,reader').get(membersOf(id)).expect(404);
  });

  it('see the others neither when API v1 let them share the image', async () => {
    const id = await shared();
    await as(OWNER)
      .put(`/v1/images/${id}/members/project-b`)
      .send({ member: { can_share: true } })
      .expect(204);
    await add(id, 'project-c').expect(200);
    expect(await listed(id, FRIEND)).toEqual([['project-b', 'pending']]);
    await add(id, 'project-d', FRIEND).expect(403);
  });

  it('answer for themselves, whatever they answered before', async () => {
    const id = await shared();
    for (const status of ['accepted', 'rejected', 'pending', 'pending']) {
      expect((await answerWith(status, id).expect(200)).body).toMatchObject({
        member_id: 'project-b',
        status,
      });
      expect(await listed(id)).toEqual([['project-b', status]]);
    }
    await answerWith('accepted', id, ADMIN).expect(200);
    for (const token of [OWNER, OWNER_READER, FRIEND_READER]) {
      await answerWith('rejected', id, token).expect(403);
    }
    await answerWith('accepted', id, STRANGER).expect(404);
    expect(await listed(id)).toEqual([['project-b', 'accepted']]);
  });

  it.each(['invalid-status', null, 1, undefined])('do not answer %p', async (status) => {
    const id = await shared();
    await answerWith(status, id).expect(400);
    await as(FRIEND)
      .put(`${membersOf(id)}/project-b`)
      .send([status])
      .expect(400);
    await as(FRIEND)
      .put(`${membersOf(id)}/project-b`)
      .expect(400);
    expect(await listed(id)).toEqual([['project-b', 'pending']]);
  });

  it('are told when the body is wrong before the image is sought', async () => {
    await as(OWNER).post(membersOf(randomUUID())).send({}).expect(400);
    await answerWith('no', randomUUID()).expect(400);
    await add(randomUUID(), 'project-b').expect(404);
  });

  it('are removed by the owner alone', async () => {
    const id = await shared();
    const member = `${membersOf(id)}/project-b`;
    for (const token of [FRIEND, FRIEND_READER, OWNER_READER]) {
      await as(token).delete(member).expect(403);
    }
    await as(STRANGER).delete(member).expect(404);
    const answer = await as(OWNER).delete(member).expect(204);
    expect(answer.text).toBe('');
    expect(answer.headers).not.toHaveProperty('content-type');
    await as(OWNER).get(member).expect(404);
    await as(OWNER).delete(member).expect(404);
    await as(FRIEND).get(`/v2/images/${id}`).expect(404);
    await add(id, 'project-b').expect(200);
    expect(await listed(id)).toEqual([['project-b', 'pending']]);
  });

  it('who are not there are not found', async () => {
    const id = await shared();
    for (const member of ['project-c', 'x'.repeat(300), '%F0%9F%98%80', 'a%00b']) {
      const { text } = await as(OWNER)
        .get(`${membersOf(id)}/${member}`)
        .expect(404);
      expect(text).toContain('not found in the member list');
      await answerWith('accepted', id, OWNER, member).expect(404);
      await as(OWNER)
        .delete(`${membersOf(id)}/${member}`)
        .expect(404);
    }
  });

  it('are changed by nobody who may only read', async () => {
    const id = await shared();
    await add(id, 'project-c', OWNER_READER).expect(403);
    await add(id, 'project-c', FRIEND).expect(403);
    await add(id, 'project-c', STRANGER).expect(404);
    expect(await listed(id)).toEqual([['project-b', 'pending']]);
  });

  it('rest while the image is not shared', async () => {
    const id = await shared();
    await answerWith('accepted', id).expect(200);
    const become = (visibility: Visibility) =>
      server.registry.updateImage(
        id,
        { fields: { visibility } },
        { identity: SERVICE_IDENTITY, requestId: 'test' },
      );
    await become('private');
    await as(FRIEND).get(`/v2/images/${id}`).expect(404);
    await as(FRIEND).get(membersOf(id)).expect(404);
    await become('shared');
    expect(await listed(id, FRIEND)).toEqual([['project-b', 'accepted']]);
  });

  // §18: removing get_member empties the list but keeps 200
  it.each([
    ['get_member', { get_member: '!' }, [200, 404, 404, 404]],
    ['get_members', { get_members: '!' }, [403, 200, 403, 204]],
    ['modify_member', { modify_member: '!' }, [200, 200, 403, 204]],
    ['delete_member', { delete_member: '!' }, [200, 200, 403, 403]],
    ['get_image too', { get_members: '!', get_image: '!' }, [404, 200, 404, 204]],
  ])('obey %s', async (_what, refused, statuses) => {
    const id = await shared();
    await rules(refused);
    const member = `${membersOf(id)}/project-b`;
    const list = await as(OWNER).get(membersOf(id)).expect(statuses[0]!);
    if (statuses[0] === 200 && 'get_member' in refused) expect(list.body.members).toEqual([]);
    await as(OWNER).get(member).expect(statuses[1]!);
    await answerWith('accepted', id, OWNER).expect(statuses[2]!);
    await as(OWNER).delete(member).expect(statuses[3]!);
  });

  it('obey add_member, and what a rule lets pass is not yet allowed', async () => {
    const id = await shared();
    await rules({ add_member: '!' });
    await add(id, 'project-c').expect(403);
    await rules({ add_member: '@', modify_member: '@', delete_member: '@' });
    await add(id, 'project-c', FRIEND).expect(403);
    await answerWith('accepted', id, OWNER).expect(403);
    await as(FRIEND)
      .delete(`${membersOf(id)}/project-b`)
      .expect(403);
    expect(await listed(id)).toEqual([['project-b', 'pending']]);
  });

  it('take no body where none belongs, and no other methods', async () => {
    const id = await shared();
    const member = `${membersOf(id)}/project-b`;
    await as(OWNER).get(membersOf(id)).send({}).expect(400);
    await as(OWNER).get(member).send({}).expect(400);
    await as(OWNER).delete(member).send({}).expect(400);
    const allow = async (call: request.Test) => (await call.expect(405)).headers['allow'];
    expect(await allow(as(OWNER).put(membersOf(id)))).toBe('GET, POST');
    expect(await allow(as(OWNER).head(membersOf(id)))).toBe('GET, POST');
    expect(await allow(as(OWNER).post(member))).toBe('GET, PUT, DELETE');
  });
});
