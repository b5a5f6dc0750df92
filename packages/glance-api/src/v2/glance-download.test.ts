import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:a:member';
const FORMATS = { disk_format: 'raw', container_format: 'bare' };

/** Images of other regions, by the method glance-download (tasks sheet §5, §7). */
describe('glance-download in API v2', () => {
  let far: TestApi;
  let near: TestApi;
  let directory: string;
  let sourceId: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-regions-'));
    far = await startTestApi();
    near = await startTestApi(
      '--paste-deploy-flavor=trusted-auth',
      `--node-staging-uri=file://${directory}/staging`,
      '--enabled-import-methods=[glance-download]',
      `--import-filtering-opts-allowed-ports=80,${far.port}`,
    );
    const owner = () => request.agent(far.url).set('x-auth-token', OWNER);
    const source = { ...FORMATS, disk_format: 'iso', os_type: 'linux', hw_disk_bus: 'scsi' };
    const body = { ...source, name: 'far', secret_of_far: 'x', visibility: 'private' };
    sourceId = (await owner().post('/v2/images').send(body).expect(201)).body.id;
    const data = Buffer.alloc(64 * 1024);
    data.write('\x01CD001\x01', 32_768, 'latin1');
    await owner()
      .put(`/v2/images/${sourceId}/file`)
      .set('content-type', 'application/octet-stream')
      .send(data)
      .expect(204);
  });

  afterAll(async () => {
    await near.close();
    await far.close();
    await rm(directory, { recursive: true });
  });

  const catalog = (url: string): string =>
    JSON.stringify([
      { type: 'compute', endpoints: [{ region: 'Far', publicURL: 'http://nova.invalid' }] },
      { type: 'image', endpoints: [{ region: 'Far', publicURL: `${url}/`, internalURL: url }] },
    ]);
  const caller = (token = OWNER, endpoint = far.url) =>
    request.agent(near.url).set({
      'x-identity-status': 'Confirmed',
      'x-user-id': 'alice',
      'x-project-id': 'a',
      'x-roles': 'member,reader',
      'x-auth-token': token,
      'x-service-catalog': catalog(endpoint),
    });
  const create = async (): Promise<string> =>
    (await caller().post('/v2/images').send(FORMATS).expect(201)).body.id;
  const method = (more: object = {}) => ({
    method: {
      name: 'glance-download',
      glance_region: 'FAR',
      glance_image_id: sourceId,
      ...more,
    },
  });
  const ended = async (id: string) => {
    for (;;) {
      const { tasks } = (await caller().get(`/v2/images/${id}/tasks`).expect(200)).body;
      if (['success', 'failure'].includes(tasks[0].status)) return tasks[0];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const show = async (id: string) => (await caller().get(`/v2/images/${id}`).expect(200)).body;

  it.each([{}, { glance_service_interface: 'internal' }])(
    'takes data, formats and some properties as %j says',
    async (more) => {
      const id = await create();
      await caller().post(`/v2/images/${id}/import`).send(method(more)).expect(202, '');
      const task = await ended(id);
      expect(task).toMatchObject({ status: 'success', input: { import_req: method(more) } });
      expect(JSON.stringify(task)).not.toContain(OWNER);
      const image = await show(id);
      expect(image).toMatchObject({
        ...{ status: 'active', disk_format: 'iso', container_format: 'bare', size: 65_536 },
        ...{ os_type: 'linux', hw_disk_bus: 'scsi' },
      });
      expect(image).not.toHaveProperty('secret_of_far');
      expect(image.name).toBeNull();
      const { body: data } = await caller().get(`/v2/images/${id}/file`).expect(200);
      expect(data).toHaveLength(65_536);
    },
  );

  it.each([
    [{ glance_region: undefined }, "'glance_region' needs to be set"],
    [{ glance_image_id: undefined }, "'glance_image_id' needs to be set"],
    [{ glance_image_id: 'no-uuid' }, 'does not look like a UUID: no-uuid'],
    [{ glance_service_interface: 1 }, "'glance_service_interface' must be text"],
  ])('is not asked for with %j', async (more, text) => {
    const id = await create();
    const answer = await caller().post(`/v2/images/${id}/import`).send(method(more)).expect(400);
    expect(answer.text).toContain(text);
    expect(await show(id)).toMatchObject({ status: 'queued' });
  });

  it.each([
    [{ glance_region: 'Elsewhere' }, 'public endpoint of type image in region Elsewhere'],
    [{ glance_service_interface: 'admin' }, 'admin endpoint of type image in region FAR'],
  ])(
    'fails with a task that says so where the catalog has no endpoint of %j',
    async (more, text) => {
      const id = await create();
      await caller().post(`/v2/images/${id}/import`).send(method(more)).expect(202);
      expect(await ended(id)).toMatchObject({
        status: 'failure',
        message: `The service catalog has no ${text}`,
      });
      expect(await show(id)).toMatchObject({ status: 'queued', ...FORMATS });
    },
  );

  it('reads nothing that the filter of imports does not let pass', async () => {
    const id = await create();
    const elsewhere = caller(OWNER, 'http://127.0.0.1:9');
    const answer = await elsewhere.post(`/v2/images/${id}/import`).send(method()).expect(400);
    expect(answer.text).toContain('URI for glance-download does not pass filtering');
  });

  it.each([
    ['another project', 'bob:b:member', () => sourceId],
    ['no image', OWNER, () => '00000000-0000-4000-8000-000000000000'],
  ])('leaves the image as it was when its source is that of %s', async (_what, token, imageId) => {
    const id = await create();
    await caller(token)
      .post(`/v2/images/${id}/import`)
      .send(method({ glance_image_id: imageId() }))
      .expect(202);
    expect(await ended(id)).toMatchObject({
      status: 'failure',
      message: `The image ${imageId()} cannot be read from its region`,
    });
    expect(await show(id)).toMatchObject({ status: 'queued', ...FORMATS });
  });

  it('keeps the token no longer than its import, also when that fails', async () => {
    const id = await create();
    const nothing = method({ glance_image_id: '00000000-0000-4000-8000-000000000000' });
    const claims = jest.spyOn(near.registry, 'claimImport');
    await caller().post(`/v2/images/${id}/import`).send(nothing).expect(202);
    expect(await ended(id)).toMatchObject({ status: 'failure' });
    // After an import its process asks for the image's next; whoever has a token says so then.
    const forgot = () => claims.mock.calls.some(([{ holderIds }]) => holderIds === undefined);
    const giveUpAt = Date.now() + 5000;
    while (!forgot() && Date.now() < giveUpAt) await new Promise(setImmediate);
    expect(forgot()).toBe(true);
    claims.mockRestore();
  });

  it('takes only what is active where it comes from', async () => {
    const owner = () => request.agent(far.url).set('x-auth-token', OWNER);
    const { id: empty } = (await owner().post('/v2/images').send(FORMATS).expect(201)).body;
    const id = await create();
    const body = method({ glance_image_id: empty });
    await caller().post(`/v2/images/${id}/import`).send(body).expect(202);
    const { message } = await ended(id);
    expect(message).toBe('The image is not active in its region');
  });
});
