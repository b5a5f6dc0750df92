import { createHash, randomBytes } from 'node:crypto';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { describeWithClients, runClient } from './support/clients';
import { IdentityServer } from './support/identity';
import { ImageSource } from './support/image-source';
import { queryAll } from './support/sql';

jest.setTimeout(120_000);

const DATA = randomBytes(4 * 1024 * 1024);
const FORMATS = { disk_format: 'raw', container_format: 'bare' };
const SHA256 = createHash('sha256').update(DATA).digest('hex');
const VALIDATION = { os_hash_algo: 'sha256', os_hash_value: SHA256 };

interface ImageAnswer {
  id: string;
  status: string;
  size: number;
  checksum: string;
  os_hash_algo: string;
  os_hash_value: string;
}

describeWithClients().each(DATABASES)('locations of images on %s', (database) => {
  let source: ImageSource;
  let deployment: Deployment;

  beforeEach(async () => {
    source = await ImageSource.start(DATA);
    deployment = await Deployment.start({
      database,
      nodes: 2,
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.2'] },
      api: {
        DEFAULT: ['show_multiple_locations = true', 'wakeup_time = 0.2', 'deletion_grace = 0'],
        glance_store: source.storeOptions,
        copy_from: ['poll_interval = 0.2', 'retry_interval = 1'],
      },
    });
  });

  afterEach(async () => {
    await deployment.stop();
    await source.close();
  });

  const send = async (method: string, path: string, body?: unknown, node = 0) => {
    const answer = await fetch(`${deployment.apiUrls[node]}/v2.17/images${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? null : JSON.parse(text)) as unknown };
  };
  const create = async () => ((await send('POST', '', FORMATS)).body as ImageAnswer).id;
  const show = async (id: string, node = 0) =>
    (await send('GET', `/${id}`, undefined, node)).body as ImageAnswer;
  const becomes = (id: string, wanted: Partial<ImageAnswer>, node = 0) =>
    eventually(async () => expect(await show(id, node)).toMatchObject(wanted), 60_000);

  it('are registered at once, or when their data is what was said', async () => {
    const plain = await create();
    expect(await send('POST', `/${plain}/locations`, { url: source.url })).toEqual({
      status: 202,
      body: null,
    });
    await becomes(plain, {
      status: 'active',
      checksum: createHash('md5').update(DATA).digest('hex'),
      os_hash_value: createHash('sha512').update(DATA).digest('hex'),
    });

    const checked = await create();
    const announced = { url: source.url, validation_data: VALIDATION };
    expect((await send('POST', `/${checked}/locations`, announced, 1)).status).toBe(202);
    await becomes(checked, { status: 'active', size: DATA.length, ...VALIDATION });
    for (const id of [plain, checked]) {
      const { body } = await send('GET', `/${id}/locations`, undefined, 1);
      expect(body).toEqual([{ url: source.url, metadata: {} }]);
      const download = await fetch(`${deployment.apiUrls[1]}/v1/images/${id}`);
      expect(Buffer.from(await download.arrayBuffer()).equals(DATA)).toBe(true);
      // From a server that knows no ranges.
      const part = await fetch(`${deployment.apiUrls[1]}/v2/images/${id}/file`, {
        headers: { range: 'bytes=1000000-1999999' },
      });
      expect(part.status).toBe(206);
      const bytes = Buffer.from(await part.arrayBuffer());
      expect(bytes.equals(DATA.subarray(1_000_000, 2_000_000))).toBe(true);
      const removed = await send('DELETE', `/${id}`);
      expect(removed.status).toBe(204);
    }
    expect(await deployment.filesInStore()).toEqual([]);
  });

  it('are checked by another process when the one that began is killed', async () => {
    const release = source.holdBack();
    const id = await create();
    const url = source.url.replace('//', '//user:canary@');
    await send('POST', `/${id}/locations`, { url, validation_data: VALIDATION });
    await becomes(id, { status: 'importing' });
    await eventually(async () => expect(source.reads).toBe(1));
    const [lease] = await queryAll(
      deployment,
      `SELECT node FROM registry_leases WHERE image_id = '${id}' AND state = 'live'`,
    );
    const holder = deployment.apis.findIndex(({ child }) =>
      String(lease!['node']).endsWith(`:${child.pid}`),
    );
    deployment.apis[holder]!.child.kill('SIGKILL');
    await deployment.apis[holder]!.exited;
    const survivor = 1 - holder;
    await eventually(async () => expect(source.reads).toBe(2), 60_000);
    expect(await show(id, survivor)).toMatchObject({ status: 'importing' });
    release();
    await becomes(id, { status: 'active', ...VALIDATION }, survivor);
    const { body } = await send('GET', `/${id}/locations`, undefined, survivor);
    expect(body).toEqual([{ url, metadata: {} }]);
    expect(await queryAll(deployment, 'SELECT image_id FROM registry_copies')).toEqual([]);
    expect(deployment.logs()).not.toContain('canary');
  });

  it('are finished by another process when the one that takes one away is killed', async () => {
    for (const point of ['D1', 'D3']) {
      const id = await create();
      const upload = await fetch(`${deployment.apiUrl}/v2/images/${id}/file`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream' },
        body: DATA,
      });
      expect(upload.status).toBe(204);
      await patch(deployment.apiUrl, id, [
        { op: 'add', path: '/locations/-', value: { url: source.url, metadata: {} } },
      ]);
      expect(await deployment.filesInStore()).toEqual([id]);
      const dying = await deployment.addApi(`${point}:kill`);
      const call = patch(dying.url, id, [{ op: 'remove', path: '/locations/0' }]);
      await expect(call).rejects.toThrow();
      await dying.service.exited;
      await eventually(async () => expect(await deployment.filesInStore()).toEqual([]));
      await eventually(async () =>
        expect(await queryAll(deployment, 'SELECT image_id FROM registry_removals')).toEqual([]),
      );
      const { body } = await send('GET', `/${id}/locations`);
      expect(body).toEqual([{ url: source.url, metadata: {} }]);
      const download = await fetch(`${deployment.apiUrl}/v2/images/${id}/file`);
      expect(Buffer.from(await download.arrayBuffer()).equals(DATA)).toBe(true);
    }
  });

  it('are added, changed and removed by the unmodified client', async () => {
    const identity = await IdentityServer.start(deployment.apiUrl, [
      { id: 'admin', name: 'admin' },
    ]);
    const glance = async (...args: string[]) => {
      const environment = identity.environment('root:admin:admin');
      return (await runClient('glance', args, { environment })).toString();
    };
    try {
      const id = await create();
      const [first, second] = [source.url, source.url.replace('disk.raw', 'disk.raw?again')];
      await glance('location-add', '--url', first, '--metadata', '{"zone": "1"}', id);
      expect(await show(id)).toMatchObject({ status: 'active', size: DATA.length });
      await glance('location-add', '--url', second, id);
      await glance('location-update', '--url', first, '--metadata', '{"zone": "2"}', id);
      expect((await send('GET', `/${id}/locations`)).body).toEqual([
        { url: first, metadata: { zone: '2' } },
        { url: second, metadata: {} },
      ]);
      await glance('location-delete', '--url', first, id);
      expect((await send('GET', `/${id}/locations`)).body).toEqual([{ url: second, metadata: {} }]);
    } finally {
      await identity.stop();
    }
  });

  async function patch(url: string, id: string, operations: object[]): Promise<void> {
    const answer = await fetch(`${url}/v2/images/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
      body: JSON.stringify(operations),
    });
    expect([answer.status, await answer.text()]).toEqual([200, expect.anything()]);
  }
});
