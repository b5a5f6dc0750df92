import request from 'supertest';
import { startTestApi, type TestApi } from '../../testing/test-api';
import { SchemaCheck } from '../schemas/schema-check';

const ADMIN = 'root:ops:admin';
const ROOT = '/v2/metadefs/namespaces';
const DEFINITION = { title: 'A title', type: 'string' };
const WHOLE = {
  namespace: 'OS::Whole',
  display_name: 'Whole',
  visibility: 'public',
  resource_type_associations: [{ name: 'OS::Glance::Image', prefix: 'hw_' }],
  properties: { first: { ...DEFINITION, default: 7 } },
  objects: [{ name: 'Group', required: ['one'], properties: { one: DEFINITION } }],
  tags: [{ name: 'a' }],
};

/** What the comparison with upstream does not show (test-e2e/v2-requests/metadefs.ts). */
describe('metadata definitions', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi('--limit-param-default=3', '--api-limit-max=5');
  });

  afterAll(() => server.close());

  const as = (token: string | undefined) => {
    const agent = request.agent(server.url);
    return token === undefined ? agent : agent.set('X-Auth-Token', token);
  };
  const admin = () => as(ADMIN);

  async function withNamespace<T>(body: object, work: (path: string) => Promise<T>): Promise<T> {
    const { namespace } = (await admin().post(ROOT).send(body).expect(201)).body;
    const path = `${ROOT}/${encodeURIComponent(namespace)}`;
    try {
      return await work(path);
    } finally {
      await admin().put(path).send({ namespace });
      await admin().delete(path).expect(204);
    }
  }

  it('answer as their published schemas say', async () => {
    await withNamespace(WHOLE, async (path) => {
      const answers: [string, string][] = [
        ['namespace', path],
        ['namespace', `${path}?resource_type=OS::Glance::Image`],
        ['namespaces', ROOT],
        ['object', `${path}/objects/Group`],
        ['objects', `${path}/objects`],
        ['property', `${path}/properties/first`],
        ['properties', `${path}/properties`],
        ['tag', `${path}/tags/a`],
        ['tags', `${path}/tags`],
        ['resource_types', `${path}/resource_types`],
      ];
      for (const [name, url] of answers) {
        const schema = (await admin().get(`/v2/schemas/metadefs/${name}`).expect(200)).body;
        const { body } = await admin().get(url).expect(200);
        expect(() => {
          new SchemaCheck({ type: 'object', ...schema }).check(body);
        }).not.toThrow();
      }
      const { body } = await admin().get(`${path}/resource_types`).expect(200);
      const association = (await admin().get('/v2/schemas/metadefs/resource_type')).body;
      new SchemaCheck({ type: 'object', ...association }).check(body.resource_type_associations[0]);
    });
  });

  it.each([
    ['a namespace', '', { namespace: '\u{1f600}' }],
    ['a title', '', { namespace: 'n', properties: { p: { ...DEFINITION, title: '\u{1f600}' } } }],
    ['a resource type', '/OS::Whole/resource_types', { name: '\u{1f600}' }],
    ['one of many tags', '/OS::Whole/tags', { tags: [{ name: '\u{1f600}' }] }],
  ])('refuse %s of characters that the tables do not hold', async (_what, place, body) => {
    await withNamespace(WHOLE, async () => {
      const answer = await admin().post(`${ROOT}${place}`).send(body).expect(400);
      expect(answer.text).toContain("can't contain 4 byte unicode characters");
    });
  });

  it.each([
    ['a property', `{"namespace":"n","properties":{"__proto__":${JSON.stringify(DEFINITION)}}}`],
    ['an object', '{"namespace":"n","objects":[{"name":"constructor"}]}'],
    ['a tag', '{"namespace":"n","tags":[{"name":"prototype"}]}'],
    ['a namespace', '{"namespace":"__proto__"}'],
  ])('refuse %s with a name that means something else to programs', async (_what, body) => {
    await admin().post(ROOT).set('content-type', 'application/json').send(body).expect(400);
    await admin().get(`${ROOT}/n`).expect(404);
    expect(({} as Record<string, unknown>)['title']).toBeUndefined();
  });

  it.each([
    [{ objects: [{ name: 'a' }, { name: 'a' }] }, 409],
    [{ tags: [{ name: 'a' }, { name: 'a' }] }, 409],
    [{ resource_type_associations: [{ name: 'a' }, { name: 'a' }] }, 409],
    [{ objects: [{ description: 'no name' }] }, 400],
    [{ properties: { p: { ...DEFINITION, enum: [1] } } }, 400],
    [{ properties: { ['p'.repeat(81)]: DEFINITION } }, 400],
    [{ tags: [{ name: 't'.repeat(81) }] }, 400],
    [{ resource_type_associations: [{ name: 'a', prefix: 'p'.repeat(81) }] }, 400],
  ])('leave nothing of a namespace that is refused: %j', async (contents, status) => {
    await admin()
      .post(ROOT)
      .send({ namespace: 'Half', ...contents })
      .expect(status);
    await admin().get(`${ROOT}/Half`).expect(404);
  });

  it.each(['100%', 'ä::ö', ' ', '"\'', '?#&='])('may be named %j', async (name) => {
    await withNamespace({ namespace: name, tags: [{ name }] }, async (path) => {
      const url = `${path}/tags/${encodeURIComponent(name)}`;
      expect((await admin().get(url).expect(200)).body.name).toBe(name);
    });
  });

  it('are listed in pages that lead to each other', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (const namespace of names) await admin().post(ROOT).send({ namespace }).expect(201);
    const seen: string[] = [];
    let next: string | undefined = `${ROOT}?sort_key=namespace&sort_dir=asc`;
    const sizes: number[] = [];
    while (next !== undefined) {
      const { body } = await admin().get(next).expect(200);
      expect(body.first).toBe(`${ROOT}?sort_key=namespace&sort_dir=asc`);
      const page = (body.namespaces as { namespace: string }[]).map(({ namespace }) => namespace);
      sizes.push(page.length);
      seen.push(...page);
      next = body.next as string | undefined;
    }
    expect(seen).toEqual(names);
    expect(sizes).toEqual([3, 3, 1]);
    expect((await admin().get(`${ROOT}?limit=100`)).body.namespaces).toHaveLength(5);
    for (const name of names) await admin().delete(`${ROOT}/${name}`).expect(204);
  });

  it('are not for callers without credentials', async () => {
    await as(undefined).get(ROOT).expect(401);
    await as(undefined).post(ROOT).send({ namespace: 'n' }).expect(401);
  });
});
