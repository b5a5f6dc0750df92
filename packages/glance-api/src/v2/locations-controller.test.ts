import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const ALICE = 'alice:demo:member';
const BOB = 'bob:other:member';
const SERVICE = 'nova:services:service';
const ADMIN = 'root:admin:admin';
const FORMATS = { disk_format: 'raw', container_format: 'bare' };
const DATA = Buffer.from('the bytes of an image');
const digest = (algorithm: string): string => createHash(algorithm).update(DATA).digest('hex');
const said = (algorithm: string, value = digest(algorithm)) => ({
  validation_data: { os_hash_algo: algorithm, os_hash_value: value },
});

describe('/v2/images/{id}/locations', () => {
  let source: http.Server;
  let url: string;
  let reads: number;
  let answer: http.RequestListener;
  let server: TestApi;

  const startApi = (...flags: string[]): Promise<TestApi> =>
    startTestApi(
      '--glance-store-stores=memory,http',
      '--glance-store-http-store-allowed-networks=127.0.0.0/8',
      `--glance-store-http-store-allowed-ports=${new URL(url).port}`,
      '--copy-from-poll-interval=0.1',
      ...flags,
    );

  beforeEach(async () => {
    reads = 0;
    answer = (req, res) => {
      res.writeHead(200, { 'Content-Length': DATA.length });
      if (req.method === 'GET') reads += 1;
      res.end(req.method === 'HEAD' ? undefined : DATA);
    };
    source = http.createServer((req, res) => answer(req, res));
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(source.address() as AddressInfo).port}/disk.raw`;
    server = await startApi();
  });

  afterEach(async () => {
    await server.close();
    source.closeAllConnections();
    await new Promise((resolve) => source.close(resolve));
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = async (body: object = FORMATS): Promise<string> =>
    (await as(ALICE).post('/v2/images').send(body).expect(201)).body.id;
  const add = (id: string, body: unknown, token = ALICE) =>
    as(token)
      .post(`/v2/images/${id}/locations`)
      .send(body as object);
  const list = (id: string, token = ADMIN) => as(token).get(`/v2/images/${id}/locations`);
  const show = async (id: string) => (await as(ALICE).get(`/v2/images/${id}`).expect(200)).body;
  /** Waits for what happens in the background. */
  async function comesTo(id: string, wanted: object): Promise<Record<string, unknown>> {
    for (;;) {
      const image = await show(id);
      const differs = Object.entries(wanted).some(([key, value]) => image[key] !== value);
      if (!differs) return image;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it('make an image active at once and hash its data afterwards', async () => {
    const id = await create();
    const answered = await add(id, { url, anything: 1 }).expect(202);
    expect(answered.text).toBe('');
    expect(await show(id)).toMatchObject({ status: 'active', size: DATA.length });
    const image = await comesTo(id, { checksum: digest('md5') });
    expect(image).toMatchObject({ os_hash_algo: 'sha512', os_hash_value: digest('sha512') });
    expect((await list(id).expect(200)).body).toEqual([{ url, metadata: {} }]);
  });

  it.each(['md5', 'sha1', 'sha256', 'sha512'])(
    'make an image active when its data has the %s that was said',
    async (algorithm) => {
      const id = await create();
      await add(id, { url, ...said(algorithm, digest(algorithm).toUpperCase()) }).expect(202);
      const image = await comesTo(id, { status: 'active' });
      expect(image).toMatchObject({
        size: DATA.length,
        checksum: digest('md5'),
        os_hash_algo: algorithm,
        os_hash_value: digest(algorithm),
      });
      expect((await list(id)).body).toEqual([{ url, metadata: {} }]);
      expect(reads).toBe(1);
    },
  );

  it.each([
    ['it has another hash', (): object => ({ url, ...said('sha256', '0'.repeat(64)) })],
    ['it is not there', () => ({ url: url.replace('disk', 'none'), ...said('sha256') })],
    ['it is not to be read', () => ({ url: 'http://169.254.169.254/', ...said('sha256') })],
  ])('leave the image queued and take another when %s', async (_why, body) => {
    const found = answer;
    answer = (req, res) => {
      if (req.url === '/disk.raw') found(req, res);
      else res.writeHead(404).end();
    };
    const id = await create();
    await add(id, body()).expect(202);
    // Until the first is given up a second one is refused.
    for (;;) {
      const { status } = await add(id, { url, ...said('sha256') });
      if (status === 202) break;
      expect(status).toBe(409);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await comesTo(id, { status: 'active', os_hash_value: digest('sha256') });
    expect((await list(id)).body).toEqual([{ url, metadata: {} }]);
  });

  it('are told of by a task', async () => {
    const tasks = async (id: string) =>
      (await as(ALICE).get(`/v2/images/${id}/tasks`).expect(200)).body.tasks;
    const id = await create();
    const secret = url.replace('//', '//user:canary@');
    const body = { url: secret, ...said('sha256') };
    const answered = await add(id, body).expect(202);
    await comesTo(id, { status: 'active' });
    const [task, ...others] = await tasks(id);
    expect(others).toEqual([]);
    expect(task).toMatchObject({
      ...{ type: 'location_import', status: 'success', owner: 'demo', image_id: id },
      request_id: answered.headers['x-openstack-request-id'],
      input: { image_id: id, validation_data: body.validation_data },
      result: { image_id: id },
    });
    expect(JSON.stringify(task)).not.toContain('canary');

    const wrong = await create();
    await add(wrong, { url, ...said('sha256', '0'.repeat(64)) }).expect(202);
    for (;;) {
      const [failed] = await tasks(wrong);
      if (failed.status !== 'failure') continue;
      expect(failed.message).toContain(`and its data has ${digest('sha256')}`);
      break;
    }
    expect(await show(wrong)).toMatchObject({ status: 'queued', os_hash_value: null });

    const atOnce = await create();
    await add(atOnce, { url }).expect(202);
    expect(await tasks(atOnce)).toMatchObject([{ status: 'success' }]);
  });

  it('are importing while their data is read', async () => {
    let release: () => void = () => undefined;
    answer = (_req, res) => {
      res.writeHead(200, { 'Content-Length': DATA.length });
      res.write(DATA.subarray(0, 5));
      release = () => res.end(DATA.subarray(5));
    };
    const id = await create();
    await add(id, { url, ...said('sha256') }).expect(202);
    await comesTo(id, { status: 'importing' });
    expect((await list(id)).body).toEqual([]);
    await add(id, { url }).expect(409);
    release();
    await comesTo(id, { status: 'active' });
  });

  it('take what is said for granted without do_secure_hash', async () => {
    await server.close();
    server = await startApi('--do-secure-hash=false');
    const announced = said('sha256', 'A'.repeat(64));
    const id = await create();
    await add(id, { url, ...announced }).expect(202);
    expect(await show(id)).toMatchObject({
      status: 'active',
      size: DATA.length,
      checksum: null,
      os_hash_algo: 'sha256',
      os_hash_value: 'a'.repeat(64),
    });
    const unsaid = await create();
    await add(unsaid, { url, validation_data: {} }).expect(202);
    expect(await show(unsaid)).toMatchObject({ status: 'active', os_hash_value: null });
    expect(reads).toBe(0);
  });

  it('try to hash again when the source fails', async () => {
    const works = answer;
    let failures = 0;
    answer = (req, res) => {
      if (req.method === 'GET' && failures < 2) {
        failures += 1;
        res.destroy();
      } else works(req, res);
    };
    const id = await create();
    await add(id, { url }).expect(202);
    await comesTo(id, { checksum: digest('md5') });
  });

  it.each([
    ['no url', {}],
    ['a url that is no text', { url: 1 }],
    ['validation data that is null', { url: 'http://x/', validation_data: null }],
    ['an unknown algorithm', { url: 'http://x/', ...said('sha512', 'a'), ...saidBy('sha123') }],
    ['an algorithm without value', { url: 'http://x/', validation_data: { os_hash_algo: 'md5' } }],
    ['a value without algorithm', { url: 'http://x/', validation_data: { os_hash_value: 'a' } }],
    ['another key', { url: 'http://x/', validation_data: { checksum: 'a' } }],
    ['a list', []],
  ])('refuse a body with %s', async (_what, body) => {
    const answered = await add(randomUUID(), body).expect(400);
    expect(answered.text).toContain('location');
  });

  it('refuse hashes that are none, and no body', async () => {
    const id = await create();
    await add(id, { url, ...said('sha256', 'abc') }).expect(400);
    await add(id, { url, ...said('sha256', 'z'.repeat(64)) }).expect(400);
    await add(id, { url, ...said('sha512', digest('sha256')) }).expect(400);
    await as(ALICE).post(`/v2/images/${id}/locations`).expect(400);
    expect(await show(id)).toMatchObject({ status: 'queued' });
  });

  it('tell at once what is wrong with a source whose data is not read first', async () => {
    const id = await create();
    answer = (_req, res) => void res.writeHead(404).end();
    await add(id, { url }).expect(400);
    answer = (_req, res) => void res.writeHead(200, { 'Content-Length': 0 }).end();
    await add(id, { url }).expect(400);
    await add(id, { url: 'http://169.254.169.254/' }).expect(400);
    await add(id, { url: 'http://host.example/a#@b' }).expect(400);
    const bare = await create({});
    expect((await add(bare, { url }).expect(400)).text).toContain('disk_format');
    expect(await show(id)).toMatchObject({ status: 'queued' });
  });

  it('are http sources, and to services whatever can be read', async () => {
    const id = await create();
    const text = 'http store must be enabled to use location API by normal user.';
    for (const token of [ALICE, ADMIN]) {
      const refused = await add(id, { url: 'file:///etc/passwd' }, token).expect(403);
      expect(refused.text).toContain(text);
    }
    const image = (await as(ALICE).patch(`/v2/images/${id}`).set(PATCH).send(COMMUNITY)).body;
    expect(image.visibility).toBe('community');
    await add(id, { url: 'file:///etc/passwd' }, SERVICE).expect(400);
    await add(id, { url }, SERVICE).expect(202);
    expect((await list(id, SERVICE).expect(200)).body).toEqual([{ url, metadata: {} }]);
    await server.close();
    server = await startTestApi();
    expect((await add(await create(), { url }).expect(403)).text).toContain(text);
  });

  it('are for queued images of the own project', async () => {
    const id = await create();
    await add(id, { url }, BOB).expect(404);
    await add(id, { url }, 'carol:demo:reader').expect(403);
    await add(id, { url }).expect(202);
    // What one may not do comes before what cannot be done.
    await add(id, { url }, 'carol:demo:reader').expect(403);
    await add(id, { url }).expect(409);
  });

  it('are listed to services and administrators', async () => {
    const id = await create();
    expect((await list(id).expect(200)).text).toBe('[]');
    await list(id).send({ ignored: true }).expect(200);
    await list(id, ALICE).expect(403);
    await list(id, BOB).expect(404);
    await list(id, SERVICE).expect(404);
    await list(randomUUID()).expect(404);
    const refused = await as(ADMIN).put(`/v2/images/${id}/locations`).expect(405);
    expect(refused.headers['allow']).toBe('GET, POST');
  });
});

const PATCH = { 'content-type': 'application/openstack-images-v2.1-json-patch' };
const COMMUNITY = JSON.stringify([{ op: 'replace', path: '/visibility', value: 'community' }]);

function saidBy(algorithm: string) {
  return { validation_data: { os_hash_algo: algorithm, os_hash_value: 'a' } };
}
