import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DATABASES, Deployment, eventually, stopService } from './support/deployment';
import { plantSecret } from './support/leak-gate';
import { queryAll } from './support/sql';
import { createV2, putFileV2, showV2 } from './support/v2-client';

jest.setTimeout(120_000);

const DATABASE = DATABASES.at(-1)!;
const STORES = ['one', 'two'] as const;
const KEY = randomBytes(12).toString('hex');

describe(`processes that are killed over locations on ${DATABASE}`, () => {
  let deployment: Deployment;
  let directory: string;
  const data = randomBytes(200_000);

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-places-'));
    plantSecret('the metadata encryption key', KEY);
    deployment = await Deployment.start({
      database: DATABASE,
      nodes: 2,
      registry: { uploads: ['sweep_interval = 0.5'] },
      api: {
        DEFAULT: [
          'enabled_backends = one:file, two:file',
          'enabled_import_methods = copy-image',
          'wakeup_time = 0.5',
          'deletion_grace = 2',
        ],
        glance_store: ['default_backend = one'],
        ...Object.fromEntries(
          STORES.map((name) => [
            name,
            [`filesystem_store_datadir = ${path.join(directory, name)}`],
          ]),
        ),
      },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await rm(directory, { recursive: true });
  });

  const filesIn = async (store: (typeof STORES)[number]): Promise<string[]> =>
    (await readdir(path.join(directory, store))).filter((name) => !name.startsWith('.'));

  /** An image with its data in both stores. */
  async function inBoth(): Promise<string> {
    const id = randomUUID();
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    expect(await putFileV2(deployment.apiUrl, id, data)).toBe(204);
    const copied = await fetch(`${deployment.apiUrl}/v2/images/${id}/import`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ method: { name: 'copy-image' }, stores: ['two'] }),
    });
    expect(copied.status).toBe(202);
    await eventually(async () => {
      expect(await showV2(deployment.apiUrl, id)).toMatchObject({ stores: 'one,two' });
    });
    return id;
  }

  async function expectDownload(id: string): Promise<void> {
    for (const url of deployment.apiUrls) {
      // An api whose registries were away leaves them alone for a moment.
      await eventually(async () => {
        const answer = await fetch(`${url}/v2/images/${id}/file`);
        const body = Buffer.from(await answer.arrayBuffer());
        expect([answer.status, body.equals(data)]).toEqual([200, true]);
      });
    }
  }

  it.each(['D1', 'D3', 'D4'])(
    'at %s of a removal from a store leave the image with the data of the other one',
    async (point) => {
      const id = await inBoth();
      const { url, service } = await deployment.addApi(`${point}:kill`);
      const removal = fetch(`${url}/v2/stores/one/${id}`, { method: 'DELETE' });
      await expect(removal).rejects.toThrow();
      expect(await service.exited).toBe('SIGKILL');
      // From the first step on nobody is sent to the data that goes.
      expect(await showV2(deployment.apiUrl, id)).toMatchObject({
        status: 'active',
        stores: 'two',
      });
      await expectDownload(id);
      await eventually(async () => {
        expect(await filesIn('one')).not.toContain(id);
        expect(await queryAll(deployment, 'SELECT image_id FROM registry_removals')).toEqual([]);
      });
      const rows = await queryAll(
        deployment,
        `SELECT status FROM image_locations WHERE image_id = '${id}' ORDER BY id`,
      );
      expect(rows).toEqual([{ status: 'deleted' }, { status: 'active' }]);
      await expectDownload(id);
      expect(await deployment.manage('db', 'audit_usage')).toContain(
        'Every quota account is right',
      );
    },
  );

  it('in the midst of an encryption leave every location readable, and it goes on', async () => {
    const [, registry] = deployment.registries;
    await stopService(registry!);
    await stopService(deployment.registries[0]!);
    const count = (await queryAll(deployment, 'SELECT id FROM image_locations')).length;
    expect(count).toBeGreaterThan(3);
    const plain = async () =>
      (await queryAll(deployment, "SELECT id FROM image_locations WHERE value LIKE '%://%'"))
        .length;
    const key = `--metadata-encryption-key=${KEY}`;
    const encrypt = (failPoints?: string) =>
      deployment.operate('glance-manage', [key, 'db', 'encrypt_locations'], {
        service: 'registry',
        ...(failPoints === undefined ? {} : { failPoints }),
      });
    expect((await encrypt('location-sealed:kill')).code).toBe('SIGKILL');
    expect(await plain()).toBe(count - 1);
    const environment = { GLANCE_REGISTRY__DEFAULT__METADATA_ENCRYPTION_KEY: KEY };
    for (const service of [...deployment.registries])
      await deployment.restart(service, environment);
    const images = await queryAll(deployment, "SELECT id FROM images WHERE status = 'active'");
    for (const { id } of images) await expectDownload(String(id));
    expect(await encrypt()).toMatchObject({ code: 0, out: `Encrypted ${count - 1} locations.\n` });
    expect(await plain()).toBe(0);
    for (const { id } of images) await expectDownload(String(id));
  });
});
