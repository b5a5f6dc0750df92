import { createHash, randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { Deployment, eventually, stopService } from './support/deployment';
import { plantSecret } from './support/leak-gate';
import { S3Server, withS3 } from './support/s3-server';
import { createV2 } from './support/v2-client';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;

withS3(describe)('images in S3', () => {
  const bucket = `e2e-${randomUUID()}`;
  const server = new S3Server();
  const s3 = server.connect();
  let deployment: Deployment;

  beforeAll(async () => {
    plantSecret('the secret key of the store', server.secretKey);
    deployment = await Deployment.start({
      database: 'sqlite',
      api: {
        DEFAULT: ['show_multiple_locations = true', 'deletion_grace = 0'],
        glance_store: [
          'stores = file,s3',
          'default_store = s3',
          `s3_store_host = ${server.host}`,
          `s3_store_access_key = ${server.accessKey}`,
          `s3_store_secret_key = ${server.secretKey}`,
          `s3_store_bucket = ${bucket}`,
          's3_store_create_bucket_on_put = true',
          's3_store_large_object_chunk_size = 5',
        ],
      },
      registry: { uploads: ['lease_seconds = 4'] },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await server.removeBucket(bucket, s3);
    s3.destroy();
  });

  const contents = (): Promise<string[]> => server.contentsOf(bucket, s3);

  async function newImage(): Promise<string> {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    return id;
  }

  const fileOf = (id: string, apiUrl = deployment.apiUrl): string =>
    `${apiUrl}/v2/images/${id}/file`;

  /** Without an announced size. */
  function upload(url: string, data: Buffer, finish = true): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/octet-stream' };
      const request = http.request(url, { method: 'PUT', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode!);
      });
      request.on('error', reject);
      if (finish) request.end(data);
      else request.write(data);
      if (!finish) {
        // The first parts have arrived: the client goes.
        eventually(async () => {
          expect((await contents()).some((name) => name.startsWith('unfinished'))).toBe(true);
        }).then(() => request.destroy(new Error('gone')), reject);
      }
    });
  }

  it.each([0, 1, 3 * MIB, 17 * MIB + 5])(
    'takes %i bytes, lists, serves and deletes them',
    async (size) => {
      const data = randomBytes(size);
      const id = await newImage();
      expect(await upload(fileOf(id), data)).toBe(204);
      const shown = (await (await fetch(`${deployment.apiUrl}/v2/images/${id}`)).json()) as {
        size: number;
        os_hash_value: string;
        locations: { url: string }[];
      };
      expect(shown).toMatchObject({
        status: 'active',
        size,
        os_hash_value: createHash('sha512').update(data).digest('hex'),
        locations: [{ url: `s3://${server.host}/${bucket}/${id}` }],
      });
      const list = await (await fetch(`${deployment.apiUrl}/v2/images`)).text();
      expect(list).toContain(id);
      const whole = await fetch(fileOf(id));
      expect(Buffer.from(await whole.arrayBuffer()).equals(data)).toBe(true);
      if (size > 1) {
        const part = await fetch(fileOf(id), { headers: { range: 'bytes=1000000-2000000' } });
        expect(part.status).toBe(206);
        const bytes = Buffer.from(await part.arrayBuffer());
        expect(bytes.equals(data.subarray(1_000_000, 2_000_001))).toBe(true);
      }
      await eventually(async () => {
        expect(await contents()).toEqual([id]);
      });
      const gone = await fetch(`${deployment.apiUrl}/v2/images/${id}`, { method: 'DELETE' });
      expect(gone.status).toBe(204);
      expect(await contents()).toEqual([]);
    },
  );

  it('leaves nothing of an upload whose client went away', async () => {
    const id = await newImage();
    await expect(upload(fileOf(id), randomBytes(12 * MIB), false)).rejects.toThrow('gone');
    await eventually(async () => {
      expect(await contents()).toEqual([]);
    });
    const shown = (await (await fetch(`${deployment.apiUrl}/v2/images/${id}`)).json()) as object;
    expect(shown).toMatchObject({ status: 'queued', size: null });
  });

  it('has what a process that died left behind swept', async () => {
    const id = await newImage();
    const { url, service } = await deployment.addApi('U6:kill');
    await expect(upload(fileOf(id, url), randomBytes(6 * MIB))).rejects.toThrow();
    await stopService(service);
    expect(await contents()).toHaveLength(2);
    await eventually(async () => {
      await deployment.manage('db', 'expire_leases');
      expect((await deployment.manageStore('unfinished')).code).toBe(0);
      expect(await contents()).toEqual([]);
    });
  });
});
