import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ADMIN = 'root:ops:admin,member,reader';
const ALICE = 'alice:a:member,reader';
const BOB = 'bob:b:member,reader';

const text = (more: object) => ({ title: 'T', type: 'string', ...more });
const NAMESPACE = {
  namespace: 'Site::Images',
  visibility: 'public',
  resource_type_associations: [
    { name: 'OS::Glance::Image', prefix: 'x_' },
    { name: 'OS::Nova::Server', prefix: 'y_' },
  ],
  properties: {
    bus: text({ enum: ['ide', 'virtio'] }),
    name: text({ minLength: 2, maxLength: 4, pattern: '^[a-z]+$' }),
    broken: text({ pattern: '(' }),
    cores: { title: 'T', type: 'integer', minimum: 1, maximum: 8 },
    ratio: { title: 'T', type: 'number', minimum: 0 },
    agent: { title: 'T', type: 'boolean' },
    modes: {
      ...{ title: 'T', type: 'array', items: { type: 'string', enum: ['a', 'b'] } },
      ...{ maxItems: 2, uniqueItems: true },
    },
    map: { title: 'T', type: 'object' },
  },
  objects: [{ name: 'Group', properties: { inner: text({ enum: ['in'] }) } }],
};
/** Another opinion about one of them, and one that is nobody else's business. */
const SECOND = {
  namespace: 'Site::More',
  visibility: 'public',
  resource_type_associations: [{ name: 'OS::Glance::Image', prefix: 'x_' }],
  properties: { bus: text({ enum: ['scsi'] }) },
};
const PRIVATE = {
  namespace: 'Hers',
  owner: 'a',
  resource_type_associations: [{ name: 'OS::Glance::Image' }],
  properties: { hers: text({ enum: ['yes'] }) },
};

describe('custom properties that are to match metadata definitions', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi('--validate-image-properties=true');
    for (const body of [NAMESPACE, SECOND, PRIVATE]) {
      await as(ADMIN).post('/v2/metadefs/namespaces').send(body).expect(201);
    }
  });

  afterAll(() => server.close());

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = (properties: object, token = ALICE) =>
    as(token).post('/v2/images').send(properties);

  it.each([
    ['x_bus', 'ide'],
    ['x_bus', 'scsi'],
    ['x_name', 'abc'],
    ['x_broken', 'anything'],
    ['x_cores', ' 8'],
    ['x_ratio', '1.5e3'],
    ['x_agent', 'True'],
    ['x_agent', 'no'],
    ['x_modes', 'a, b'],
    ['x_modes', '["b"]'],
    ['x_modes', ''],
    ['x_map', '{"a":1}'],
    ['x_inner', 'in'],
    ['bus', 'not prefixed'],
    ['y_bus', 'of servers'],
    ['nobody_defines', 'this'],
  ])('may be %s=%j', async (name, value) => {
    const { body } = await create({ [name]: value }).expect(201);
    expect(body[name]).toBe(value);
  });

  it.each([
    [
      'x_bus',
      'floppy',
      'namespace Site::Images accepts ide, virtio; namespace Site::More accepts scsi',
    ],
    ['x_name', 'a', 'namespace Site::Images accepts texts of a length from 2 to 4'],
    ['x_name', 'abcde', 'texts of a length from 2 to 4'],
    ['x_name', 'ABC', 'texts that match ^[a-z]+$'],
    ['x_cores', '9', 'whole numbers from 1 to 8'],
    ['x_cores', '1.5', 'whole numbers from 1 to 8'],
    ['x_cores', '', 'whole numbers from 1 to 8'],
    ['x_ratio', '-1', 'numbers of at least 0'],
    ['x_ratio', 'half', 'numbers of at least 0'],
    ['x_agent', 'perhaps', 'true or false'],
    ['x_modes', 'a,c', 'lists of a, b'],
    ['x_modes', 'a,b,a', 'lists with a number of elements from 0 to 2'],
    ['x_modes', 'a,a', 'lists without repetition'],
    ['x_map', '[1]', 'a JSON object'],
    ['x_inner', 'out', 'namespace Site::Images accepts in'],
  ])('may not be %s=%j', async (name, value, accepted) => {
    const answer = await create({ [name]: value }).expect(400);
    expect(answer.text).toContain(`Property '${name}' cannot be '${value}'`);
    expect(answer.text).toContain(accepted);
  });

  it('are looked at in changes of both versions, and what stays is not', async () => {
    const { id } = (await create({ x_bus: 'ide', free: '1' }).expect(201)).body;
    const patch = (value: string) =>
      as(ALICE)
        .patch(`/v2/images/${id}`)
        .set('content-type', 'application/openstack-images-v2.1-json-patch')
        .send(JSON.stringify([{ op: 'replace', path: '/x_bus', value }]));
    await patch('floppy').expect(400);
    await patch('virtio').expect(200);
    const put = (bus: string, free: string) =>
      as(ALICE)
        .put(`/v1/images/${id}`)
        .set({ 'x-image-meta-property-x_bus': bus, 'x-image-meta-property-free': free });
    await put('floppy', '2').expect(400);
    const bus = async (): Promise<unknown> =>
      (await as(ALICE).get(`/v2/images/${id}`).expect(200)).body.x_bus;
    expect(await bus()).toBe('virtio');
    await put('scsi', '2').expect(200);
    expect(await bus()).toBe('scsi');
    await as(ADMIN).delete('/v2/metadefs/namespaces/Site::More').expect(204);
    // What was set while it was permitted does not stand in the way of other changes.
    await put('scsi', '3').expect(200);
    await as(ADMIN).post('/v2/metadefs/namespaces').send(SECOND).expect(201);
    await as(ALICE)
      .post('/v1/images')
      .set({ 'x-image-meta-property-x_bus': 'floppy', 'x-image-meta-name': 'n' })
      .expect(400);
  });

  it('follow the definitions that the caller sees', async () => {
    await create({ hers: 'no' }).expect(400);
    await create({ hers: 'yes' }).expect(201);
    await create({ hers: 'no' }, BOB).expect(201);
  });

  it('are what they like by default', async () => {
    const other = await startTestApi();
    const admin = request.agent(other.url).set('x-auth-token', ADMIN);
    await admin.post('/v2/metadefs/namespaces').send(NAMESPACE).expect(201);
    await admin.post('/v2/images').send({ x_bus: 'floppy' }).expect(201);
    await other.close();
  });
});
