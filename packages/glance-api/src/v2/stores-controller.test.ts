import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DomainError, type ImageStatus } from '@glance/common';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const MEMBER = 'alice:demo:member,reader';
const SERVICE = 'nova:service:service';
const ADMIN = 'root:demo:admin';
const DATA = Buffer.from('the bytes of an image');
const FORMATS = { disk_format: 'raw', container_format: 'bare' };

describe('several stores with names, in API v2', () => {
  let base: string;
  let server: TestApi;

  beforeEach(async () => {
    base = mkdtempSync(path.join(os.tmpdir(), 'glance-stores-'));
    server = await startTestApi(
      '--enabled-backends=slow:file, fast:file, web:http',
      '--glance-store-default-backend=fast',
      '--backend-defaults-filesystem-store-chunk-size=524288',
      `--slow-filesystem-store-datadir=${base}/slow`,
      '--slow-store-description=Disks',
      '--slow-weight=-1',
      `--fast-filesystem-store-datadir=${base}/fast`,
      '--fast-filesystem-store-chunk-size=262144',
    );
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await server.close();
    rmSync(base, { recursive: true });
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);

  async function create(): Promise<string> {
    return (await as(MEMBER).post('/v2/images').send(FORMATS).expect(201)).body.id as string;
  }

  async function uploadTo(store?: string): Promise<string> {
    const id = await create();
    await as(MEMBER)
      .put(`/v2/images/${id}/file`)
      .set('content-type', 'application/octet-stream')
      .set(store === undefined ? {} : { 'x-image-meta-store': store })
      .send(DATA)
      .expect(204);
    return id;
  }

  /** An image that is in both, as copies make it. */
  async function uploadToBoth(): Promise<string> {
    const id = await uploadTo('slow');
    await cp(`${base}/slow/${id}`, `${base}/fast/${id}`);
    const place = (store: string, number: number) => ({
      id: number,
      url: `file://${base}/${store}/${id}`,
      metadata: { store },
      status: 'active' as const,
    });
    server.registry.overwrite(id, { locations: [place('slow', 1), place('fast', 2)] });
    return id;
  }

  const shown = async (id: string): Promise<unknown> =>
    (await as(MEMBER).get(`/v2/images/${id}`).expect(200)).body.stores;
  const download = async (id: string): Promise<Buffer> =>
    (await as(MEMBER).get(`/v2/images/${id}/file`).buffer(true).expect(200)).body as Buffer;
  const removeFrom = (store: string, id: string, token = ADMIN) =>
    as(token).delete(`/v2/stores/${store}/${id}`);

  it('are listed to everybody, in their order', async () => {
    const { body } = await as(MEMBER).get('/v2/info/stores').expect(200);
    expect(body).toEqual({
      stores: [
        { id: 'slow', description: 'Disks' },
        { id: 'fast', default: 'true' },
        { id: 'web', 'read-only': 'true' },
      ],
    });
    await as(MEMBER).get('/v2/info/stores').send({}).expect(400);
    await as(MEMBER).post('/v2/info/stores').expect(405);
  });

  it('are listed with what they are to admins and services', async () => {
    await as(MEMBER).get('/v2/info/stores/detail').expect(403);
    const file = { type: 'file' };
    const properties = (store: string, chunk_size: number) => ({
      data_dir: `${base}/${store}`,
      chunk_size,
      thin_provisioning: false,
    });
    for (const token of [ADMIN, SERVICE]) {
      const { body } = await as(token).get('/v2/info/stores/detail').expect(200);
      expect(body).toEqual({
        stores: [
          {
            ...file,
            id: 'slow',
            description: 'Disks',
            weight: -1,
            properties: properties('slow', 524_288),
          },
          {
            ...file,
            id: 'fast',
            default: 'true',
            weight: 0,
            properties: properties('fast', 262_144),
          },
          { id: 'web', type: 'http', 'read-only': 'true', weight: 0, properties: {} },
        ],
      });
    }
  });

  it('are announced: by versions of the API, and to who creates an image', async () => {
    const { body } = await request(server.url).get('/versions').expect(200);
    const ids = (body.versions as { id: string }[]).map(({ id }) => id);
    const minors = [15, 13, 12, 11, 10, 9, 8, 17];
    expect(ids.slice(0, 8)).toEqual(minors.map((minor) => `v2.${minor}`));
    await as(MEMBER).get('/v2.8/images').expect(200);
    const created = await as(MEMBER).post('/v2/images').send({}).expect(201);
    expect(created.headers['openstack-image-store-ids']).toBe('slow,fast,web');
  });

  it('take uploads by name, else the default one does', async () => {
    const [named, other] = [await uploadTo('slow'), await uploadTo()];
    expect([await shown(named), await shown(other)]).toEqual(['slow', 'fast']);
    expect(readFileSync(`${base}/slow/${named}`)).toEqual(DATA);
    expect(readFileSync(`${base}/fast/${other}`)).toEqual(DATA);
    expect([await download(named), await download(other)]).toEqual([DATA, DATA]);
    const id = await create();
    const refused = as(MEMBER)
      .put(`/v2/images/${id}/file`)
      .set({ 'content-type': 'application/octet-stream', 'x-image-meta-store': 'nowhere' });
    await refused.send(DATA).expect(400);
    expect(await shown(id)).toBeUndefined();
    const readOnly = as(MEMBER)
      .put(`/v2/images/${id}/file`)
      .set({ 'content-type': 'application/octet-stream', 'x-image-meta-store': 'web' });
    await readOnly.send(DATA).expect(410);
  });

  it('take uploads by name in API v1', async () => {
    const answer = await as(MEMBER)
      .post('/v1/images')
      .set({
        'content-type': 'application/octet-stream',
        'x-image-meta-store': 'slow',
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      })
      .send(DATA)
      .expect(201);
    expect(await shown(answer.body.image.id as string)).toBe('slow');
  });

  it('are read by their weight, and found for places of old that name none', async () => {
    const id = await uploadToBoth();
    expect(await shown(id)).toBe('fast,slow');
    const read = jest.spyOn(server.api.stores.get('slow'), 'get');
    expect(await download(id)).toEqual(DATA);
    expect(read).not.toHaveBeenCalled();
    const [place] = (await server.registry.getImage(id, SERVICE_CALL)).locations;
    server.registry.overwrite(id, { locations: [{ ...place!, metadata: { store: 'renamed' } }] });
    expect(await shown(id)).toBe('slow');
    server.registry.overwrite(id, { locations: [{ ...place!, metadata: {} }] });
    expect(await shown(id)).toBe('slow');
    expect(await download(id)).toEqual(DATA);
  });

  it('do not hurt each other when one is gone', async () => {
    const [both, slow, fast] = [await uploadToBoth(), await uploadTo('slow'), await uploadTo()];
    rmSync(`${base}/fast`, { recursive: true });
    expect(await download(both)).toEqual(DATA);
    expect(await download(slow)).toEqual(DATA);
    await as(MEMBER).get(`/v2/images/${fast}/file`).expect(503);
    expect(await shown(await uploadTo('slow'))).toBe('slow');
  });

  it('lose an image alone, while another has it', async () => {
    const id = await uploadToBoth();
    await removeFrom('fast', id).expect(204);
    expect(existsSync(`${base}/fast/${id}`)).toBe(false);
    expect(await shown(id)).toBe('slow');
    expect(await download(id)).toEqual(DATA);
    const last = await removeFrom('slow', id).expect(403);
    expect(last.text).toContain('delete the image instead');
    expect(await download(id)).toEqual(DATA);
  });

  it('keep an image from who may not remove it', async () => {
    const id = await uploadToBoth();
    await removeFrom('fast', id, MEMBER).expect(403);
    await removeFrom('fast', id, 'bob:other:member').expect(404);
    expect(await shown(id)).toBe('fast,slow');
  });

  // api-v2 sheet 8.6
  it('refuse to remove what is not to be removed, in this order', async () => {
    const id = await uploadToBoth();
    await removeFrom('nowhere', randomUUID()).expect(409);
    await removeFrom('fast', randomUUID()).expect(404);
    await removeFrom('web', id).expect(404);
    for (const status of ['queued', 'deactivated'] as ImageStatus[]) {
      server.registry.overwrite(id, { status });
      await removeFrom('web', id).expect(409);
    }
    server.registry.overwrite(id, { status: 'active' });
    await as(ADMIN).delete(`/v2/stores/fast/${id}`).send({}).expect(400);
    const { headers } = await as(ADMIN).get(`/v2/stores/fast/${id}`).expect(405);
    expect(headers['allow']).toBe('DELETE');
    expect(await shown(id)).toBe('fast,slow');
  });

  it.each([
    ['store_in_use', 409],
    ['store_delete_denied', 403],
  ] as const)('keep an image when they refuse to remove it: %s', async (code, status) => {
    const id = await uploadToBoth();
    const refusal = new DomainError(code, 'The image is in use.');
    jest.spyOn(server.api.stores.get('fast'), 'delete').mockRejectedValue(refusal);
    await removeFrom('fast', id).expect(status);
    expect(await shown(id)).toContain('fast');
    expect(existsSync(`${base}/fast/${id}`)).toBe(true);
  });

  it('leave the removal to a sweep when they do not answer', async () => {
    const id = await uploadToBoth();
    const outage = new DomainError('store_unavailable', 'It is down.');
    jest.spyOn(server.api.stores.get('fast'), 'delete').mockRejectedValue(outage);
    await removeFrom('fast', id).expect(204);
    expect(await shown(id)).toBe('slow');
  });
});

describe('one store with a name, in API v2', () => {
  it('is called by it, whatever else the name may mean', async () => {
    const base = mkdtempSync(path.join(os.tmpdir(), 'glance-stores-'));
    const server = await startTestApi(
      '--enabled-backends=filesystem:file',
      '--glance-store-default-backend=filesystem',
      `--filesystem-filesystem-store-datadir=${base}`,
    );
    const agent = request.agent(server.url).set('x-auth-token', MEMBER);
    const upload = async (store: string) => {
      const { id } = (await agent.post('/v2/images').send(FORMATS).expect(201)).body;
      const headers = { 'content-type': 'application/octet-stream', 'x-image-meta-store': store };
      return { id, answer: await agent.put(`/v2/images/${id}/file`).set(headers).send(DATA) };
    };
    try {
      const { id, answer } = await upload('filesystem');
      expect(answer.status).toBe(204);
      await agent.get(`/v2/images/${id}/file?prefer=filesystem`).expect(200);
      await agent.get(`/v2/images/${id}/file?prefer=file`).expect(400);
      expect((await upload('file')).answer.status).toBe(400);
    } finally {
      await server.close();
      rmSync(base, { recursive: true });
    }
  });
});

describe('stores without names, in API v2', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(async () => {
    await server.close();
  });

  // §18 Discovery
  it.each(['/v2/info/stores', '/v2/info/stores/detail', `/v2/stores/memory/${randomUUID()}`])(
    'are not spoken of: %s',
    async (url) => {
      const method = url.startsWith('/v2/stores') ? 'delete' : 'get';
      const agent = request.agent(server.url).set('x-auth-token', ADMIN);
      const { text } = await agent[method](url).expect(404);
      expect(text).toContain('Multi backend is not supported at this site.');
    },
  );
});

const SERVICE_CALL = {
  identity: { userId: 'root', projectId: 'demo', roles: ['admin'], isAdmin: true, readOnly: false },
  requestId: 'req-test',
};
