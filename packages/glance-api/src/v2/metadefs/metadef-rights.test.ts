import request from 'supertest';
import { startTestApi, type TestApi } from '../../testing/test-api';

const ROOT = '/v2/metadefs/namespaces';
const DEFINITION = { title: 'A title', type: 'string' };

/** By token. The namespaces are project a's. */
const CALLERS = {
  admin: 'root:ops:admin',
  member: 'alice:a:member',
  reader: 'rita:a:reader',
  stranger: 'bob:b:member',
  service: 'nova:a:service',
} as const;
type CallerName = keyof typeof CALLERS;

const READS = [
  '',
  '/objects',
  '/objects/o',
  '/properties',
  '/properties/p',
  '/properties/hw_p?resource_type=T',
  '/tags',
  '/tags/t',
  '/resource_types',
];

/** Changes, and what they are answered when they are made. */
type Change = [method: 'post' | 'put' | 'delete', place: string, status: number, body?: object];
const CHANGES: Change[] = [
  ['put', '', 200, { namespace: 'N', visibility: 'public', owner: 'a' }],
  ['post', '/objects', 201, { name: 'new' }],
  ['put', '/objects/o', 200, { name: 'o' }],
  ['delete', '/objects/o', 204],
  ['delete', '/objects', 204],
  ['post', '/properties', 201, { name: 'new', ...DEFINITION }],
  ['put', '/properties/p', 200, { name: 'p', ...DEFINITION }],
  ['delete', '/properties/p', 204],
  ['delete', '/properties', 204],
  ['post', '/tags', 201, { tags: [{ name: 'new' }] }],
  ['post', '/tags/new', 201],
  ['put', '/tags/t', 200, { name: 't' }],
  ['delete', '/tags/t', 204],
  ['delete', '/tags', 204],
  ['post', '/resource_types', 201, { name: 'New' }],
  ['delete', '/resource_types/T', 204],
  ['delete', '', 204],
];

const named = (changes: typeof CHANGES) =>
  changes.map((change) => [`${change[0]} ${change[1]}`, change] as const);

/** Who may do what (metadefs sheet §2, §3): a namespace is its project's, and for all when public. */
describe('rights to metadata definitions', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(() => server.close());

  const as = (caller: CallerName) => request.agent(server.url).set('X-Auth-Token', CALLERS[caller]);
  const make = (fields: object = {}) =>
    as('admin')
      .post(ROOT)
      .send({
        ...{ namespace: 'N', owner: 'a', ...fields },
        objects: [{ name: 'o' }],
        properties: { p: DEFINITION },
        tags: [{ name: 't' }],
        resource_type_associations: [{ name: 'T', prefix: 'hw_' }],
      })
      .expect(201);
  const content = async () => JSON.stringify((await as('admin').get(`${ROOT}/N`)).body);
  const remove = async () => {
    await as('admin').put(`${ROOT}/N`).send({ namespace: 'N' });
    await as('admin').delete(`${ROOT}/N`);
  };

  it.each(['public', 'private'])('are those of its project where it is %s', async (visibility) => {
    await make({ visibility });
    const expected = (caller: CallerName): number => {
      if (caller === 'service') return 404;
      return caller === 'stranger' && visibility === 'private' ? 404 : 200;
    };
    for (const caller of Object.keys(CALLERS) as CallerName[]) {
      for (const place of READS) {
        const { status } = await as(caller).get(`${ROOT}/N${place}`);
        expect([caller, place, status]).toEqual([caller, place, expected(caller)]);
      }
    }
    await remove();
  });

  it.each(named(CHANGES))('let administrators alone: %s', async (_name, change) => {
    const [method, place, status, body] = change;
    for (const visibility of ['public', 'private']) {
      await make({ visibility });
      const before = await content();
      for (const caller of ['member', 'reader', 'stranger', 'service'] as const) {
        const call = as(caller)[method](`${ROOT}/N${place}`);
        const answer = await (body === undefined ? call : call.send(body));
        const isSeen = caller !== 'service' && (caller !== 'stranger' || visibility === 'public');
        expect([caller, answer.status]).toEqual([caller, isSeen ? 403 : 404]);
        expect(await content()).toBe(before);
      }
      const call = as('admin')[method](`${ROOT}/N${place}`);
      expect((await (body === undefined ? call : call.send(body))).status).toBe(status);
      await remove();
    }
  });

  it.each(named(CHANGES.filter(([method]) => method === 'delete')))(
    'do not include to take from what is protected: %s',
    async (_name, [, place]) => {
      await make({ protected: true });
      const before = await content();
      const answer = await as('admin').delete(`${ROOT}/N${place}`).expect(403);
      expect(answer.text).toContain('protected');
      expect(await content()).toBe(before);
      await remove();
    },
  );

  it('show in lists what may be shown alone', async () => {
    await make({ visibility: 'private' });
    const listed = async (caller: CallerName) =>
      (await as(caller).get(ROOT).expect(200)).body.namespaces as { namespace: string }[];
    for (const caller of ['admin', 'member', 'reader'] as const) {
      expect((await listed(caller)).map(({ namespace }) => namespace)).toEqual(['N']);
    }
    expect(await listed('stranger')).toEqual([]);
    await as('service').get(ROOT).expect(403);
    await remove();
  });
});
