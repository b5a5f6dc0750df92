import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ALICE = 'alice:demo:member,reader';
const BOB = 'bob:other:member,reader';
const ADMIN = 'root:admin:admin';
const V20 = 'application/openstack-images-v2.0-json-patch';
const V21 = 'application/openstack-images-v2.1-json-patch';

describe('PATCH /v2/images/{id}', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi('--image-property-quota=4', '--image-tag-quota=3');
  });

  afterAll(async () => {
    await server.close();
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = async (body: object = {}, token = ALICE): Promise<string> =>
    (await as(token).post('/v2/images').send(body).expect(201)).body.id;
  const show = async (id: string) => (await as(ADMIN).get(`/v2/images/${id}`).expect(200)).body;
  const patch = (id: string, body: unknown, token = ALICE, type = V21) =>
    as(token)
      .patch(`/v2/images/${id}`)
      .set('content-type', type)
      .send(typeof body === 'string' ? body : JSON.stringify(body));
  const active = async (): Promise<string> => {
    const id = await create({ disk_format: 'raw', container_format: 'bare' });
    await as(ADMIN)
      .put(`/v1/images/${id}`)
      .set('content-type', 'application/octet-stream')
      .send('data')
      .expect(200);
    return id;
  };

  it('changes fields, tags and properties in one', async () => {
    const id = await create({ name: 'old', gone: 'x', kept: 'y' });
    const answer = await patch(id, [
      { op: 'replace', path: '/name', value: 'new' },
      { op: 'add', path: '/min_ram', value: 64 },
      { op: 'replace', path: '/tags', value: ['b', 'a', 'b'] },
      { op: 'remove', path: '/gone' },
      { op: 'add', path: '/added', value: 'z' },
      { op: 'replace', path: '/kept', value: 'Y' },
      { op: 'replace', path: '/visibility', value: 'private' },
      { op: 'replace', path: '/protected', value: true },
      { op: 'replace', path: '/os_hidden', value: true },
      { op: 'replace', path: '/disk_format', value: 'qcow2' },
    ]).expect(200);
    expect(answer.body).toMatchObject({
      name: 'new',
      min_ram: 64,
      added: 'z',
      kept: 'Y',
      visibility: 'private',
      protected: true,
      os_hidden: true,
      disk_format: 'qcow2',
    });
    expect(await show(id)).toEqual(answer.body);
    expect(answer.body.tags.sort()).toEqual(['a', 'b']);
    expect(answer.body).not.toHaveProperty('gone');
  });

  it('takes the operations in their order', async () => {
    const id = await create({ key: '1' });
    const { body } = await patch(id, [
      { op: 'remove', path: '/key' },
      { op: 'add', path: '/key', value: '2' },
      { op: 'add', path: '/other', value: 'x' },
      { op: 'remove', path: '/other' },
    ]).expect(200);
    expect(body.key).toBe('2');
    expect(body).not.toHaveProperty('other');
  });

  it('changes nothing unless all of it can be done', async () => {
    const id = await create({ name: 'old' });
    await patch(id, [
      { op: 'replace', path: '/name', value: 'new' },
      { op: 'replace', path: '/missing', value: 'x' },
    ]).expect(409);
    expect((await show(id)).name).toBe('old');
  });

  it('leaves an image alone when there is nothing to do', async () => {
    const id = await create({ name: 'same' });
    const before = await show(id);
    expect((await patch(id, []).expect(200)).body).toEqual(before);
    await patch('a1111111-1111-4111-8111-111111111111', []).expect(404);
    const gone = await create();
    await as(ALICE).delete(`/v2/images/${gone}`).expect(204);
    await patch(gone, [], ADMIN).expect(404);
  });

  it.each([
    'application/json-patch',
    'application/json',
    'application/json-patch+json',
    'text/plain',
  ])('refuses the content type %s before anything else', async (type) => {
    const answer = await patch('no-such-image', 'no json', ALICE, type).expect(415);
    expect(answer.headers['accept-patch']).toBe(`${V20}, ${V21}`);
    expect(answer.text).toContain(V20);
  });

  // §18 Update
  it.each([
    ['an object', {}],
    ['a text', '"x"'],
    ['a number', '1'],
    ['true', 'true'],
    ['null', 'null'],
    ['a list of a list', [[]]],
    ['a list of a text', ['x']],
    ['a list of null', [null]],
    ['an unknown op', [{ op: 'invalid', path: '/name', value: 'x' }]],
    ['op move', [{ op: 'move', path: '/name', from: '/x' }]],
    ['op in capitals', [{ op: 'Add', path: '/name', value: 'x' }]],
    ['no op', [{ path: '/name', value: 'x' }]],
    ['no path', [{ op: 'add', value: 'x' }]],
    ['a path that is no text', [{ op: 'add', path: 1, value: 'x' }]],
    ['no value', [{ op: 'replace', path: '/name' }]],
    ['an empty path', [{ op: 'add', path: '', value: 'x' }]],
    ['a path without slash', [{ op: 'add', path: 'noslash', value: 'x' }]],
    ['two slashes', [{ op: 'add', path: '///twoslash', value: 'x' }]],
    ['slashes around blanks', [{ op: 'add', path: '/two/   /slash', value: 'x' }]],
    ['a slash at the end', [{ op: 'add', path: '/trailingslash/', value: 'x' }]],
    ['a lone tilde', [{ op: 'add', path: '/lone~tilde', value: 'x' }]],
    ['a tilde at the end', [{ op: 'add', path: '/trailingtilde~', value: 'x' }]],
    ['a deep path', [{ op: 'replace', path: '/a/b', value: 'x' }]],
    ['a place in the tags', [{ op: 'add', path: '/tags/-', value: 'x' }]],
    ['too deep locations', [{ op: 'replace', path: '/locations/1/2', value: [] }]],
    ['a wrong type', [{ op: 'replace', path: '/min_disk', value: 'x' }]],
    ['a number for a property', [{ op: 'add', path: '/key', value: 1 }]],
    ['an unknown format', [{ op: 'replace', path: '/disk_format', value: 'floppy' }]],
    ['a long key', [{ op: 'add', path: `/${'k'.repeat(256)}`, value: 'x' }]],
    ['4-byte unicode', [{ op: 'add', path: '/key', value: '😀' }]],
  ])('refuses %s', async (_what, body) => {
    await patch(await create(), body).expect(400);
  });

  it.each([
    ['two operations in one', [{ add: '/a', remove: '/a', value: 'x' }]],
    ['no operation', [{ path: '/a', value: 'x' }]],
    ['no value', [{ add: '/a' }]],
  ])('refuses %s in the older dialect', async (_what, body) => {
    await patch(await create(), body, ALICE, V20).expect(400);
  });

  it.each([
    ...['id', 'status', 'checksum', 'os_hash_algo', 'os_hash_value', 'size', 'virtual_size'],
    ...['created_at', 'updated_at', 'direct_url', 'self', 'file', 'schema', 'stores'],
    ...['location', 'deleted', 'deleted_at'],
    ...['os_glance_import_task', 'os_glance_', 'os_glance'],
  ])('lets nobody change /%s', async (name) => {
    const id = await create({}, ADMIN);
    for (const op of ['add', 'replace', 'remove']) {
      await patch(id, [{ op, path: `/${name}`, value: 'x' }], ADMIN).expect(403);
    }
  });

  it('tells properties that are there from those that are not', async () => {
    const id = await create({ key: 'x' });
    const remove = await patch(id, [{ op: 'remove', path: '/missing' }]).expect(409);
    expect(remove.text).toContain('Property missing does not exist.');
    const base = await patch(id, [{ op: 'remove', path: '/name' }]).expect(403);
    expect(base.text).toContain('Property name may not be removed.');
    await patch(id, [{ op: 'add', path: '/key', value: 'y' }]).expect(200);
    for (const path of ['/key', '/name']) {
      const answer = await patch(id, [{ add: path, value: 'z' }], ALICE, V20).expect(409);
      expect(answer.text).toContain('already present');
    }
    const { body } = await patch(
      id,
      [{ replace: '/key', value: 'z' }, { add: '/new', value: 'n' }, { remove: '/new' }],
      ALICE,
      V20,
    ).expect(200);
    expect(body.key).toBe('z');
  });

  it('decodes names', async () => {
    const id = await create();
    const { body } = await patch(id, [
      { op: 'add', path: '/keywith~1slash', value: '1' },
      { op: 'add', path: '/keywith~0tilde', value: '2' },
      { op: 'add', path: '/tricky~01', value: '3' },
      { op: 'add', path: '/ blank ', value: '4' },
    ]).expect(200);
    expect(body).toMatchObject({
      'keywith/slash': '1',
      'keywith~tilde': '2',
      'tricky~1': '3',
      blank: '4',
    });
  });

  it.each(['add', 'replace'])('lets only admins %s the owner', async (op) => {
    const id = await create();
    await patch(id, [{ op, path: '/owner', value: 'demo' }]).expect(403);
    const answer = await patch(id, [{ op, path: '/owner', value: 'other' }], ADMIN).expect(200);
    expect(answer.body.owner).toBe('other');
  });

  it('asks for the right to make an image public', async () => {
    const id = await create();
    await patch(id, [{ op: 'replace', path: '/visibility', value: 'public' }]).expect(403);
    await patch(id, [{ op: 'replace', path: '/visibility', value: 'public' }], ADMIN).expect(200);
  });

  it.each(['disk_format', 'container_format'])('keeps /%s of an active image', async (name) => {
    const id = await active();
    const value = name === 'disk_format' ? 'raw' : 'bare';
    await patch(id, [{ op: 'replace', path: `/${name}`, value }]).expect(403);
  });

  it('keeps within the quotas, and lets an image above one shrink', async () => {
    const id = await create({ a: '1', b: '2', c: '3', d: '4', tags: ['x'] });
    await patch(id, [{ op: 'add', path: '/e', value: '5' }]).expect(413);
    await patch(id, [
      { op: 'remove', path: '/a' },
      { op: 'add', path: '/e', value: '5' },
    ]).expect(200);
    await patch(id, [{ op: 'replace', path: '/tags', value: ['1', '2', '3', '3'] }]).expect(413);
    expect((await show(id)).tags).toEqual(['x']);
  });

  it('is refused to others', async () => {
    const change = [{ op: 'replace', path: '/name', value: 'mine' }];
    await patch(await create({ visibility: 'private' }), change, BOB).expect(404);
    await patch(await create({ visibility: 'public' }, ADMIN), change, BOB).expect(403);
  });

  it('changes locations for nobody unless they are shown', async () => {
    const id = await create({}, ADMIN);
    const value = { url: 'http://127.0.0.1/x', metadata: {} };
    await patch(id, [{ op: 'add', path: '/locations/-', value }], ADMIN).expect(403);
    await patch(id, [{ op: 'replace', path: '/locations', value: [value] }], ADMIN).expect(403);
    await patch(id, [{ op: 'remove', path: '/locations/0' }], ADMIN).expect(403);
  });
});
