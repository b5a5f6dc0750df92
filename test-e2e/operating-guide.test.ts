import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdtemp, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ROOT, eventually, freePorts, imageOf } from './support/deployment';
import { installEarlierRelease } from './support/earlier-release';
import { GuideDatabase } from './support/guide-database';
import { GuideHost } from './support/guide-host';
import { describeWith } from './support/installed';
import { searchForLeaks } from './support/leak-gate';
import { OperatingGuide } from './support/operating-guide';

jest.setTimeout(480_000);

const UPSTREAM_CHAPTER = 'Take over an existing Glance';
const UNITS = ['glance-api', 'glance-registry'];

const describeGuide =
  (process.env['TEST_MYSQL_URL'] ?? '') === ''
    ? describe.skip
    : describeWith(
        'mariadb, rsync, openssl, curl and openstack',
        'bash',
        '-c',
        'for each in mariadb mariadb-dump rsync openssl curl openstack; do command -v $each; done',
      );

/** Follows docs/operating.md on two hosts, chapter by chapter; the order of the tests is that of the guide. */
describeGuide('docs/operating.md, on two hosts', () => {
  let directory: string;
  let database: GuideDatabase;
  let guide: OperatingGuide;
  let hosts: [GuideHost, GuideHost];
  let urls: [string, string];
  /** Data of the images that there ought to be, by id. */
  const images = new Map<string, Buffer>();

  beforeAll(async () => {
    guide = await OperatingGuide.read();
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-guide-'));
    database = new GuideDatabase();
    const home = await database.writeHome(path.join(directory, 'home'));
    await installEarlierRelease(path.join(directory, 'earlier'));
    const [registryPort, ...apiPorts] = (await freePorts(3)) as [number, number, number];
    urls = [`http://127.0.0.1:${apiPorts[0]}`, `http://127.0.0.1:${apiPorts[1]}`];
    const create = async (number: 1 | 2): Promise<GuideHost> => {
      const host = await GuideHost.create({
        directory: path.join(directory, `host-${number}`),
        shared: {
          '/var/lib/glance/images': path.join(directory, 'images'),
          '/srv/backup': path.join(directory, 'backup'),
        },
        names: [
          ...database.names,
          [/127\.0\.0\.1:9292/g, `127.0.0.1:${apiPorts[number - 1]}`],
          [/glance-1\.internal/g, '127.0.0.1'],
          [/glance-2\.internal/g, '127.0.0.2'],
          [/HOSTNAME\.internal/g, `127.0.0.${number}`],
        ],
        env: {
          GLANCE_API__DEFAULT__BIND_PORT: String(apiPorts[number - 1]),
          GLANCE_API__DEFAULT__REGISTRY_PORT: String(registryPort),
          GLANCE_REGISTRY__DEFAULT__BIND_PORT: String(registryPort),
          GLANCE_API__DEFAULT__WORKERS: '1',
          GLANCE_REGISTRY__DEFAULT__WORKERS: '1',
          GLANCE_API__DEFAULT__SHUTDOWN_DELAY: '1',
          GLANCE_REGISTRY__DEFAULT__SHUTDOWN_DELAY: '1',
          // Nobody waits for half a day here.
          GLANCE_API__ORPHANS__CONFIRM_AFTER: '1',
          GLANCE_API__ORPHANS__MINIMUM_AGE: '0',
        },
        home,
      });
      await symlink(path.join(directory, 'earlier'), host.path('/opt/glance-0.1.0'));
      await symlink(ROOT, host.path('/opt/glance-0.2.0'));
      await symlink(host.path('/opt/glance-0.1.0'), host.path('/opt/glance'));
      for (const unit of UNITS) {
        const file = `systemd/${unit}.service`;
        await cp(path.join(ROOT, 'deploy', file), host.path(`/etc/systemd/system/${unit}.service`));
      }
      return host;
    };
    hosts = [await create(1), await create(2)];
  });

  afterAll(async () => {
    for (const host of hosts) {
      await host.close();
      searchForLeaks('the output of services', host.log);
      for (const unit of UNITS) {
        const log = await readFile(host.path(`/var/log/glance/${unit}.log`), 'utf8').catch(
          () => '',
        );
        searchForLeaks('a log', log);
      }
    }
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Follows a chapter on the first host, and where it says so on both. @returns what was written, block by block */
  async function follow(heading: string): Promise<string[]> {
    const written: string[] = [];
    for (const block of guide.take(heading)) {
      const isForEach = block.info === 'each' || (block.language === 'ini' && heading === 'Scale');
      for (const host of isForEach ? hosts : [hosts[0]]) written.push(await host.follow(block));
    }
    return written;
  }

  async function upload(url: string): Promise<string> {
    const data = randomBytes(50_000);
    const answer = await fetch(`${url}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      },
      body: data,
    });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    const { id } = await imageOf(answer);
    images.set(id, data);
    return id;
  }

  const download = (url: string, id: string) => fetch(`${url}/v2/images/${id}/file`);

  /** Every image is listed and downloaded as it was made, on both hosts. */
  async function expectImages(): Promise<void> {
    for (const url of urls) {
      for (const [id, data] of images) {
        const answer = await download(url, id);
        expect([id, answer.status]).toEqual([id, 200]);
        expect(Buffer.from(await answer.arrayBuffer()).equals(data)).toBe(true);
      }
    }
  }

  async function deleteImage(id: string): Promise<void> {
    expect((await fetch(`${urls[0]}/v2/images/${id}`, { method: 'DELETE' })).status).toBe(204);
  }

  it('is installed, and takes a first image', async () => {
    const written = await follow('Install');
    expect(written.join('')).toContain('the schema is current');
    const list = (await (await fetch(`${urls[0]}/v2/images`)).json()) as { images: object[] };
    expect(list.images).toEqual([
      expect.objectContaining({ name: 'first', status: 'active', disk_format: 'raw' }),
    ]);
    const namespace = await fetch(`${urls[0]}/v2/metadefs/namespaces/Image::Hardware`);
    expect(namespace.status).toBe(200);
    await upload(urls[0]);
  });

  it('tells how many connections the database takes', async () => {
    const written = await follow('Size');
    expect(written.join('')).toMatch(/max_connections\s+\d+[^]*Max_used_connections\s+\d+/);
  });

  it('is scaled to a second host, where either registry may be gone', async () => {
    for (const name of await readdir(hosts[0].path('/etc/glance'))) {
      const text = await readFile(path.join(hosts[0].path('/etc/glance'), name), 'utf8');
      const there = text.replaceAll(path.join(directory, 'host-1'), path.join(directory, 'host-2'));
      await writeFile(path.join(hosts[1].path('/etc/glance'), name), there, { mode: 0o640 });
    }
    await follow('Scale');
    await upload(urls[0]);
    await upload(urls[1]);
    await expectImages();
    for (const host of hosts) {
      expect(await host.bash('systemctl stop glance-registry')).toEqual({ code: 0, out: '' });
      await upload(urls[0]);
      await upload(urls[1]);
      expect(await host.bash('systemctl start glance-registry')).toEqual({ code: 0, out: '' });
      await eventually(async () => {
        const asked = await host.bash(
          'glance-registry --config-file /etc/glance/glance-registry.conf healthcheck readyz',
        );
        expect(asked.code).toBe(0);
      });
    }
  });

  /** Calls of users behind a balancer, which asks for /readyz, until they are stopped. @returns what failed */
  function load(): { stop: () => Promise<{ failures: string[]; calls: number }> } {
    const failures: string[] = [];
    let calls = 0;
    let goesOn = true;
    const [known] = images.keys();

    async function readyUrl(turn: number): Promise<string> {
      for (const url of turn % 2 === 0 ? urls : [...urls].reverse()) {
        const answer = await fetch(`${url}/readyz`).catch(() => undefined);
        if (answer?.ok === true) return url;
      }
      throw new Error('no api is ready');
    }

    const users = [
      (url: string) => upload(url),
      (url: string) => fetch(`${url}/v2/images?limit=5`),
      (url: string) => download(url, known!),
      (url: string) => fetch(`${url}/v1/images/${known}`, { method: 'HEAD' }),
    ].map(async (call, user) => {
      for (let turn = user; goesOn; turn += 1) {
        try {
          const answer = await call(await readyUrl(turn));
          if (typeof answer !== 'string') {
            await answer.arrayBuffer();
            if (!answer.ok) throw new Error(`status ${answer.status}`);
          }
          calls += 1;
        } catch (error) {
          failures.push(`${user}: ${String((error as Error).cause ?? error)}`);
        }
        await pause(100);
      }
    });
    return {
      stop: async () => {
        goesOn = false;
        await Promise.all(users);
        return { failures, calls };
      },
    };
  }

  it('is upgraded, taken back and upgraded again without a failed call', async () => {
    const check = async (release: string): Promise<number> => {
      const program = `/opt/glance-${release}/node_modules/.bin/glance-manage`;
      const config = '--config-file /etc/glance/glance-registry.conf';
      return (await hosts[0].bash(`${program} ${config} db check`)).code;
    };
    const programs = () => hosts[1].bash('readlink /opt/glance');
    expect([await check('0.1.0'), await check('0.2.0')]).toEqual([0, 3]);
    const users = load();
    try {
      await follow('Expand and migrate');
      expect(await check('0.2.0')).toBe(5);
      await follow('Restart node by node');
      await follow('Go back');
      expect((await programs()).out).toContain('0.1.0');
      await follow('Restart node by node');
      expect((await programs()).out).toContain('0.2.0');
      const [contracted] = await follow('Contract');
      expect(contracted).toContain('Database is up to date. No upgrades needed.');
    } finally {
      const { failures, calls } = await users.stop();
      expect(failures).toEqual([]);
      expect(calls).toBeGreaterThan(20);
    }
    await expectImages();
  });

  it('is backed up while users go on, and restored after everything was lost', async () => {
    const deletedBetween = [...images.keys()].at(-1)!;
    const deletedLater = await upload(urls[1]);
    const [block] = guide.take('Back up');
    const [dump, ...rest] = block!.text.trim().split('\n');
    expect(await hosts[0].follow({ ...block!, text: dump! })).toBe('');
    const madeBetween = await upload(urls[1]);
    await deleteImage(deletedBetween);
    await hosts[0].follow({ ...block!, text: rest.join('\n') });
    const madeLater = await upload(urls[0]);
    await deleteImage(deletedLater);

    const orphan = images.get(madeBetween)!;
    for (const id of [madeBetween, madeLater]) images.delete(id);
    await database.run(`DROP DATABASE ${database.name}`);
    await rm(path.join(directory, 'images'), { recursive: true });

    const store = path.join(directory, 'images');
    const hashOf = async (name: string) =>
      createHash('md5')
        .update(await readFile(path.join(store, name)))
        .digest('hex');
    for (const restoring of guide.take('Restore')) {
      // The two looks at orphans are half a day apart; here as long as it takes.
      if (restoring.text.includes('--delete')) {
        await eventually(async () => {
          const { out } = await hosts[0].bash(restoring.text.replace(' --delete', ''));
          expect(out).toContain(`image=${madeBetween} bytes=${orphan.length}`);
        });
        expect(await hashOf(madeBetween)).toBe(createHash('md5').update(orphan).digest('hex'));
      }
      const hostsOfBlock = restoring.info === 'each' ? hosts : [hosts[0]];
      for (const host of hostsOfBlock) await host.follow(restoring);
    }
    await expectImages();
    for (const id of [madeBetween, madeLater]) {
      expect((await download(urls[0], id)).status).toBe(404);
    }
    const files = await readdir(store);
    expect(files).toEqual(expect.arrayContaining([...images.keys()]));
    expect(files).not.toContain(madeBetween);
    await upload(urls[0]);
    await expectImages();
  });

  it('purges, and goes on with a new log when the old one was renamed', async () => {
    const log = hosts[0].path('/var/log/glance/glance-api.log');
    await rename(log, `${log}.1`);
    await follow('Tune');
    const later = await fetch(`${urls[0]}/v2/images`);
    await eventually(async () => {
      expect(await readFile(log, 'utf8')).toContain(later.headers.get('x-openstack-request-id'));
    });
  });

  it('tells what is wrong, and brings a deleted image back', async () => {
    const id = [...images.keys()].at(-1)!;
    const shown = await fetch(`${urls[0]}/v2/images/${id}`);
    const requestId = shown.headers.get('x-openstack-request-id')!;
    hosts[0].placeholders.set('IMAGE_ID', id).set('REQUEST_ID', requestId);
    const written: string[] = [];
    for (const block of guide.take('Troubleshooting')) {
      if (block.text.includes('images restore')) {
        await deleteImage(id);
        expect((await download(urls[0], id)).status).toBe(404);
      }
      written.push(await hosts[0].follow(block));
    }
    expect(written[0]).toContain('"ready":true');
    expect(written[1]).toContain(requestId);
    expect(written[1]).toContain(id);
    await expectImages();
  });

  it('has no command that no test or script runs', async () => {
    expect(guide.untaken({ except: UPSTREAM_CHAPTER })).toEqual([]);
    expect(await guide.unverified()).toEqual([]);
    expect(guide.unprovenCommands()).toEqual([]);
  });
});
