import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { check } from './support/checker';
import { DATABASES, Deployment, eventually, stopService } from './support/deployment';
import { describeWith } from './support/installed';
import { queryAll } from './support/sql';
import { PROGRAM, UpstreamGlance, callerHeaders } from './support/upstream-glance';

jest.setTimeout(180_000);

const run = promisify(execFile);
const SCRUBBER = '/usr/bin/glance-scrubber';
const alice = callerHeaders('alice');
const bob = callerHeaders('bob');
const admin = callerHeaders('ops', 'admin,member,reader');
const DATABASE = DATABASES.at(-1)!;
const KEPT = ['delayed_delete = true', 'scrub_time = 3600'];

/** Either goes on with what the other has deleted with delay (lifecycle sheet §2, §3). */
describeWith(
  'upstream (glance-api, python3-pymysql)',
  PROGRAM,
  '--version',
)(`images that upstream and ours delete with delay on ${DATABASE}`, () => {
  let deployment: Deployment;
  let upstream: UpstreamGlance;
  const data = randomBytes(50_000);
  const images: Record<string, string> = {};

  async function uploaded(): Promise<string> {
    const { id } = await upstream.call<{ id: string }>('POST', '/images', alice, {
      disk_format: 'raw',
      container_format: 'bare',
      visibility: 'shared',
      os_distro: 'debian',
      tags: ['kept'],
    });
    await upstream.call('PUT', `/images/${id}/file`, alice, data);
    await upstream.call('POST', `/images/${id}/members`, alice, { member: 'bob' });
    return id;
  }

  beforeAll(async () => {
    deployment = await Deployment.start({
      database: DATABASE,
      flavor: 'trusted-auth',
      api: { DEFAULT: [...KEPT, 'wakeup_time = 0.5'] },
      registry: { uploads: ['sweep_interval = 0.5'] },
      beforeSync: async (fresh) => {
        upstream = await UpstreamGlance.prepare(fresh, KEPT);
        await upstream.syncDatabase();
        await upstream.start();
        try {
          for (const name of ['restored', 'scrubbed', 'given back', 'left to it']) {
            images[name] = await uploaded();
          }
          for (const name of ['restored', 'scrubbed']) {
            await upstream.call('DELETE', `/images/${images[name]}`, alice);
          }
        } finally {
          await upstream.stop();
        }
      },
    });
  });

  afterAll(async () => {
    await upstream.stop();
    await deployment.stop();
  });

  const ours = (method: string, path: string, caller = alice) =>
    fetch(`${deployment.apiUrl}/v2/images${path}`, { method, headers: caller });

  /** With data, properties, tags and members. */
  async function expectWhole(id: string): Promise<void> {
    const shown = (await (await ours('GET', `/${id}`)).json()) as object;
    expect(shown).toMatchObject({ status: 'active', os_distro: 'debian', tags: ['kept'] });
    for (const caller of [alice, bob]) {
      const answer = await ours('GET', `/${id}/file`, caller);
      expect(answer.status).toBe(200);
      expect(Buffer.from(await answer.arrayBuffer()).equals(data)).toBe(true);
    }
  }

  const upstreamScrubs = (...args: string[]) =>
    run(SCRUBBER, ['--config-file', upstream.configurationFile, ...args]);

  it('of upstream are restored by ours, or scrubbed', async () => {
    for (const name of ['restored', 'scrubbed']) {
      expect((await ours('GET', `/${images[name]}`)).status).toBe(404);
      expect(await deployment.filesInStore()).toContain(images[name]);
    }
    const restored = await deployment.operate('glance-scrubber', [
      '--restore',
      images['restored']!,
    ]);
    expect(restored).toMatchObject({ code: 0, err: '' });
    await expectWhole(images['restored']!);
    const scrubbed = await deployment.operate('glance-scrubber', ['--scrub-time=0']);
    expect(scrubbed).toMatchObject({ code: 0, err: '' });
    expect(await deployment.filesInStore()).not.toContain(images['scrubbed']);
  });

  it('of ours are scrubbed and restored by upstream, whose restoration ours completes', async () => {
    for (const name of ['given back', 'left to it']) {
      expect((await ours('DELETE', `/${images[name]}`)).status).toBe(204);
    }
    const services = [...deployment.apis, ...deployment.registries];
    for (const service of services) await stopService(service);
    // It refuses while any process of the machine has its name, one of another test too.
    await eventually(() => upstreamScrubs('--restore', images['given back']!), 60_000);
    await upstream.write('scrub_time = 0');
    await upstreamScrubs();
    expect(await deployment.filesInStore()).not.toContain(images['left to it']);
    expect(await deployment.filesInStore()).toContain(images['given back']);
    const left = await queryAll(
      deployment,
      `SELECT status FROM images WHERE id = '${images['left to it']}'
        UNION ALL SELECT status FROM image_locations WHERE image_id = '${images['left to it']}'`,
    );
    expect(left).toEqual([{ status: 'deleted' }, { status: 'deleted' }]);
    // Nothing that lives refers to the image: upstream can purge it.
    for (const table of ['image_properties', 'image_tags', 'image_members']) {
      const query = `SELECT deleted FROM ${table} WHERE image_id = '${images['left to it']}'`;
      expect(await queryAll(deployment, query)).toEqual([{ deleted: 1 }]);
    }

    for (const service of services.reverse()) await deployment.restart(service);
    await eventually(() => expectWhole(images['given back']!));
    expect((await ours('GET', `/${images['left to it']}`)).status).toBe(404);
    await deployment.manage('db', 'audit_usage');
    expect(await check(deployment, [], { settleMs: 10_000, caller: admin })).toEqual([]);
  });
});
