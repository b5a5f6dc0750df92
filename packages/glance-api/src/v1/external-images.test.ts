import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const USER = 'alice:project-a:member';
const DATA = Buffer.from('the bytes of an image');
const MD5 = createHash('md5').update(DATA).digest('hex');
const RAW = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };
const COPY_FROM = 'x-glance-api-copy-from';
const LOCATION = 'x-image-meta-location';

describe('v1 images with data from elsewhere', () => {
  let source: http.Server;
  let sourceUrl: string;
  let requests: string[];
  let answers: Map<string, http.RequestListener>;
  let server: TestApi;

  const startApi = (...flags: string[]): Promise<TestApi> =>
    startTestApi(
      '--glance-store-stores=memory,http',
      '--glance-store-http-store-allowed-networks=127.0.0.0/8',
      `--glance-store-http-store-allowed-ports=${new URL(sourceUrl).port}`,
      ...flags,
    );

  beforeEach(async () => {
    requests = [];
    answers = new Map();
    source = http.createServer((req, res) => {
      requests.push(`${req.method ?? ''} ${req.url ?? ''}`);
      const answer = answers.get(req.url ?? '');
      if (answer) answer(req, res);
      else res.writeHead(404).end('nothing here');
    });
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    sourceUrl = `http://127.0.0.1:${(source.address() as AddressInfo).port}`;
    server = await startApi();
  });

  afterEach(async () => {
    await server.close();
    source.closeAllConnections();
    await new Promise((resolve) => source.close(resolve));
  });

  const as = (token: string) => {
    const agent = request.agent(server.url);
    agent.set('X-Auth-Token', token);
    return agent;
  };
  const post = (headers: Record<string, string>) => as(USER).post('/v1/images').set(headers);
  const put = (id: string, headers: Record<string, string>) =>
    as(USER).put(`/v1/images/${id}`).set(headers);
  const listed = async () => (await as(USER).get('/v1/images')).body.images as unknown[];
  const head = (id: string) => as(USER).head(`/v1/images/${id}`);

  async function reserved(headers: Record<string, string> = RAW): Promise<string> {
    return (await post(headers).expect(201)).body.image.id as string;
  }

  /** @returns the URL at which the source serves these bytes. */
  function place(bytes: Buffer, path = '/disk.raw'): string {
    answers.set(path, (req, res) => {
      res.writeHead(200, { 'Content-Length': bytes.length });
      res.end(req.method === 'HEAD' ? undefined : bytes);
    });
    return `${sourceUrl}${path}`;
  }

  async function becomes(id: string, status: string): Promise<Record<string, string>> {
    for (;;) {
      const { headers } = await head(id);
      if (headers['x-image-meta-status'] === status) return headers;
      expect(['queued', 'saving']).toContain(headers['x-image-meta-status']);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  describe.each([
    ['copy-from', COPY_FROM],
    ['location', LOCATION],
  ])('%s', (_name, header) => {
    it.each([
      ['', 'External source should not be empty'],
      ['http://', 'Invalid location'],
      ['http://host.example/a#@b', 'Invalid location'],
      ['file:///etc/passwd', "External sources are not supported: 'file:///etc/passwd'"],
      ['FILE:///etc/passwd', 'External sources are not supported: '],
      ['filesystem:///etc/passwd', 'External sources are not supported: '],
      ['swift+config://ref/c/o', 'External sources are not supported: '],
      ['memory://4d7bb1b4-8f23-4c13-8c4c-7d3d1f6f2c11', 'External sources are not supported: '],
      ['nonsense', 'External sources are not supported: '],
      ['s3://access:canary@host/bucket', "'s3://***@host/bucket'"],
      ['s3://access:canary%40host/bucket', "'s3://***@host/bucket'"],
      ['http://user:canary%40host.example/', 'Invalid location: '],
    ])('of %j is refused, and no image is left', async (uri, text) => {
      const answer = await post({ ...RAW, [header]: uri }).expect(400);
      expect(answer.text).toContain(text);
      const id = await reserved();
      expect((await put(id, { [header]: uri }).expect(400)).text).toContain(text);
      expect(answer.text).not.toContain('canary');
      await as(USER).delete(`/v1/images/${id}`).expect(200);
      expect(await listed()).toEqual([]);
    });

    it('of a source that has nothing there is 404', async () => {
      const answer = await post({ ...RAW, [header]: `${sourceUrl}/none` }).expect(404);
      expect(answer.text).toContain('HTTP datastore could not find image at URI.');
      expect(await listed()).toEqual([]);
    });

    it('of other sources that fail is one answer, which shows no credentials', async () => {
      answers.set('/500', (_req, res) => res.writeHead(500).end('secret'));
      answers.set('/403', (_req, res) => res.writeHead(403).end('secret'));
      const texts = new Set<string>();
      for (const path of ['/500', '/403']) {
        const uri = `${sourceUrl}${path}?signature=canary`.replace('//', '//user:canary@');
        answers.set(`${path}?signature=canary`, answers.get(path)!);
        const answer = await post({ ...RAW, [header]: uri }).expect(400);
        texts.add(answer.text);
      }
      expect(texts.size).toBe(1);
      expect([...texts].join()).not.toMatch(/canary|secret|127\.0\.0\.1/);
    });

    it('of an address that the filter refuses is 400, and nobody is asked', async () => {
      const strict = await startTestApi('--glance-store-stores=memory,http');
      const answer = await request(strict.url)
        .post('/v1/images')
        .set({ ...RAW, 'x-auth-token': USER, [header]: place(DATA) });
      await strict.close();
      expect(answer.status).toBe(400);
      expect(answer.text).toContain('lies where this service does not read from');
      expect(requests).toEqual([]);
    });

    it('is refused where no http store is enabled', async () => {
      const without = await startTestApi();
      const answer = await request(without.url)
        .post('/v1/images')
        .set({ ...RAW, 'x-auth-token': USER, [header]: place(DATA) });
      await without.close();
      expect(answer.status).toBe(400);
      expect(answer.text).toContain('External sources are not supported');
    });

    it('over the storage quota is 413, and no image is left', async () => {
      await server.close();
      server = await startApi(`--user-storage-quota=${DATA.length - 1}`);
      await post({ ...RAW, [header]: place(DATA) }).expect(413);
      expect(await listed()).toEqual([]);
      const id = await reserved();
      await put(id, { [header]: place(DATA) }).expect(413);
      expect((await head(id)).headers['x-image-meta-status']).toBe('queued');
    });

    it('of more than the size cap is 400', async () => {
      await server.close();
      server = await startApi(`--image-size-cap=${DATA.length - 1}`);
      const answer = await post({ ...RAW, [header]: place(DATA) }).expect(400);
      expect(answer.text).toContain('Denying attempt to upload image larger than');
    });

    it('is one of several sources in no request', async () => {
      const both = { [COPY_FROM]: place(DATA), [LOCATION]: place(DATA) };
      const twice = await post({ ...RAW, ...both }).expect(400);
      const withBody = await post({
        ...RAW,
        'content-type': 'application/octet-stream',
        [header]: place(DATA),
      })
        .send(DATA)
        .expect(400);
      for (const { text } of [twice, withBody]) expect(text).toContain('multiple image sources');
    });

    it('is for queued images only', async () => {
      const id = await reserved({ ...RAW, 'x-image-meta-size': '0' });
      const answer = await put(id, { [header]: place(DATA) }).expect(400);
      expect(answer.text).toContain(
        'Attempted to update Location field for an image not in queued status.',
      );
    });

    it('of another size than the image was reserved with is 409', async () => {
      const id = await reserved({ ...RAW, 'x-image-meta-size': '1' });
      const answer = await put(id, { [header]: place(DATA) }).expect(409);
      expect(answer.text).toContain('Provided image size must match the stored image size');
      expect((await head(id)).headers['x-image-meta-status']).toBe('queued');
    });

    it('needs a store that exists', async () => {
      const headers = { ...RAW, [header]: place(DATA), 'x-image-meta-store': 'bad' };
      expect((await post(headers).expect(400)).text).toContain('Required store bad is invalid');
    });
  });

  describe('a location', () => {
    it('makes the image active at once, and its data is streamed from there', async () => {
      const answer = await post({ ...RAW, [LOCATION]: place(DATA) }).expect(201);
      const { id } = answer.body.image as { id: string };
      expect(answer.body.image).toMatchObject({
        status: 'active',
        size: DATA.length,
        checksum: null,
      });
      expect(answer.text).not.toContain(sourceUrl);
      expect(answer.headers['etag']).toBeUndefined();
      expect(requests).toEqual(['HEAD /disk.raw']);
      const download = await as(USER).get(`/v1/images/${id}`).buffer(true).expect(200);
      expect(Buffer.from(download.body as Buffer)).toEqual(DATA);
      const shown = await head(id);
      expect(JSON.stringify(shown.headers)).not.toContain(sourceUrl);
      expect((await as(USER).get('/v1/images/detail')).text).not.toContain(sourceUrl);
    });

    it('may be set later, with other metadata', async () => {
      const id = await reserved({ 'x-image-meta-property-a': 'b' });
      const answer = await put(id, { ...RAW, [LOCATION]: place(DATA) }).expect(200);
      expect(answer.body.image).toMatchObject({ status: 'active', properties: {} });
      expect(Object.keys(answer.body.image as object)).not.toContain('location');
      expect((await as(USER).get(`/v1/images/${id}`)).status).toBe(200);
    });

    it.each([
      ['x-image-meta-disk_format', 'Disk format is not specified'],
      ['x-image-meta-container_format', 'Container format is not specified'],
    ])('needs %s', async (name, text) => {
      const formats = Object.entries(RAW).filter(([each]) => each !== name);
      const headers = { ...Object.fromEntries(formats), [LOCATION]: place(DATA) };
      expect((await post(headers).expect(400)).text).toContain(text);
      expect(requests).toEqual([]);
    });

    it('of another size than announced is 409, and no image is left', async () => {
      const headers = { ...RAW, [LOCATION]: place(DATA), 'x-image-meta-size': '1' };
      expect((await post(headers).expect(409)).text).toContain('must match the stored image size');
      expect(await listed()).toEqual([]);
    });

    it('gives both formats to an image of which one is ami, ari or aki', async () => {
      const headers = { 'x-image-meta-disk_format': 'ami', [LOCATION]: place(DATA) };
      const { image } = (await post(headers).expect(201)).body as { image: object };
      expect(image).toMatchObject({ disk_format: 'ami', container_format: 'ami' });
    });

    it('whose data changed, is gone or cannot be had is not served', async () => {
      const id = (await post({ ...RAW, [LOCATION]: place(DATA) })).body.image.id as string;
      place(Buffer.concat([DATA, DATA]));
      await as(USER).get(`/v1/images/${id}`).expect(500);
      answers.clear();
      await as(USER).get(`/v1/images/${id}`).expect(404);
      source.closeAllConnections();
      await new Promise((resolve) => source.close(resolve));
      const answer = await as(USER).get(`/v1/images/${id}`).expect(503);
      expect(answer.text).not.toContain('127.0.0.1');
      await head(id).expect(200);
    });

    it('that breaks off breaks the download', async () => {
      const id = (await post({ ...RAW, [LOCATION]: place(DATA) })).body.image.id as string;
      answers.set('/disk.raw', (_req, res) => {
        res.writeHead(200, { 'Content-Length': DATA.length });
        res.write(DATA.subarray(0, 5), () => res.destroy());
      });
      const download = fetch(`${server.url}/v1/images/${id}`, {
        headers: { 'x-auth-token': USER },
      });
      await expect(download.then((answer) => answer.arrayBuffer())).rejects.toThrow();
    });

    it('leaves its data alone when the image is deleted', async () => {
      const id = (await post({ ...RAW, [LOCATION]: place(DATA) })).body.image.id as string;
      requests.length = 0;
      await as(USER).delete(`/v1/images/${id}`).expect(200);
      await as(USER).get(`/v1/images/${id}`).expect(404);
      expect((await as('root:admin:admin').head(`/v1/images/${id}`)).headers).toMatchObject({
        'x-image-meta-status': 'deleted',
      });
      expect(requests).toEqual([]);
    });
  });

  describe('a copy', () => {
    it('is promised at once and made of the source, which is not needed any more then', async () => {
      const answer = await post({ ...RAW, [COPY_FROM]: place(DATA) }).expect(201);
      const { id } = answer.body.image as { id: string };
      expect(answer.body.image).toMatchObject({ status: 'queued', size: DATA.length });
      expect(answer.headers['location']).toBe(`${server.url}/v1/images/${id}`);
      const headers = await becomes(id, 'active');
      expect(headers).toMatchObject({ 'x-image-meta-checksum': MD5, etag: MD5 });
      answers.clear();
      const download = await as(USER).get(`/v1/images/${id}`).buffer(true).expect(200);
      expect(Buffer.from(download.body as Buffer)).toEqual(DATA);
    });

    it('needs no formats, and may be asked for later', async () => {
      const id = await reserved({});
      await put(id, { [COPY_FROM]: place(DATA) }).expect(200);
      await becomes(id, 'active');
    });

    it('of many bytes arrives whole', async () => {
      const bytes = Buffer.alloc(5 * 1024 * 1024 + 3, 'abcdefg');
      const answer = await post({ ...RAW, [COPY_FROM]: place(bytes) }).expect(201);
      const headers = await becomes(answer.body.image.id as string, 'active');
      expect(headers['x-image-meta-checksum']).toBe(createHash('md5').update(bytes).digest('hex'));
    });

    it('asks for no size when one is given, and kills the image when it is wrong', async () => {
      const headers = { ...RAW, [COPY_FROM]: place(DATA), 'x-image-meta-size': '1' };
      const answer = await post(headers).expect(201);
      expect(answer.body.image).toMatchObject({ size: 1 });
      await becomes(answer.body.image.id as string, 'killed');
      expect(requests).toEqual(['GET /disk.raw']);
    });

    it.each<[string, Record<string, string>, http.RequestListener | undefined]>([
      ['the checksum is wrong', { 'x-image-meta-checksum': 'a'.repeat(32) }, undefined],
      ['the source has changed', {}, (_req, res) => res.writeHead(200).end('something else')],
      ['the source is gone', {}, (_req, res) => res.writeHead(404).end()],
      ['the source refuses', {}, (_req, res) => res.writeHead(403).end()],
      [
        'the source leads astray',
        {},
        (_req, res) => res.writeHead(302, { Location: 'http://10.0.0.1/' }).end(),
      ],
    ])('kills the image at once when %s', async (_what, headers, get) => {
      const uri = place(DATA);
      const served = answers.get('/disk.raw')!;
      answers.set('/disk.raw', (req, res) =>
        (req.method === 'HEAD' ? served : (get ?? served))(req, res),
      );
      const answer = await post({ ...RAW, ...headers, [COPY_FROM]: uri }).expect(201);
      await becomes(answer.body.image.id as string, 'killed');
      expect(requests.filter((each) => each.startsWith('GET'))).toHaveLength(1);
    });

    it('that fails in passing is tried again', async () => {
      const uri = place(DATA);
      const served = answers.get('/disk.raw')!;
      let gets = 0;
      answers.set('/disk.raw', (req, res) => {
        if (req.method === 'GET') gets += 1;
        if (req.method === 'GET' && gets === 1) {
          res.writeHead(200, { 'Content-Length': DATA.length });
          res.write(DATA.subarray(0, 5), () => res.destroy());
        } else served(req, res);
      });
      const answer = await post({ ...RAW, [COPY_FROM]: uri }).expect(201);
      const id = answer.body.image.id as string;
      while (gets < 1 || (await head(id)).headers['x-image-meta-status'] !== 'queued') {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect((await head(id)).headers['x-image-meta-size']).toBe(String(DATA.length));
      server.registry.advance(31);
      server.api.start();
      await becomes(id, 'active');
    });

    it('is given up when the image is deleted', async () => {
      const stuck = new Promise<http.ServerResponse>((resolve) => {
        answers.set('/disk.raw', (req, res) => {
          res.writeHead(200, { 'Content-Length': DATA.length });
          if (req.method === 'HEAD') res.end();
          else res.write(DATA.subarray(0, 5), () => resolve(res));
        });
      });
      const answer = await post({ ...RAW, [COPY_FROM]: `${sourceUrl}/disk.raw` }).expect(201);
      const id = answer.body.image.id as string;
      const response = await stuck;
      await as(USER).delete(`/v1/images/${id}`).expect(200);
      response.end(DATA.subarray(5));
      await server.api.close();
      const { headers } = await as('root:admin:admin').head(`/v1/images/${id}`);
      expect(headers['x-image-meta-status']).toBe('deleted');
    });

    it('is handed back when the service is stopped', async () => {
      const stuck = new Promise<void>((resolve) => {
        answers.set('/disk.raw', (req, res) => {
          res.writeHead(200, { 'Content-Length': DATA.length });
          if (req.method === 'HEAD') res.end();
          else res.write(DATA.subarray(0, 5), () => resolve());
        });
      });
      const answer = await post({ ...RAW, [COPY_FROM]: `${sourceUrl}/disk.raw` }).expect(201);
      const id = answer.body.image.id as string;
      await stuck;
      await server.api.close();
      const { headers } = await head(id);
      expect(headers).toMatchObject({
        'x-image-meta-status': 'queued',
        'x-image-meta-size': String(DATA.length),
      });
      const service = { userId: null, projectId: null, roles: [], isAdmin: true, readOnly: false };
      const copy = await server.registry.claimCopy(
        {
          uploadId: randomUUID(),
          node: 'another',
          storageQuotaBytes: null,
          maxAttempts: 1,
          retrySeconds: 1,
        },
        { identity: service, requestId: 'req-1' },
      );
      expect(copy).toMatchObject({ image: { id }, attempt: 1 });
    });

    it('into a store that can only be read is 410, and no image is left', async () => {
      await post({ ...RAW, [COPY_FROM]: place(DATA), 'x-image-meta-store': 'http' }).expect(410);
      expect(await listed()).toEqual([]);
    });
  });
});
