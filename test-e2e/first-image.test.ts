import { createHash, randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { DATABASES, Deployment, eventually, imageOf, imagesOf } from './support/deployment';

jest.setTimeout(120_000);

const FORMATS = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };

describe.each(DATABASES)('the first image on %s, over two apis and two registries', (database) => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await Deployment.start({ database, nodes: 2 });
  });

  afterAll(async () => {
    await deployment.stop();
  });

  afterEach(async () => {
    expect(await deployment.filesInStore()).toEqual([]);
  });

  async function upload(
    data: Buffer,
    headers: Record<string, string> = {},
    chunked = false,
  ): Promise<{ status: number; body: string; headers: Headers }> {
    const answer = await fetch(`${deployment.apiUrls[0]}/v1/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...FORMATS, ...headers },
      ...(chunked
        ? { body: Readable.toWeb(Readable.from(pieces(data))) as never, duplex: 'half' }
        : { body: data }),
    });
    return { status: answer.status, body: await answer.text(), headers: answer.headers };
  }

  async function remove(id: string): Promise<void> {
    const answer = await fetch(`${deployment.apiUrls[1]}/v1/images/${id}`, { method: 'DELETE' });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('');
  }

  it.each([
    ['with a Content-Length', false],
    ['chunked', true],
  ])('goes up %s through one node and comes down through the other', async (_how, chunked) => {
    const data = randomBytes(5 * 1024 * 1024 + 17);
    const md5 = createHash('md5').update(data).digest('hex');

    const created = await upload(data, { 'x-image-meta-name': 'first' }, chunked);
    expect({ status: created.status, body: created.body }).toMatchObject({ status: 201 });
    const { image } = JSON.parse(created.body);
    expect(image).toMatchObject({
      name: 'first',
      status: 'active',
      size: data.length,
      checksum: md5,
      disk_format: 'raw',
      container_format: 'bare',
      is_public: false,
      deleted: false,
      properties: {},
    });
    expect(created.headers.get('etag')).toBe(md5);
    expect(created.headers.get('location')).toContain(`/v1/images/${image.id}`);
    expect(await deployment.filesInStore()).toEqual([image.id]);

    const list = await fetch(`${deployment.apiUrls[1]}/v1/images/detail`);
    expect((await imagesOf(list)).map((each: { id: string }) => each.id)).toEqual([image.id]);

    const head = await fetch(`${deployment.apiUrls[1]}/v1/images/${image.id}`, { method: 'HEAD' });
    expect(head.headers.get('x-image-meta-checksum')).toBe(md5);
    expect(head.headers.get('x-image-meta-status')).toBe('active');
    expect(head.headers.get('x-image-meta-location')).toBeNull();

    const download = await fetch(`${deployment.apiUrls[1]}/v1/images/${image.id}`);
    expect(download.headers.get('content-length')).toBe(String(data.length));
    expect(Buffer.from(await download.arrayBuffer()).equals(data)).toBe(true);

    await remove(image.id);
    const gone = await fetch(`${deployment.apiUrls[0]}/v1/images`);
    expect(await gone.text()).toBe('{"images":[]}');
  });

  it('is reserved first, filled later, changed and purged', async () => {
    const reserved = await fetch(`${deployment.apiUrl}/v1/images`, {
      method: 'POST',
      headers: { ...FORMATS, 'x-image-meta-name': 'later', 'x-image-meta-property-os': 'linux' },
    });
    const image = await imageOf(reserved);
    expect(image).toMatchObject({ status: 'queued', size: 0, properties: { os: 'linux' } });

    const filled = await fetch(`${deployment.apiUrls[1]}/v1/images/${image.id}`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/octet-stream',
        'x-image-meta-property-arch': 'x86_64',
      },
      body: Buffer.from('some bytes'),
    });
    expect(await imageOf(filled)).toMatchObject({
      status: 'active',
      size: 10,
      properties: { os: 'linux', arch: 'x86_64' },
    });

    const kept = await fetch(`${deployment.apiUrl}/v1/images/${image.id}`, {
      method: 'PUT',
      headers: { 'x-glance-registry-purge-props': 'false', 'x-image-meta-name': 'renamed' },
    });
    expect(await imageOf(kept)).toMatchObject({
      name: 'renamed',
      properties: { os: 'linux', arch: 'x86_64' },
    });

    const purged = await fetch(`${deployment.apiUrl}/v1/images/${image.id}`, {
      method: 'PUT',
      headers: { 'x-image-meta-property-os': 'bsd' },
    });
    expect((await imageOf(purged)).properties).toEqual({ os: 'bsd' });

    const again = await fetch(`${deployment.apiUrl}/v1/images/${image.id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: Buffer.from('other bytes'),
    });
    expect(again.status).toBe(409);
    await remove(image.id);
  });

  it('leaves nothing behind when the client breaks off, and the next attempt succeeds', async () => {
    const id = randomUUID();
    await new Promise<void>((resolve) => {
      const request = http.request(`${deployment.apiUrl}/v1/images`, {
        method: 'POST',
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': 10_000_000,
          'x-image-meta-id': id,
          ...FORMATS,
        },
      });
      request.on('error', () => resolve());
      request.write(randomBytes(2_000_000), () => request.destroy());
    });
    await eventuallyStatus(id, 'killed');
    expect(await deployment.filesInStore()).toEqual([]);
    await remove(id);
  });

  it.each([
    ['size', { 'x-image-meta-size': '11' }],
    ['checksum', { 'x-image-meta-checksum': 'd41d8cd98f00b204e9800998ecf8427e' }],
  ])('is refused when the announced %s is wrong', async (_what, headers) => {
    const answer = await upload(Buffer.from('ten bytes!'), headers);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('did not match');
    const list = await fetch(`${deployment.apiUrl}/v1/images`);
    expect(await list.text()).toBe('{"images":[]}');
  });

  it('of no bytes is an image too', async () => {
    const { image } = await new Promise<{ image: { id: string } }>((resolve, reject) => {
      const request = http.request(`${deployment.apiUrl}/v1/images`, {
        method: 'POST',
        headers: {
          'content-type': 'application/octet-stream',
          'transfer-encoding': 'chunked',
          ...FORMATS,
        },
      });
      request.on('error', reject);
      request.on('response', (response) => {
        void text(response).then((body) => resolve(JSON.parse(body)));
      });
      request.end();
    });
    expect(image).toMatchObject({
      status: 'active',
      size: 0,
      checksum: 'd41d8cd98f00b204e9800998ecf8427e',
    });
    const download = await fetch(`${deployment.apiUrl}/v1/images/${image.id}`);
    expect(download.status).toBe(200);
    expect((await download.arrayBuffer()).byteLength).toBe(0);
    await remove(image.id);
  });

  async function eventuallyStatus(id: string, status: string): Promise<void> {
    await eventually(async () => {
      const head = await fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'HEAD' });
      expect(head.headers.get('x-image-meta-status')).toBe(status);
    });
  }
});

function* pieces(data: Buffer): Generator<Buffer> {
  for (let offset = 0; offset < data.length; offset += 100_000) {
    yield data.subarray(offset, offset + 100_000);
  }
}
