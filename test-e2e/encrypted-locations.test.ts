import { randomBytes } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { Deployment, stopService } from './support/deployment';
import { describeWith } from './support/installed';
import { plantSecret } from './support/leak-gate';
import { queryAll } from './support/sql';
import { PROGRAM, UpstreamGlance, callerHeaders } from './support/upstream-glance';

jest.setTimeout(180_000);

const alice = callerHeaders('alice');
const admin = callerHeaders('ops', 'admin,member,reader');
const KEY = randomBytes(12).toString('hex');

describeWith(
  'upstream (glance-api, python3-pymysql)',
  PROGRAM,
  '--version',
)('locations that upstream and ours encrypt with one key', () => {
  const data = randomBytes(100_000);
  let deployment: Deployment;
  let upstream: UpstreamGlance;
  let byUpstream: string;
  let byOurs: string;

  beforeAll(async () => {
    plantSecret('the metadata encryption key', KEY);
    deployment = await Deployment.start({
      database: 'sqlite',
      flavor: 'trusted-auth',
      api: { DEFAULT: ['show_multiple_locations = true'] },
      registry: { DEFAULT: [`metadata_encryption_key = ${KEY}`] },
      beforeSync: async (fresh) => {
        upstream = await UpstreamGlance.prepare(fresh, [`metadata_encryption_key = ${KEY}`]);
        await upstream.syncDatabase();
        await whileUpstreamRuns(async () => {
          const { id } = await upstream.call<{ id: string }>('POST', '/images', alice, {
            disk_format: 'raw',
            container_format: 'bare',
          });
          await upstream.call('PUT', `/images/${id}/file`, alice, data);
          byUpstream = id;
        });
      },
    });
  });

  afterAll(async () => {
    await upstream.stop();
    await deployment.stop();
  });

  async function whileUpstreamRuns(work: () => Promise<void>): Promise<void> {
    await upstream.start();
    try {
      await work();
    } finally {
      await upstream.stop();
    }
  }

  const ours = (method: string, path: string, init: RequestInit = {}, caller = alice) =>
    fetch(`${deployment.apiUrl}/v2/images${path}`, {
      method,
      ...init,
      headers: { ...caller, ...(init.headers as Record<string, string> | undefined) },
    });

  async function expectDownload(id: string): Promise<void> {
    const answer = await ours('GET', `/${id}/file`);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(data)).toBe(true);
  }

  const locationsInDatabase = async () =>
    (await queryAll(deployment, 'SELECT value FROM image_locations')).map(({ value }) =>
      String(value),
    );

  it('are read from upstream and written for it', async () => {
    const shown = (await (await ours('GET', `/${byUpstream}`, {}, admin)).json()) as {
      locations: { url: string }[];
    };
    expect(shown.locations).toMatchObject([
      { url: `file://${deployment.imageDirectory}/${byUpstream}` },
    ]);
    await expectDownload(byUpstream);
    const made = await ours('POST', '', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ disk_format: 'raw', container_format: 'bare' }),
    });
    byOurs = ((await made.json()) as { id: string }).id;
    const headers = { 'content-type': 'application/octet-stream' };
    const put = await ours('PUT', `/${byOurs}/file`, { headers, body: data });
    expect(put.status).toBe(204);
    const values = await locationsInDatabase();
    expect(values).toHaveLength(2);
    for (const value of values) expect(value).toMatch(/^[A-Za-z0-9_-]+={0,2}$/);

    for (const service of [...deployment.apis, ...deployment.registries]) {
      await stopService(service);
    }
    await whileUpstreamRuns(async () => {
      expect((await upstream.download(byOurs, alice)).equals(data)).toBe(true);
      await upstream.call('PATCH', `/images/${byOurs}`, alice, [
        { op: 'replace', path: '/name', value: 'renamed by upstream' },
      ]);
    });
    for (const service of [...deployment.registries, ...deployment.apis]) {
      await deployment.restart(service);
    }
    await expectDownload(byOurs);
    await expectDownload(byUpstream);
  });

  it('lose no data where the key is wrong or missing', async () => {
    const [registry] = deployment.registries;
    const right = await readFile(registry!.configFile, 'utf8');
    let running = registry!;
    for (const [line, message] of [
      ['metadata_encryption_key = 0123456789abcdef', 'is not the key that it was encrypted with'],
      ['', 'metadata_encryption_key of glance-registry is not set'],
    ] as const) {
      await stopService(running);
      await writeFile(
        registry!.configFile,
        right.replace(`metadata_encryption_key = ${KEY}`, line),
      );
      running = await deployment.restart(running);
      for (const [method, path] of [
        ['GET', `/${byOurs}`],
        ['GET', `/${byOurs}/file`],
        ['DELETE', `/${byOurs}`],
      ] as const) {
        expect((await ours(method, path)).status).toBe(500);
      }
      expect(running.log()).toContain(message);
      expect((await deployment.manageStore('orphans', '--delete')).code).toBe(0);
      expect(await queryAll(deployment, 'SELECT name FROM registry_orphans')).toEqual([]);
    }
    await stopService(running);
    await writeFile(registry!.configFile, right);
    await deployment.restart(running);
    await expectDownload(byOurs);
    expect((await ours('DELETE', `/${byOurs}`)).status).toBe(204);
    await expectDownload(byUpstream);
    const files = await readdir(deployment.imageDirectory);
    expect(files.filter((name) => !name.startsWith('.'))).toEqual([byUpstream]);
  });
});
