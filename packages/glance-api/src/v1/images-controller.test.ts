import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const USER = 'alice:project-a:member';
const OTHER = 'bob:project-b:member';
const ADMIN = 'root:admin:admin';
const DATA = Buffer.from('the bytes of an image');
const MD5 = createHash('md5').update(DATA).digest('hex');
const RAW = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };

describe('v1 images', () => {
  let server: TestApi;

  beforeEach(async () => {
    server = await startTestApi();
  });

  afterEach(async () => {
    await server.close();
  });

  const as = (token: string) => {
    const agent = request.agent(server.url);
    agent.set('X-Auth-Token', token);
    return agent;
  };

  async function uploaded(headers: Record<string, string> = {}, token = USER): Promise<string> {
    const answer = await as(token)
      .post('/v1/images')
      .set({ 'content-type': 'application/octet-stream', ...RAW, ...headers })
      .send(DATA)
      .expect(201);
    return answer.body.image.id;
  }

  async function reserved(headers: Record<string, string> = {}, token = USER): Promise<string> {
    const answer = await as(token).post('/v1/images').set(headers).expect(201);
    return answer.body.image.id;
  }

  describe('list', () => {
    // §11.1
    it('of an empty service is exactly {"images": []}', async () => {
      const answer = await as(USER).get('/v1/images').expect(200);
      expect(answer.body).toEqual({ images: [] });
      expect(answer.headers['x-openstack-request-id']).toMatch(/^req-/);
    });

    it('shows six keys, details show everything but where the data is', async () => {
      const id = await uploaded({ 'x-image-meta-name': 'n', 'x-image-meta-property-a-b': 'c' });
      const brief = await as(USER).get('/v1/images').expect(200);
      expect(brief.body.images).toEqual([
        {
          id,
          name: 'n',
          size: DATA.length,
          disk_format: 'raw',
          container_format: 'bare',
          checksum: MD5,
        },
      ]);
      const detail = await as(USER).get('/v1/images/detail').expect(200);
      const [image] = detail.body.images;
      expect(Object.keys(image).sort()).toEqual(
        [
          'checksum',
          'container_format',
          'created_at',
          'deleted',
          'deleted_at',
          'disk_format',
          'id',
          'is_public',
          'min_disk',
          'min_ram',
          'name',
          'owner',
          'properties',
          'protected',
          'size',
          'status',
          'updated_at',
          'virtual_size',
        ].sort(),
      );
      expect(image).toMatchObject({ properties: { a_b: 'c' }, owner: 'project-a' });
      expect(image.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000$/);
      expect(detail.text).not.toContain('memory://');
    });

    it('at the root of the version is the list', async () => {
      expect((await as(USER).get('/v1/').expect(200)).body).toEqual({ images: [] });
    });

    it('pages with limit and marker, and caps the limit', async () => {
      const ids = [await reserved(), await reserved(), await reserved()];
      const first = await as(USER).get('/v1/images?sort_key=id&sort_dir=asc&limit=2').expect(200);
      const expected = [...ids].sort();
      expect(first.body.images.map((each: { id: string }) => each.id)).toEqual(
        expected.slice(0, 2),
      );
      const rest = await as(USER)
        .get(`/v1/images?sort_key=id&sort_dir=asc&limit=2&marker=${expected[1]}`)
        .expect(200);
      expect(rest.body.images.map((each: { id: string }) => each.id)).toEqual(expected.slice(2));
      expect((await as(USER).get('/v1/images?limit=0')).body).toEqual({ images: [] });
      expect((await as(USER).get('/v1/images?limit=99999999')).body.images).toHaveLength(3);
    });

    it('takes a marker that the caller may not see for an unknown one', async () => {
      const foreign = await reserved({}, OTHER);
      const answer = await as(USER).get(`/v1/images?marker=${foreign}`).expect(400);
      expect(answer.text).toContain('Invalid marker. Image could not be found.');
    });

    // §11.50, §11.51, §11.53
    it.each([
      ['limit=-1', 'limit param must be positive'],
      ['limit=a', 'limit param must be an integer'],
      ['limit=0x10', 'limit param must be an integer'],
      ['sort_key=asdf', 'Unsupported sort_key'],
      ['sort_key=__proto__', 'Unsupported sort_key'],
      ['sort_dir=asdf', 'Unsupported sort_dir'],
      ['is_public=public', 'is_public'],
      ['protected=', 'protected'],
      ['protected=-1', 'protected'],
      ['protected=none', 'protected'],
      ['size_max=-1', 'size_max'],
      ['size_min=x', 'size_min'],
      ['min_ram=x', 'min_ram'],
      ['changes-since=', 'changes-since'],
      ['changes-since=yesterday', 'changes-since'],
      ['marker=abc', 'Invalid marker format'],
      ['marker=', 'Invalid marker'],
      [`marker=${randomUUID()}`, 'Invalid marker. Image could not be found.'],
    ])('refuses %s', async (query, text) => {
      for (const path of ['/v1/images', '/v1/images/detail']) {
        const answer = await as(USER).get(`${path}?${query}`).expect(400);
        expect(answer.text).toContain(text);
      }
    });

    // §11.52
    it('filters, several properties together', async () => {
      const wanted = await reserved({
        'x-image-meta-property-distro': 'ubuntu',
        'x-image-meta-property-arch': 'i386',
      });
      await reserved({ 'x-image-meta-property-distro': 'ubuntu' });
      const answer = await as(USER).get('/v1/images?property-distro=ubuntu&property-arch=i386');
      expect(answer.body.images.map((each: { id: string }) => each.id)).toEqual([wanted]);
      expect((await as(USER).get('/v1/images?property-none=x')).body.images).toEqual([]);
      expect((await as(USER).get("/v1/images?name=' OR 1=1 --")).body.images).toEqual([]);
    });

    // §11.51
    it('shows deleted images to whoever asks for changes', async () => {
      const id = await reserved();
      await as(USER).delete(`/v1/images/${id}`).expect(200);
      expect((await as(USER).get('/v1/images')).body.images).toEqual([]);
      const changes = await as(USER).get(
        '/v1/images/detail?changes-since=2020-01-01T00:00:00%2B01:00',
      );
      expect(changes.body.images).toMatchObject([{ id, status: 'deleted', deleted: true }]);
    });

    it('keeps projects apart', async () => {
      await reserved();
      expect((await as(OTHER).get('/v1/images')).body.images).toEqual([]);
      expect((await as(ADMIN).get('/v1/images')).body.images).toEqual([]);
      expect((await as(ADMIN).get('/v1/images?is_public=none')).body.images).toHaveLength(1);
      expect((await as(ADMIN).get('/v1/images?is_public=False')).body.images).toHaveLength(1);
      expect((await as(OTHER).get('/v1/images?is_public=none')).body.images).toEqual([]);
    });
  });

  describe('upload and download', () => {
    // §11.27, §11.64
    it('gives the bytes back with length, checksum and metadata', async () => {
      const utf8 = Buffer.from('näme ☃').toString('latin1');
      const id = await uploaded({ 'x-image-meta-name': utf8 });
      const head = await as(USER).head(`/v1/images/${id}`).expect(200);
      expect(head.headers['etag']).toBe(MD5);
      expect(head.headers['x-image-meta-checksum']).toBe(MD5);
      expect(head.headers['x-image-meta-is_public']).toBe('False');
      expect(head.headers['content-length']).toBe('0');
      const name = Buffer.from(String(head.headers['x-image-meta-name']), 'latin1').toString();
      expect(name).toBe('näme ☃');

      const download = await as(USER).get(`/v1/images/${id}`).buffer(true).expect(200);
      expect(Buffer.from(download.body).equals(DATA)).toBe(true);
      expect(download.headers['content-type']).toBe('application/octet-stream');
      expect(download.headers['content-length']).toBe(String(DATA.length));
      expect(download.headers['x-content-type-options']).toBe('nosniff');
    });

    // §11.27
    it('names the new image in Location and ETag', async () => {
      const answer = await as(USER)
        .post('/v1/images')
        .set({ 'content-type': 'application/octet-stream', ...RAW })
        .send(DATA);
      expect(answer.headers['location']).toBe(`${server.url}/v1/images/${answer.body.image.id}`);
      expect(answer.headers['etag']).toBe(MD5);
      expect(answer.body.image).toMatchObject({ status: 'active', size: DATA.length });
    });

    it.each([
      // §11.14
      ['no content type', {}, 'application/octet-stream'],
      ['another content type', { 'content-type': 'application/octet-st' }, 'octet-stream'],
      [
        'no disk format',
        { 'content-type': 'application/octet-stream', 'x-image-meta-disk_format': undefined },
        'Disk format is not specified',
      ],
      [
        'no container format',
        { 'content-type': 'application/octet-stream', 'x-image-meta-container_format': undefined },
        'Container format is not specified',
      ],
      [
        // §11.18
        'a wrong size',
        { 'content-type': 'application/octet-stream', 'x-image-meta-size': '5' },
        'did not match',
      ],
      [
        'a wrong checksum',
        { 'content-type': 'application/octet-stream', 'x-image-meta-checksum': 'a'.repeat(32) },
        'did not match',
      ],
      [
        // §11.19
        'a store that does not exist',
        { 'content-type': 'application/octet-stream', 'x-image-meta-store': 'bad' },
        'Required store bad is invalid',
      ],
    ])('with %s is refused and leaves no image to be seen', async (_what, headers, text) => {
      const answer = await fetch(`${server.url}/v1/images`, {
        method: 'POST',
        headers: Object.fromEntries(
          Object.entries({ 'x-auth-token': USER, ...RAW, ...headers }).filter(
            (entry): entry is [string, string] => entry[1] !== undefined,
          ),
        ),
        body: DATA,
      });
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain(text);
      expect((await as(USER).get('/v1/images')).body.images).toEqual([]);
      expect(server.api.stores.defaultStore.metrics().operations).toBeDefined();
    });

    // §11.17
    it('activates an image of no bytes at once when its size is 0', async () => {
      const id = await reserved({ 'x-image-meta-size': '0' });
      const answer = await as(USER).get(`/v1/images/${id}`).expect(200);
      expect(answer.headers['x-image-meta-status']).toBe('active');
      expect(answer.headers['content-length']).toBe('0');
    });

    it('fills a reserved image once, and enforces what was announced then', async () => {
      const id = await reserved({ ...RAW, 'x-image-meta-checksum': MD5 });
      const put = (data: Buffer) =>
        as(USER).put(`/v1/images/${id}`).set('content-type', 'application/octet-stream').send(data);
      expect((await put(DATA)).body.image).toMatchObject({ status: 'active', checksum: MD5 });
      const again = await put(Buffer.from('other'));
      expect(again.status).toBe(409);
      const other = await reserved({ ...RAW, 'x-image-meta-checksum': MD5 });
      const wrong = await as(USER)
        .put(`/v1/images/${other}`)
        .set('content-type', 'application/octet-stream')
        .send(Buffer.from('other'));
      expect(wrong.status).toBe(400);
      expect((await as(USER).head(`/v1/images/${other}`)).headers['x-image-meta-status']).toBe(
        'killed',
      );
    });

    // §11.36
    it('downloads only what is active', async () => {
      const queued = await reserved();
      await as(USER).get(`/v1/images/${queued}`).expect(404);
      const id = await uploaded();
      server.registry.overwrite(id, { status: 'deactivated' });
      await as(ADMIN).get(`/v1/images/${id}`).expect(403);
      await as(OTHER).get(`/v1/images/${id}`).expect(404);
    });

    it('never serves data whose size is not the recorded one', async () => {
      const id = await uploaded();
      server.registry.overwrite(id, { sizeBytes: DATA.length + 1 });
      const answer = await as(USER).get(`/v1/images/${id}`);
      expect(answer.status).toBe(500);
      expect(answer.text).toContain('is not served');
      expect(answer.text).not.toContain('memory://');
    });

    // §11.43
    it('answers 412 to the uploader of an image that was deleted meanwhile', async () => {
      const id = await reserved(RAW);
      const { body, write } = pushStream();
      const put = fetch(`${server.url}/v1/images/${id}`, {
        method: 'PUT',
        headers: { 'x-auth-token': USER, 'content-type': 'application/octet-stream' },
        body,
        duplex: 'half',
      });
      write(DATA);
      await statusBecomes(id, 'saving');
      await as(USER).delete(`/v1/images/${id}`).expect(200);
      write(undefined);
      const answer = await put;
      expect(answer.status).toBe(412);
      const head = await as(ADMIN).head(`/v1/images/${id}`).expect(200);
      expect(head.headers['x-image-meta-status']).toBe('deleted');
    });

    // §11.44
    it('lets one of two uploads of the same image win', async () => {
      const id = await reserved(RAW);
      const put = () =>
        as(USER).put(`/v1/images/${id}`).set('content-type', 'application/octet-stream').send(DATA);
      const answers = await Promise.all([put(), put(), put(), put()]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    });

    async function statusBecomes(id: string, status: string): Promise<void> {
      for (;;) {
        const head = await as(USER).head(`/v1/images/${id}`);
        if (head.headers['x-image-meta-status'] === status) return;
      }
    }
  });

  describe('limits', () => {
    // §11.15
    it('refuses more than image_size_cap, announced or streamed', async () => {
      await server.close();
      server = await startTestApi('--image-size-cap=10');
      const post = (headers: Record<string, string>, body?: Buffer | ReadableStream<Uint8Array>) =>
        fetch(`${server.url}/v1/images`, {
          method: 'POST',
          headers: {
            'x-auth-token': USER,
            'content-type': 'application/octet-stream',
            ...RAW,
            ...headers,
          },
          ...(body === undefined ? {} : { body, duplex: 'half' }),
        });
      expect((await post({ 'x-image-meta-size': '11' })).status).toBe(400);
      expect((await post({}, DATA)).status).toBe(400);
      const { body, write } = pushStream();
      write(DATA);
      write(undefined);
      expect((await post({}, body)).status).toBe(413);
      expect((await as(USER).get('/v1/images')).body.images).toEqual([]);
    });

    it('tells a client that goes on sending why it was refused', async () => {
      await server.close();
      server = await startTestApi('--image-size-cap=100000');
      const answer = await new Promise<{ status: number | undefined; body: string }>(
        (resolve, reject) => {
          const upload = http.request(`${server.url}/v1/images`, {
            method: 'POST',
            headers: {
              'x-auth-token': USER,
              'content-type': 'application/octet-stream',
              'transfer-encoding': 'chunked',
              ...RAW,
            },
          });
          upload.on('error', reject);
          upload.on('response', (response) => {
            // It has sent all of it, and nothing cut it off.
            upload.on('close', () => resolve({ status: response.statusCode, body }));
            let body = '';
            void text(response).then((all) => (body = all));
          });
          upload.end(Buffer.alloc(32 * 1024 * 1024));
        },
      );
      expect(answer.status).toBe(413);
      expect(answer.body).toContain('larger than 100000 bytes');
    });

    // §11.16
    it('refuses uploads beyond user_storage_quota, and a failed one does not count', async () => {
      await server.close();
      server = await startTestApi(`--user-storage-quota=${DATA.length}`);
      const post = (data: Buffer) =>
        as(USER)
          .post('/v1/images')
          .set({ 'content-type': 'application/octet-stream', ...RAW })
          .send(data);
      expect((await post(Buffer.alloc(DATA.length + 1))).status).toBe(413);
      const { body, write } = pushStream();
      write(Buffer.alloc(DATA.length + 1));
      write(undefined);
      const chunked = await fetch(`${server.url}/v1/images`, {
        method: 'POST',
        headers: { 'x-auth-token': USER, 'content-type': 'application/octet-stream', ...RAW },
        body,
        duplex: 'half',
      });
      expect(chunked.status).toBe(413);
      expect((await post(DATA)).status).toBe(201);
      expect((await post(Buffer.from('x'))).status).toBe(413);
    });

    // §11.31
    it('refuses more properties than image_property_quota, stored ones included', async () => {
      await server.close();
      server = await startTestApi('--image-property-quota=1');
      const id = await reserved({ 'x-image-meta-property-a': '1' });
      const more = await as(USER)
        .put(`/v1/images/${id}`)
        .set({ 'x-glance-registry-purge-props': 'false', 'x-image-meta-property-b': '2' });
      expect(more.status).toBe(413);
      expect(more.text).toContain('Attempted: 2, Maximum: 1');
      await as(USER)
        .put(`/v1/images/${id}`)
        .set({ 'x-glance-registry-purge-props': 'false', 'x-image-meta-property-a': '2' })
        .expect(200);
    });
  });

  describe('update', () => {
    // §11.29, §11.30
    it('purges the properties it does not name, unless asked not to', async () => {
      const id = await reserved({ 'x-image-meta-property-a': '1', 'x-image-meta-property-b': '2' });
      const kept = await as(USER)
        .put(`/v1/images/${id}`)
        .set({ 'x-glance-registry-purge-props': 'false', 'x-image-meta-property-a': '3' });
      expect(kept.body.image.properties).toEqual({ a: '3', b: '2' });
      const purged = await as(USER).put(`/v1/images/${id}`).set('x-image-meta-property-b', '4');
      expect(purged.body.image.properties).toEqual({ b: '4' });
      const revived = await as(USER).put(`/v1/images/${id}`).set('x-image-meta-property-a', '5');
      expect(revived.body.image.properties).toEqual({ a: '5' });
    });

    // §11.32, §11.33
    it('takes status and id only when they say what is', async () => {
      const id = await reserved();
      const put = (name: string, value: string) =>
        as(ADMIN).put(`/v1/images/${id}`).set(name, value);
      expect((await put('x-image-meta-status', 'active')).status).toBe(403);
      expect((await put('x-image-meta-status', 'queued')).status).toBe(200);
      expect((await put('x-image-meta-id', randomUUID())).status).toBe(403);
      expect((await put('x-image-meta-id', id.toUpperCase())).status).toBe(200);
    });

    // §11.32
    it('ignores a status on creation', async () => {
      const answer = await as(USER).post('/v1/images').set('x-image-meta-status', 'active');
      expect(answer.status).toBe(201);
      expect(answer.body.image.status).toBe('queued');
    });

    // §11.34
    it.each(['active', 'deactivated'] as const)(
      'keeps size and checksum of an %s image from all but admins',
      async (status) => {
        const id = await uploaded();
        server.registry.overwrite(id, { status });
        const forbidden = await as(USER).put(`/v1/images/${id}`).set('x-image-meta-size', '1');
        expect(forbidden.status).toBe(403);
        expect(forbidden.text).toContain(`Forbidden to modify 'size' of ${status} image`);
        const answer = await as(ADMIN).put(`/v1/images/${id}`).set('x-image-meta-size', '1');
        expect(answer.body.image.size).toBe(1);
      },
    );

    // §11.40
    it('belongs to the owner and to admins', async () => {
      const hidden = await reserved();
      await as(OTHER).put(`/v1/images/${hidden}`).set('x-image-meta-name', 'mine').expect(404);
      const seen = await reserved({ 'x-image-meta-is_public': 'True' }, ADMIN);
      await as(OTHER).put(`/v1/images/${seen}`).set('x-image-meta-name', 'mine').expect(403);
      await as(OTHER).delete(`/v1/images/${seen}`).expect(403);
      await as(ADMIN).put(`/v1/images/${hidden}`).set('x-image-meta-name', 'theirs').expect(200);
    });

    it('lets only admins publish or give an image away', async () => {
      await as(USER).post('/v1/images').set('x-image-meta-is_public', 'True').expect(403);
      const id = await reserved({ 'x-image-meta-owner': 'project-b' });
      const image = (await as(USER).head(`/v1/images/${id}`)).headers;
      expect(image['x-image-meta-owner']).toBe('project-a');
      await as(ADMIN).put(`/v1/images/${id}`).set('x-image-meta-owner', 'project-b').expect(200);
      await as(USER).head(`/v1/images/${id}`).expect(404);
    });
  });

  describe('delete', () => {
    // §11.35, §11.37, §11.38
    it('answers 200 with nothing, and the image is gone for all but admins', async () => {
      const id = await uploaded();
      const answer = await as(USER).delete(`/v1/images/${id}`).expect(200);
      expect(answer.text).toBe('');
      await as(USER).get(`/v1/images/${id}`).expect(404);
      await as(USER).delete(`/v1/images/${id}`).expect(404);
      const head = await as(ADMIN).head(`/v1/images/${id}`).expect(200);
      expect(head.headers['x-image-meta-status']).toBe('deleted');
      expect(head.headers['x-image-meta-deleted']).toBe('True');
      await as(ADMIN).get(`/v1/images/${id}`).expect(404);
      await as(ADMIN).put(`/v1/images/${id}`).set('x-image-meta-name', 'x').expect(403);
      await as(USER).post('/v1/images').set('x-image-meta-id', id).expect(409);
    });

    // §11.40
    it('of a protected image is refused, for admins too', async () => {
      const id = await uploaded({ 'x-image-meta-protected': 'True' });
      const answer = await as(ADMIN).delete(`/v1/images/${id}`).expect(403);
      expect(answer.text).toContain('Image is protected');
      await as(USER).get(`/v1/images/${id}`).expect(200);
    });

    // §11.38
    it('with delayed_delete leaves the data and refuses a second time', async () => {
      await server.close();
      server = await startTestApi('--delayed-delete');
      const id = await uploaded();
      await as(USER).delete(`/v1/images/${id}`).expect(200);
      const head = await as(ADMIN).head(`/v1/images/${id}`).expect(200);
      expect(head.headers['x-image-meta-status']).toBe('pending_delete');
      const again = await as(ADMIN).delete(`/v1/images/${id}`).expect(403);
      expect(again.text).toContain('Forbidden to delete a pending_delete image');
    });

    // §11.60
    it('finds nothing for ids that are none', async () => {
      for (const id of [
        '-1',
        'a'.repeat(37),
        'zzzzzzzz-0000-0000-0000-000000000000',
        '..%2f..%2fetc',
        '%00',
      ]) {
        await as(USER).delete(`/v1/images/${id}`).expect(404);
      }
    });
  });

  describe('errors', () => {
    it('take the form the client accepts', async () => {
      const path = `/v1/images/${randomUUID()}`;
      const html = await as(USER).get(path).set('accept', '*/*').expect(404);
      expect(html.headers['content-type']).toContain('text/html');
      expect(html.text).toContain('<h1>404 Not Found</h1>');
      const json = await as(USER).get(path).set('accept', 'application/json').expect(404);
      expect(json.body).toMatchObject({ code: '404 Not Found', title: 'Not Found' });
      expect(json.headers['content-type']).toBe('application/json');
      for (const tie of ['application/json, text/html', 'application/json, */*']) {
        const either = await as(USER).get(path).set('accept', tie).expect(404);
        expect(either.headers['content-type']).toContain('text/html');
      }
      const plain = await fetch(`${server.url}${path}`, {
        headers: { 'x-auth-token': USER, accept: 'image/png' },
      });
      expect(plain.headers.get('content-type')).toContain('text/plain');
      expect(await plain.text()).toMatch(/^404 Not Found\n\n/);
    });

    it('show no markup that a client sent', async () => {
      const answer = await as(USER)
        .post('/v1/images')
        .set({ accept: '*/*', 'x-image-meta-store': '<script>' })
        .expect(400);
      expect(answer.text).not.toContain('<script>');
    });

    // §11.2
    it.each([
      ['HEAD', '/v1/images/detail', 405, 'GET'],
      ['HEAD', '/v1/images', 405, 'GET, POST'],
      ['DELETE', '/v1/images', 405, 'GET, POST'],
      ['POST', '/v1/images/detail', 405, 'GET, HEAD'],
      ['POST', `/v1/images/${randomUUID()}`, 405, 'GET, HEAD, PUT, DELETE'],
    ])('%s %s is 405 and says what is allowed', async (method, path, status, allow) => {
      const answer = await fetch(`${server.url}${path}`, {
        method,
        headers: { 'x-auth-token': USER },
      });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('allow')).toBe(allow);
    });

    // §11.4, §11.5
    it.each([
      '/v1/images/',
      '/v1/images/detail/',
      '/v1/images.xml',
      '/v1/versions',
      '/v1/images/new',
    ])('%s is not found', async (path) => {
      await as(USER).get(path).expect(404);
    });

    it('without credentials is 401', async () => {
      await request(server.url).get('/v1/images').expect(401);
      await request(server.url).get('/v1/images').set('x-auth-token', '').expect(401);
      await request(server.url).get('/v1/images').set('x-auth-token', 'nonsense').expect(401);
    });

    it('refuses writes of anonymous callers and shows them what is public', async () => {
      await server.close();
      server = await startTestApi('--allow-anonymous-access');
      const id = await uploaded({ 'x-image-meta-is_public': 'True' }, ADMIN);
      await request(server.url).get(`/v1/images/${id}`).expect(200);
      const refused = await request(server.url).delete(`/v1/images/${id}`).expect(403);
      expect(refused.text).toContain('Read-only access');
    });
  });
});

/** A request body that a test feeds by hand; undefined ends it. */
function pushStream(): { body: ReadableStream<Uint8Array>; write(data: Buffer | undefined): void } {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(each) {
      controller = each;
    },
  });
  return {
    body,
    write: (data) => {
      if (data) controller?.enqueue(data);
      else controller?.close();
    },
  };
}
