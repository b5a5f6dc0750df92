import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { DomainError, type ImageStatus } from '@glance/common';
import { MemoryDriver } from '@glance/stores';
import request from 'supertest';
import { memoryStores, type MemoryStores } from '../testing/memory-stores';
import { startTestApi, startTestApiWith, type TestApi } from '../testing/test-api';

const MEMBER = 'alice:demo:member,reader';
const OTHER = 'bob:other:member,reader';
const ADMIN = 'root:admin:admin';
const OCTETS = { 'content-type': 'application/octet-stream' };
const RAW = { disk_format: 'raw', container_format: 'bare' };
const DATA = Buffer.from('the bytes of an image');
const MD5 = createHash('md5').update(DATA).digest('hex');
const SHA512 = createHash('sha512').update(DATA).digest('hex');

/** An image of a disk of 1 TiB that holds nothing. */
function qcow2(): Buffer {
  const data = Buffer.alloc(1024);
  data.write('QFI\xfb', 0, 'latin1');
  data.writeUInt32BE(3, 4);
  data.writeUInt32BE(16, 20);
  data.writeBigUInt64BE(BigInt(2 ** 40), 24);
  data.writeUInt32BE(104, 100);
  return data;
}

describe('data sent to API v2', () => {
  let server: TestApi;
  let store: MemoryStores;

  async function start(memory: MemoryStores, ...flags: string[]): Promise<void> {
    store = memory;
    server = await startTestApiWith({ stores: memory.stores }, ...flags);
  }

  afterEach(async () => {
    await server.close();
    await store.stores.close();
  });

  const as = (token: string) => request.agent(server.url).set('x-auth-token', token);
  const create = async (body: object = RAW): Promise<string> =>
    (await as(MEMBER).post('/v2/images').send(body).expect(201)).body.id;
  const show = async (id: string) =>
    (await as(MEMBER).get(`/v2/images/${id}`).expect(200)).body as Record<string, unknown>;
  const put = (id: string, headers: Record<string, string> = {}, token = MEMBER) =>
    as(token)
      .put(`/v2/images/${id}/file`)
      .set({ ...OCTETS, ...headers });
  const read = async (id: string): Promise<Buffer> =>
    (await as(MEMBER).get(`/v2/images/${id}/file`).buffer(true).expect(200)).body;
  const driver = (id = 'memory'): MemoryDriver => store.drivers.get(id)!;
  const chunked = (id: string, data: Buffer, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': MEMBER, ...OCTETS, ...headers },
      body: new Blob([data]).stream(),
      duplex: 'half',
    });

  /** Nothing is left of the attempt, and the next one succeeds at once. */
  async function expectRepeatable(id: string): Promise<void> {
    expect(await show(id)).toMatchObject({
      status: 'queued',
      size: null,
      virtual_size: null,
      checksum: null,
      os_hash_value: null,
    });
    expect(driver().locations).toEqual([]);
    await put(id).send(DATA).expect(204);
    expect(await read(id)).toEqual(DATA);
  }

  it('is there afterwards, with its size and hashes', async () => {
    await start(await memoryStores());
    const id = await create();
    const answer = await put(id).send(DATA).expect(204);
    expect(answer.text).toBe('');
    expect(await show(id)).toMatchObject({
      status: 'active',
      size: DATA.length,
      virtual_size: DATA.length,
      checksum: MD5,
      os_hash_algo: 'sha512',
      os_hash_value: SHA512,
    });
    expect(await read(id)).toEqual(DATA);
  });

  it('may be chunked, announced and nothing at all', async () => {
    await start(await memoryStores());
    const announced = await create();
    const size = { 'x-openstack-image-size': String(DATA.length) };
    expect((await chunked(announced, DATA, size)).status).toBe(204);
    expect(await read(announced)).toEqual(DATA);
    const parameters = await create();
    await put(parameters, { 'content-type': 'Application/Octet-Stream; charset=x' })
      .send(DATA)
      .expect(204);
    const empty = await create();
    await put(empty).expect(204);
    expect(await show(empty)).toMatchObject({ status: 'active', size: 0, virtual_size: null });
    expect(await read(empty)).toEqual(Buffer.alloc(0));
  });

  it('is not looked at in a container, or where nobody knows the format', async () => {
    await start(await memoryStores());
    for (const formats of [
      { disk_format: 'qcow2', container_format: 'ovf' },
      { disk_format: 'ploop', container_format: 'bare' },
    ]) {
      const id = await create(formats);
      await put(id).send(DATA).expect(204);
      expect(await show(id)).toMatchObject({ size: DATA.length, virtual_size: null });
    }
  });

  it('tells the size of the disk in it', async () => {
    await start(await memoryStores());
    const id = await create({ disk_format: 'qcow2', container_format: 'bare' });
    await put(id).send(qcow2()).expect(204);
    expect(await show(id)).toMatchObject({ size: 1024, virtual_size: 2 ** 40 });
  });

  it('OSSA-2015-014: is refused when it is not what it is said to be, or not safe', async () => {
    await start(await memoryStores());
    const backed = qcow2();
    backed.writeBigUInt64BE(512n, 8);
    backed.write('/etc/passwd', 512);
    for (const [diskFormat, data, text] of [
      ['qcow2', DATA, 'it is not of format qcow2'],
      ['vhd', qcow2(), 'it is of format qcow2, and the image says vhd'],
      ['qcow2', backed, 'it has a backing file'],
      ['raw', backed, 'it has a backing file'],
    ] as const) {
      const id = await create({ disk_format: diskFormat, container_format: 'bare' });
      const refusal = await put(id).send(data).expect(415);
      expect(refusal.text).toContain(text);
      expect(refusal.text).not.toContain('passwd');
      expect(await show(id)).toMatchObject({ status: 'queued', size: null, checksum: null });
      expect(driver().locations).toEqual([]);
      if (diskFormat === 'vhd') continue;
      await put(id)
        .send(diskFormat === 'raw' ? DATA : qcow2())
        .expect(204);
      await as(MEMBER).delete(`/v2/images/${id}`).expect(204);
    }
  });

  it('is taken with a warning where formats need not match, if it is safe', async () => {
    await start(await memoryStores(), '--image-format-require-image-format-match=false');
    const id = await create({ disk_format: 'vhd', container_format: 'bare' });
    const backed = qcow2();
    backed.writeBigUInt64BE(512n, 8);
    await put(id).send(backed).expect(415);
    await put(id).send(qcow2()).expect(204);
    expect(await show(id)).toMatchObject({ size: 1024, virtual_size: null });
  });

  // §18 Data
  it.each([
    ['application/json', 'application/json'],
    ['application/octet-st', 'application/octet-st'],
    [undefined, 'None'],
  ])('is refused with the type %s', async (type, named) => {
    await start(await memoryStores());
    const id = await create();
    const answer = await fetch(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': MEMBER, ...(type === undefined ? {} : { 'content-type': type }) },
      body: new Uint8Array(DATA),
    });
    expect(answer.status).toBe(415);
    expect(await answer.text()).toContain(`Invalid content type ${named}`);
    await expectRepeatable(id);
  });

  it.each([
    ['an encoding', { 'content-encoding': 'gzip' }, 415],
    ['a size that is no number', { 'x-openstack-image-size': 'foobar' }, 400],
    ['a negative size', { 'x-openstack-image-size': '-1' }, 400],
    ['an empty size', { 'x-openstack-image-size': '' }, 400],
    ['a size below the data', { 'x-openstack-image-size': '4' }, 400],
    ['a size above the data', { 'x-openstack-image-size': '400' }, 400],
  ])('is refused with %s, and can be sent again', async (_what, headers, status) => {
    await start(await memoryStores());
    const id = await create();
    await put(id, headers).send(DATA).expect(status);
    await expectRepeatable(id);
    const unannounced = await create();
    expect((await chunked(unannounced, DATA, headers)).status).toBe(status);
    expect(await show(unannounced)).toMatchObject({ status: 'queued', size: null });
  });

  it('looks at the headers before the image, and at the image before its status', async () => {
    await start(await memoryStores(['one', 'two']));
    const nowhere = '00000000-0000-4000-8000-000000000000';
    const bad = { 'x-openstack-image-size': 'x', 'x-image-meta-store': 'nowhere' };
    await put(nowhere, { ...bad, 'content-type': 'text/plain' })
      .send(DATA)
      .expect(415);
    const size = await put(nowhere, bad).send(DATA).expect(400);
    expect(size.text).toContain('x-openstack-image-size');
    const unknown = await put(nowhere, { 'x-image-meta-store': 'nowhere' }).send(DATA).expect(400);
    expect(unknown.text).toContain('nowhere');
    await put(nowhere).send(DATA).expect(404);
    const id = await create({ ...RAW, visibility: 'private' });
    await put(id).send(DATA).expect(204);
    await put(id, {}, OTHER).send(DATA).expect(404);
    await put(id).send(DATA).expect(409);
  });

  it.each([
    [{}, 'Properties disk_format, container_format must be set'],
    [{ disk_format: 'raw' }, 'Property container_format must be set'],
    [{ container_format: 'bare' }, 'Property disk_format must be set'],
  ])('is not asked for while formats are missing: %j', async (body, text) => {
    await start(await memoryStores());
    const id = await create(body);
    const { status, continued, answer } = await sendWithExpect(id);
    expect([status, continued]).toEqual([400, false]);
    expect(answer).toContain(text);
    expect(await show(id)).toMatchObject({ status: 'queued' });
  });

  it('is asked for when all else is in order', async () => {
    await start(await memoryStores());
    const id = await create();
    expect(await sendWithExpect(id)).toMatchObject({ status: 204, continued: true });
    expect(await read(id)).toEqual(DATA);
  });

  /** Sends the data only when `100 Continue` has come. */
  async function sendWithExpect(id: string, data = DATA) {
    const upload = http.request(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: {
        'x-auth-token': MEMBER,
        ...OCTETS,
        'content-length': data.length,
        expect: '100-continue',
      },
    });
    let continued = false;
    upload.on('continue', () => {
      continued = true;
      upload.end(data);
    });
    upload.on('error', () => undefined);
    upload.flushHeaders();
    const response = await new Promise<http.IncomingMessage>((resolve) =>
      upload.once('response', resolve),
    );
    let answer = '';
    for await (const chunk of response) answer += String(chunk);
    upload.destroy();
    return { status: response.statusCode, continued, answer };
  }

  it('comes once: the first data stays', async () => {
    await start(await memoryStores());
    const id = await create();
    await put(id).send(DATA).expect(204);
    await put(id).send(randomBytes(10)).expect(409);
    expect(await read(id)).toEqual(DATA);
  });

  it.each<ImageStatus>(['saving', 'uploading', 'importing', 'deactivated', 'killed'])(
    'is refused by an image that is %s',
    async (status) => {
      await start(await memoryStores());
      const id = await create();
      server.registry.overwrite(id, { status });
      await put(id).send(DATA).expect(409);
      expect(await show(id)).toMatchObject({ status });
    },
  );

  it('of two at once is taken from one', async () => {
    await start(await memoryStores());
    for (let round = 0; round < 10; round += 1) {
      const id = await create();
      const bodies = [randomBytes(30), randomBytes(30)];
      const answers = await Promise.all(bodies.map((body) => put(id).send(body)));
      const statuses = answers.map(({ status }) => status);
      expect(statuses.filter((status) => status === 204)).toHaveLength(1);
      expect([409, 410]).toContain(statuses.find((status) => status !== 204));
      expect(await read(id)).toEqual(bodies[statuses.indexOf(204)]);
    }
    expect(driver().locations).toHaveLength(10);
  });

  it('that finds the image taken since it was looked at is 410', async () => {
    await start(await memoryStores());
    const id = await create();
    const begin = jest.spyOn(server.registry, 'beginUpload').mockImplementationOnce(() => {
      throw new DomainError('conflict', 'Image operation conflicts');
    });
    await put(id).send(DATA).expect(410);
    expect(begin).toHaveBeenCalledTimes(1);
    await expectRepeatable(id);
  });

  it('of an image that is deleted meanwhile is 410, and gone', async () => {
    await start(await memoryStores());
    const id = await create();
    let feed: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (feed = controller),
    });
    const attempt = fetch(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': MEMBER, ...OCTETS },
      body,
      duplex: 'half',
    });
    feed?.enqueue(DATA);
    while ((await show(id))['status'] !== 'saving');
    await as(MEMBER).delete(`/v2/images/${id}`).expect(204);
    feed?.enqueue(DATA);
    feed?.close();
    expect((await attempt).status).toBe(410);
    expect(driver().locations).toEqual([]);
    await as(MEMBER).get(`/v2/images/${id}`).expect(404);
  });

  it('above image_size_cap is 413, announced or not', async () => {
    await start(await memoryStores(), '--image-size-cap=25');
    const id = await create();
    expect(await sendWithExpect(id, randomBytes(26))).toMatchObject({
      status: 413,
      continued: false,
    });
    expect((await chunked(id, randomBytes(26))).status).toBe(413);
    const size = { 'x-openstack-image-size': '26' };
    expect((await chunked(id, randomBytes(5), size)).status).toBe(413);
    await expectRepeatable(id);
  });

  it('above user_storage_quota is 413, announced or not', async () => {
    await start(await memoryStores(), '--user-storage-quota=25');
    const id = await create();
    await put(id).send(randomBytes(26)).expect(413);
    expect((await chunked(id, randomBytes(26))).status).toBe(413);
    await expectRepeatable(id);
    // The quota counts what is stored, and nothing of what failed.
    const another = await create();
    expect((await chunked(another, randomBytes(10))).status).toBe(413);
    await as(MEMBER).delete(`/v2/images/${another}`).expect(204);
    await as(MEMBER).delete(`/v2/images/${id}`).expect(204);
    expect((await chunked(await create(), randomBytes(25))).status).toBe(204);
  });

  // §8.1
  it.each([
    ['store_full', 413],
    ['store_write_denied', 503],
    ['store_unavailable', 503],
    ['store_duplicate', 500],
    ['store_failed', 500],
  ] as const)('that the store refuses (%s) is %d, and can be sent again', async (code, status) => {
    await start(await memoryStores());
    const id = await create();
    driver().breakWith(new DomainError(code, 'It does not work'));
    await put(id).send(DATA).expect(status);
    driver().breakWith(undefined);
    await expectRepeatable(id);
  });

  it('to a store that takes none is 410', async () => {
    await start(await memoryStores(['memory'], { add: false }));
    const id = await create();
    await put(id).send(DATA).expect(410);
    expect(await show(id)).toMatchObject({ status: 'queued', size: null });
  });

  it('goes to the store that is named where there are several', async () => {
    await start(await memoryStores(['one', 'two']));
    const id = await create();
    await put(id, { 'x-image-meta-store': 'two' }).send(DATA).expect(204);
    expect([driver('one').locations.length, driver('two').locations.length]).toEqual([0, 1]);
    await put(await create())
      .send(DATA)
      .expect(204);
    expect(driver('one').locations).toHaveLength(1);
  });

  it('goes to the only store whatever name is given', async () => {
    await start(await memoryStores());
    await put(await create(), { 'x-image-meta-store': 'nowhere' })
      .send(DATA)
      .expect(204);
  });

  it('OSSA-2024-004: must have the checksum and the hash that the image is to have', async () => {
    await start(await memoryStores());
    const sha256 = createHash('sha256').update(DATA).digest('hex');
    for (const [good, bad] of [
      [{ checksum: MD5 }, { checksum: '0'.repeat(32) }],
      [
        { hashAlgorithm: 'sha512', hashValue: SHA512 },
        { hashAlgorithm: 'sha512', hashValue: '0'.repeat(128) },
      ],
      [
        { hashAlgorithm: 'sha256', hashValue: sha256 },
        { hashAlgorithm: 'sha256', hashValue: '0'.repeat(64) },
      ],
    ]) {
      const id = await create();
      server.registry.overwrite(id, bad!);
      await put(id).send(DATA).expect(400);
      expect(await show(id)).toMatchObject({ status: 'queued', size: null });
      server.registry.overwrite(id, good!);
      await put(id).send(DATA).expect(204);
    }
    const id = await create();
    server.registry.overwrite(id, { hashAlgorithm: 'rot13', hashValue: '00' });
    await put(id).send(DATA).expect(400);
    expect(await show(id)).toMatchObject({ status: 'queued' });
  });

  it('is the same for v1, and what v1 was sent is the same here', async () => {
    await start(await memoryStores());
    const id = await create();
    await put(id).send(DATA).expect(204);
    const first = await as(MEMBER).get(`/v1/images/${id}`).buffer(true).expect(200);
    expect(first.body).toEqual(DATA);
    expect(first.headers['x-image-meta-checksum']).toBe(MD5);
    const reserved = await as(MEMBER)
      .post('/v1/images')
      .set({ 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' })
      .expect(201);
    await as(MEMBER).put(`/v1/images/${reserved.body.image.id}`).set(OCTETS).send(DATA).expect(200);
    expect(await read(reserved.body.image.id)).toEqual(DATA);
    // Reserved by v1, with a size that is only v1's, and filled here.
    const sized = await as(MEMBER)
      .post('/v1/images')
      .set({
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
        'x-image-meta-size': '7',
      })
      .expect(201);
    await put(sized.body.image.id).send(DATA).expect(204);
    const head = await as(MEMBER).head(`/v1/images/${sized.body.image.id}`).expect(200);
    expect(head.headers['x-image-meta-size']).toBe(String(DATA.length));
  });

  it('may only be sent by who may change the image', async () => {
    await start(await memoryStores());
    const id = await create({ ...RAW, visibility: 'community' });
    await put(id, {}, OTHER).send(DATA).expect(403);
    expect(await show(id)).toMatchObject({ status: 'queued' });
    await put(id, {}, ADMIN).send(DATA).expect(204);
  });
});

describe('data sent to API v2 over files', () => {
  it('leaves no file when it fails, and one when it is sent again', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-v2-'));
    const server = await startTestApi(
      '--glance-store-stores=file',
      '--glance-store-default-store=file',
      `--glance-store-filesystem-store-datadir=${directory}`,
    );
    const files = async (): Promise<string[]> =>
      (await readdir(directory, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map(({ name }) => name);
    try {
      const api = request.agent(server.url).set('x-auth-token', MEMBER);
      const { body } = await api.post('/v2/images').send(RAW).expect(201);
      const data = randomBytes(1_500_000);
      const put = () => api.put(`/v2/images/${body.id}/file`).set(OCTETS);
      await put().set('x-openstack-image-size', '1499999').send(data).expect(400);
      expect(await files()).toEqual([]);
      await put().send(data).expect(204);
      expect(await files()).toHaveLength(1);
      const whole = await api.get(`/v2/images/${body.id}/file`).buffer(true).expect(200);
      expect(data.equals(whole.body)).toBe(true);
      const part = await api
        .get(`/v2/images/${body.id}/file`)
        .set('range', 'bytes=600000-1400000')
        .buffer(true)
        .expect(206);
      expect(data.subarray(600_000, 1_400_001).equals(part.body)).toBe(true);
    } finally {
      await server.close();
      await rm(directory, { recursive: true });
    }
  });
});
