import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ALICE = 'alice:demo:member';
const PATCH = 'application/openstack-images-v2.1-json-patch';
const MANY = Array.from({ length: 130 }, (_, index) => `n${index}`);

const quotas = (maximum: number): string[] =>
  ['property', 'tag', 'member', 'location'].map((what) => `--image-${what}-quota=${maximum}`);

describe('quotas of properties, tags and members in API v2', () => {
  let server: TestApi | undefined;

  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const as = () => request.agent(server?.url).set('x-auth-token', ALICE);
  const create = (body: object = {}) => as().post('/v2/images').send(body);
  const patch = (id: string, operations: object[]) =>
    as().patch(`/v2/images/${id}`).set('content-type', PATCH).send(JSON.stringify(operations));
  const share = (id: string, member: string) =>
    as().post(`/v2/images/${id}/members`).send({ member });
  const properties = Object.fromEntries(MANY.map((name) => [name, 'value']));

  it('are none when they are negative', async () => {
    server = await startTestApi(...quotas(-1));
    const { id } = (await create({ ...properties, tags: MANY }).expect(201)).body;
    await patch(id, [
      { op: 'add', path: '/another', value: 'value' },
      { op: 'replace', path: '/tags', value: [...MANY, 'another'] },
    ]).expect(200);
    await as().put(`/v2/images/${id}/tags/third`).expect(204);
    for (const member of MANY) await share(id, member).expect(200);
  });

  it('let nothing be when they are 0, and everything be taken away', async () => {
    server = await startTestApi(...quotas(0));
    await create({ any: 'value' }).expect(413);
    await create({ tags: ['any'] }).expect(413);
    const { id } = (await create().expect(201)).body;
    await patch(id, [{ op: 'add', path: '/any', value: 'value' }]).expect(413);
    await patch(id, [{ op: 'replace', path: '/tags', value: ['any'] }]).expect(413);
    await as().put(`/v2/images/${id}/tags/any`).expect(413);
    await share(id, 'any').expect(413);
    // What an image has from the time of a higher quota.
    server.registry.overwrite(id, {
      properties: [
        ['a', '1'],
        ['b', '2'],
      ],
      tags: ['x', 'y'],
    });
    await patch(id, [{ op: 'replace', path: '/a', value: 'changed' }]).expect(200);
    await patch(id, [{ op: 'remove', path: '/a' }]).expect(200);
    await as().delete(`/v2/images/${id}/tags/x`).expect(204);
    await patch(id, [{ op: 'replace', path: '/name', value: 'new' }]).expect(200);
  });
});
