import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ROOT, eventually, freePorts } from './support/deployment';
import { GuideDatabase } from './support/guide-database';
import { GuideHost } from './support/guide-host';
import { describeWith } from './support/installed';
import { plantSecret, searchForLeaks } from './support/leak-gate';
import { OperatingGuide } from './support/operating-guide';
import { PROGRAM, UpstreamGlance, callerHeaders } from './support/upstream-glance';

jest.setTimeout(240_000);

const alice = callerHeaders('alice');
const bob = callerHeaders('bob');
const CONFIGURATION = '/etc/glance.new/glance-api.conf';

const describeTakeover =
  (process.env['TEST_MYSQL_URL'] ?? '') === ''
    ? describe.skip
    : describeWith('upstream (glance-api, python3-pymysql)', PROGRAM, '--version');

/** Follows the chapter of docs/operating.md on a host where upstream runs, back to upstream, and forward again. */
describeTakeover('docs/operating.md, on a host with an upstream Glance', () => {
  let directory: string;
  let database: GuideDatabase;
  let guide: OperatingGuide;
  let host: GuideHost;
  let upstream: UpstreamGlance;
  const key = plantSecret('the key of the locations', randomBytes(16).toString('hex'));
  const images = new Map<string, Buffer>();

  beforeAll(async () => {
    guide = await OperatingGuide.read();
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-guide-'));
    database = new GuideDatabase();
    const home = await database.writeHome(path.join(directory, 'home'));
    const [registryPort] = await freePorts(1);
    host = await GuideHost.create({
      directory: path.join(directory, 'host'),
      names: database.names,
      home,
      env: {
        GLANCE_API__DEFAULT__REGISTRY_PORT: String(registryPort),
        GLANCE_REGISTRY__DEFAULT__BIND_PORT: String(registryPort),
        GLANCE_API__DEFAULT__SHUTDOWN_DELAY: '0',
        GLANCE_REGISTRY__DEFAULT__SHUTDOWN_DELAY: '0',
        GLANCE_REGISTRY__DEFAULT__WORKERS: '1',
      },
    });
    await symlink(ROOT, host.path('/opt/glance'));
    await database.create();
    upstream = await UpstreamGlance.prepare(
      {
        directory: path.join(directory, 'old'),
        databaseUrl: database.url,
        imageDirectory: host.path('/var/lib/glance/images'),
      },
      [`metadata_encryption_key = ${key}`],
    );
    await upstream.syncDatabase();
    await writeFile(
      path.join(host.path('/etc/glance'), 'glance-api.conf'),
      await upstream.configuration(),
    );
    await writeFile(
      path.join(host.path('/etc/glance'), 'policy.yaml'),
      '"delete_image": "role:admin"\n',
    );
    await writeFile(
      host.path('/lib/systemd/system/glance-api.service'),
      `[Service]\nExecStart=${PROGRAM} --config-file /etc/glance/glance-api.conf\n`,
    );
    await startsUpstream('systemctl start glance-api');
    await uploaded('first', alice);
    await uploaded('second', alice);
  });

  afterAll(async () => {
    await host.close();
    searchForLeaks('the output of services', host.log);
    for (const unit of ['glance-api', 'glance-registry']) {
      const log = await readFile(host.path(`/var/log/glance/${unit}.log`), 'utf8').catch(() => '');
      searchForLeaks('a log', log);
    }
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  });

  async function startsUpstream(commands: string): Promise<void> {
    const { code, out } = await host.bash(commands);
    expect([code, out]).toEqual([0, '']);
    await upstreamAnswers();
  }

  const upstreamAnswers = () => eventually(() => fetch(`${upstream.url}/v2/`), 60_000);

  /** By whichever service answers at the port: they speak the same API. */
  async function uploaded(name: string, caller: Record<string, string>): Promise<string> {
    const bytes = randomBytes(60_000);
    const { id } = await upstream.call<{ id: string }>('POST', '/images', caller, {
      name,
      disk_format: 'raw',
      container_format: 'bare',
    });
    await upstream.call('PUT', `/images/${id}/file`, caller, bytes);
    images.set(id, bytes);
    return id;
  }

  async function expectImages(): Promise<void> {
    const listed = await upstream.call<{ images: { id: string }[] }>('GET', '/images', alice);
    expect(listed.images.map(({ id }) => id).sort()).toEqual([...images.keys()].sort());
    for (const [id, bytes] of images) {
      expect((await upstream.download(id, alice)).equals(bytes)).toBe(true);
    }
  }

  /** Upstream has no such route. */
  const isOurs = async () => (await fetch(`${upstream.url}/readyz`)).status === 200;

  /** Follows a step. @returns what its commands wrote */
  async function follow(heading: string): Promise<string> {
    let written = '';
    for (const block of guide.take(heading)) written += await host.follow(block);
    return written;
  }

  it('says what has to change, while upstream serves', async () => {
    const said = await follow('1. Ask what to expect');
    expect(said).toMatch(/change +\S*glance-api\.conf:\d+ \[paste_deploy\] flavor: "headers"/);
    expect(said).toMatch(/change .*metadata_encryption_key is read from glance-registry\.conf/);
    await expectImages();
  });

  it('is prepared on a copy, until only notes are left', async () => {
    for (const block of guide.take('2. Configuration and policy')) {
      await host.follow(block);
      if (block.language !== 'ini') continue;
      // What the doctor asked for.
      if (block.info === CONFIGURATION) {
        await host.setOptions(CONFIGURATION, '[paste_deploy]\nflavor = trusted-auth\n');
      } else {
        await host.setOptions(block.info, `[DEFAULT]\nmetadata_encryption_key = ${key}\n`);
      }
    }
    const said = await follow('3. Stores');
    expect(said).toMatch(/note .*stop upstream, back the database up and run/);
    expect(said).toContain('2 of 2 locations that were looked at have their data');
    expect(said).not.toMatch(/^ +change/m);
    await expectImages();
  });

  it('is taken over', async () => {
    const said = await follow('4. Database, and the change-over');
    expect(said).toContain('2 of 2 locations that were looked at have their data');
    expect(await isOurs()).toBe(true);
    await expectImages();
    await uploaded('by ours', alice);
    await uploaded('of bob', bob);
    await expect(
      upstream.call('DELETE', `/images/${[...images.keys()][0]}`, alice),
    ).rejects.toThrow('403');
  });

  it('is rolled back: upstream serves what was made meanwhile', async () => {
    const [bobs] = [...images.keys()].slice(-1);
    const [back, audit] = guide.take('5. Roll back');
    await host.follow(back!);
    await upstreamAnswers();
    expect(await isOurs()).toBe(false);
    const ofBob = images.get(bobs!)!;
    expect((await upstream.download(bobs!, bob)).equals(ofBob)).toBe(true);
    images.delete(bobs!);
    await expectImages();
    await uploaded('by upstream again', alice);

    await follow('4. Database, and the change-over');
    const audited = await host.follow(audit!);
    expect(audited).toMatch(/^alice: .* bytes used .*\nRepaired 1 quota accounts/m);
    expect(await isOurs()).toBe(true);
    await expectImages();
  });

  it('has no step that is not run here', () => {
    expect(guide.untaken({ except: 'nothing' }).filter((each) => /\(\d\. /.test(each))).toEqual([]);
  });
});
