import { randomBytes, randomUUID } from 'node:crypto';
import { Deployment, eventually, stopService } from './support/deployment';
import { describeWithSheepdog, Sheepdog } from './support/sheepdog';
import { createV2 } from './support/v2-client';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;

describeWithSheepdog()('images in Sheepdog', () => {
  let sheepdog: Sheepdog;
  let deployment: Deployment;

  beforeAll(async () => {
    sheepdog = await Sheepdog.start();
    deployment = await Deployment.start({
      database: 'sqlite',
      api: {
        DEFAULT: ['show_multiple_locations = true', 'deletion_grace = 0'],
        glance_store: [
          'stores = file,sheepdog',
          'default_store = sheepdog',
          `sheepdog_store_port = ${sheepdog.port}`,
        ],
      },
      registry: { uploads: ['lease_seconds = 4'] },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await sheepdog.stop();
  });

  async function newImage(): Promise<string> {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    return id;
  }

  const fileOf = (id: string, apiUrl = deployment.apiUrl): string =>
    `${apiUrl}/v2/images/${id}/file`;

  function upload(url: string, body: Buffer): Promise<Response> {
    const headers = { 'content-type': 'application/octet-stream' };
    return fetch(url, { method: 'PUT', headers, body: new Uint8Array(body) });
  }

  it.each([0, 9 * MIB + 5])('takes %i bytes, serves and deletes them', async (size) => {
    const data = randomBytes(size);
    const id = await newImage();
    expect((await upload(fileOf(id), data)).status).toBe(204);
    const shown = (await (await fetch(`${deployment.apiUrl}/v2/images/${id}`)).json()) as object;
    const url = `sheepdog://127.0.0.1:${sheepdog.port}:${id}`;
    expect(shown).toMatchObject({ status: 'active', size, locations: [{ url }] });
    const whole = await fetch(fileOf(id));
    expect(Buffer.from(await whole.arrayBuffer()).equals(data)).toBe(true);
    if (size > 0) {
      const part = await fetch(fileOf(id), { headers: { range: 'bytes=4000000-5000000' } });
      expect(part.status).toBe(206);
      const bytes = Buffer.from(await part.arrayBuffer());
      expect(bytes.equals(data.subarray(4_000_000, 5_000_001))).toBe(true);
    }
    expect(sheepdog.names()).toEqual([id]);
    const gone = await fetch(`${deployment.apiUrl}/v2/images/${id}`, { method: 'DELETE' });
    expect(gone.status).toBe(204);
    expect(sheepdog.names()).toEqual([]);
  });

  it('has what a process that died left behind swept', async () => {
    const id = await newImage();
    const { url, service } = await deployment.addApi('U6:kill');
    await expect(upload(fileOf(id, url), randomBytes(6 * MIB))).rejects.toThrow();
    await stopService(service);
    expect(sheepdog.names()).toEqual([id]);
    await eventually(async () => {
      await deployment.manage('db', 'expire_leases');
      expect((await deployment.manageStore('unfinished')).code).toBe(0);
      expect(sheepdog.names()).toEqual([]);
    });
  });
});
