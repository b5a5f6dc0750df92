import { randomBytes } from 'node:crypto';
import http from 'node:http';
import request from 'supertest';
import { memoryStores, type MemoryStores } from '../testing/memory-stores';
import { startTestApiWith, type TestApi } from '../testing/test-api';

const MEMBER = 'alice:demo:member,reader';
const RAW = { disk_format: 'raw', container_format: 'bare' };
const BOUNDARY = 'a-boundary';

/** A part of a form by its headers and its data. */
function part(headers: string[], data: Buffer | string): Buffer {
  return Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\n${headers.join('\r\n')}\r\n\r\n`),
    Buffer.from(data),
    Buffer.from('\r\n'),
  ]);
}
const file = (data: Buffer | string, ...headers: string[]): Buffer =>
  part(['Content-Disposition: form-data; name="f"; filename="disk.raw"', ...headers], data);
const field = (value: string, name = 'token'): Buffer =>
  part([`Content-Disposition: form-data; name="${name}"`], value);
const END = Buffer.from(`--${BOUNDARY}--\r\n`);

describe('a form sent to API v2', () => {
  let server: TestApi;
  let store: MemoryStores;

  beforeAll(async () => {
    store = await memoryStores();
    server = await startTestApiWith({ stores: store.stores }, '--user-storage-quota=9000000');
  });

  afterAll(async () => {
    await server.close();
    await store.stores.close();
  });

  const api = () => request.agent(server.url).set('x-auth-token', MEMBER);
  const create = async (): Promise<string> =>
    (await api().post('/v2/images').send(RAW).expect(201)).body.id;
  const locations = () => store.drivers.get('memory')!.locations.length;
  const read = async (id: string): Promise<Buffer> =>
    (await api().get(`/v2/images/${id}/file`).buffer(true).expect(200)).body;

  const send = (
    id: string,
    body: Buffer | FormData,
    { method = 'POST', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
  ) =>
    fetch(`${server.url}/v2/images/${id}/file`, {
      method,
      headers: {
        'x-auth-token': MEMBER,
        ...(body instanceof FormData
          ? {}
          : { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }),
        ...headers,
      },
      body: body instanceof FormData ? body : new Uint8Array(body),
    });

  it.each(['POST', 'PUT'])('by %s is an upload of its file', async (method) => {
    const id = await create();
    const data = randomBytes(3_000_001);
    const form = new FormData();
    form.append('comment', 'my disk');
    form.append('image', new Blob([data]), 'disk.raw');
    form.append('more', 'after it');
    expect((await send(id, form, { method })).status).toBe(204);
    expect(data.equals(await read(id))).toBe(true);
    const { body } = await api().get(`/v2/images/${id}`).expect(200);
    expect(body).toMatchObject({ status: 'active', size: data.length, virtual_size: data.length });
    await api().delete(`/v2/images/${id}`).expect(204);
  });

  it.each([
    ['what looks like a boundary', Buffer.from(`\r\n--${BOUNDARY.slice(0, -1)}\r\n--\r\n-`)],
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['ends of lines', Buffer.from('\r\n\r\n\r\n')],
  ])('may hold %s', async (_what, data) => {
    const id = await create();
    expect((await send(id, Buffer.concat([file(data), END]))).status).toBe(204);
    expect(data.equals(await read(id))).toBe(true);
  });

  it('comes through whole however it is cut', async () => {
    const id = await create();
    const data = Buffer.concat([randomBytes(50), Buffer.from(`\r\n--${BOUNDARY.slice(0, 4)}`)]);
    const upload = http.request(`${server.url}/v2/images/${id}/file`, {
      method: 'POST',
      headers: {
        'x-auth-token': MEMBER,
        'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      },
    });
    upload.setNoDelay(true);
    for (const byte of Buffer.concat([field('a'), file(data), END])) {
      await new Promise((resolve) => upload.write(Buffer.from([byte]), resolve));
    }
    upload.end();
    const answer = await new Promise<http.IncomingMessage>((resolve) =>
      upload.once('response', resolve),
    );
    answer.resume();
    expect(answer.statusCode).toBe(204);
    expect(data.equals(await read(id))).toBe(true);
  });

  const BYTES = randomBytes(700_000);
  it.each([
    ['has no file', [field('value'), END], 'no file'],
    ['has two files', [file(BYTES), file('b'), END], 'more than one file'],
    ['ends within its file', [file(BYTES).subarray(0, 300_000)], 'broken'],
    ['ends before its end', [file(BYTES)], 'broken'],
    ['ends within the headers of a part', [Buffer.from(`--${BOUNDARY}\r\nContent-`)], 'broken'],
    ['is empty', [], 'broken'],
    ['has a huge field', [field('v'.repeat(10_000_000)), file('a'), END], 'beside the file'],
    [
      'has a huge field after its file',
      [file('a'), field('v'.repeat(10_000_000)), END],
      'beside the file',
    ],
    ['goes on after its end', [file('a'), END, Buffer.alloc(10_000_000)], 'beside the file'],
    [
      'has many fields',
      [...Array.from({ length: 10_000 }, () => field('v')), file('a'), END],
      'more than 16 fields',
    ],
    [
      'has many parts that are nothing',
      [...Array.from({ length: 10_000 }, () => part(['X-Nothing: 1'], 'a')), file('a'), END],
      'beside the file',
    ],
    [
      'has huge headers',
      [file('a', ...Array.from({ length: 3000 }, (_, index) => `X-${index}: v`)), END],
      'broken',
    ],
    [
      'is encoded',
      [file('YQ==', 'Content-Transfer-Encoding: base64'), END],
      'Content-Transfer-Encoding',
    ],
    ['is more than the quota', [file(randomBytes(9_000_001)), END], undefined],
  ])('that %s leaves nothing, and can be sent again', async (_what, parts, text) => {
    const id = await create();
    const before = locations();
    const answer = await send(id, Buffer.concat(parts));
    expect(answer.status).toBe(text === undefined ? 413 : 400);
    expect(await answer.text()).toContain(text ?? '413');
    const { body } = await api().get(`/v2/images/${id}`).expect(200);
    expect(body).toMatchObject({ status: 'queued', size: null });
    expect(locations()).toBe(before);
    expect((await send(id, Buffer.concat([file('a'), END]))).status).toBe(204);
  });

  it('must have the size that it is said to have', async () => {
    const id = await create();
    const form = Buffer.concat([file('abc'), END]);
    const sized = (size: number) =>
      send(id, form, { headers: { 'x-openstack-image-size': String(size) } });
    expect((await sized(2)).status).toBe(400);
    expect((await sized(form.length)).status).toBe(400);
    expect((await sized(3)).status).toBe(204);
  });

  it.each(['multipart/form-data', `multipart/form-data; boundary=${'b'.repeat(71)}`])(
    'is refused unread with the type %s',
    async (type) => {
      const id = await create();
      const begin = jest.spyOn(server.registry, 'beginUpload');
      const answer = await send(id, Buffer.from('x'), { headers: { 'content-type': type } });
      expect(answer.status).toBe(400);
      expect(begin).not.toHaveBeenCalled();
      begin.mockRestore();
    },
  );

  it('is refused as another kind of multipart', async () => {
    const id = await create();
    const headers = { 'content-type': `multipart/mixed; boundary=${BOUNDARY}` };
    const form = Buffer.concat([file('a'), END]);
    expect((await send(id, form, { method: 'PUT', headers })).status).toBe(415);
    expect((await send(id, form, { headers })).status).toBe(405);
  });
});
