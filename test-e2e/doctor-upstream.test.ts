import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  DATABASES,
  createMysqlDatabase,
  freePorts,
  runProgram,
  runToEnd,
  type DatabaseKind,
} from './support/deployment';
import { doctor, linesOf, snapshot, type DoctorFinding } from './support/doctor';
import { describeWith } from './support/installed';
import { Keystone, describeWithKeystone } from './support/keystone';
import { plantSecret, searchForLeaks } from './support/leak-gate';
import { executeSql } from './support/sql';
import {
  PROGRAM,
  UpstreamGlance,
  callerHeaders,
  type UpstreamPlace,
} from './support/upstream-glance';

jest.setTimeout(180_000);

const alice = callerHeaders('alice');

const describeUpstream = describeWith(
  'upstream (glance-api, python3-pymysql)',
  PROGRAM,
  '--version',
);

describeUpstream.each(DATABASES)('doctor on an upstream Glance with images, on %s', (kind) => {
  let place: UpstreamPlace;
  let dropDatabase: () => Promise<void>;
  let upstream: UpstreamGlance;
  let file: string;
  let registryFile: string;
  const key = plantSecret('the key of the locations', randomBytes(16).toString('hex'));
  const images: Record<string, string> = {};

  async function uploaded(name: string, bytes: Buffer): Promise<string> {
    const body = { name, disk_format: 'raw', container_format: 'bare' };
    const { id } = await upstream.call<{ id: string }>('POST', '/images', alice, body);
    await upstream.call('PUT', `/images/${id}/file`, alice, bytes);
    return id;
  }

  beforeAll(async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-doctor-'));
    const made = await databaseOf(kind, directory);
    dropDatabase = made.drop;
    place = { directory, databaseUrl: made.url, imageDirectory: path.join(directory, 'images') };
    // Upstream does not look at the port; nobody listens there.
    const [registryPort] = await freePorts(1);
    upstream = await UpstreamGlance.prepare(place, [
      `metadata_encryption_key = ${key}`,
      `registry_port = ${registryPort}`,
    ]);
    await upstream.syncDatabase();
    await upstream.start();
    images['one'] = await uploaded('one', randomBytes(300_000));
    images['two'] = await uploaded('two', randomBytes(70));
    images['empty'] = await uploaded('empty', Buffer.alloc(0));
    await upstream.call('POST', '/images', alice, { name: 'queued' });
    const gone = await uploaded('gone', randomBytes(7));
    await upstream.call('DELETE', `/images/${gone}`, alice);
    await upstream.stop();
    file = upstream.configurationFile;
    registryFile = path.join(upstream.configDirectory, 'glance-registry.conf');
  });

  afterAll(async () => {
    await upstream.stop();
    await dropDatabase();
    await rm(place.directory, { recursive: true });
  });

  const blobOf = (name: string) => path.join(place.imageDirectory, images[name]!);

  /** The configuration with one line in place of another, for as long as the work runs. */
  async function withLine<T>(line: RegExp, other: string, work: () => Promise<T>): Promise<T> {
    const before = await readFile(file, 'utf8');
    expect(before).toMatch(line);
    await writeFile(file, before.replace(line, other));
    try {
      return await work();
    } finally {
      await writeFile(file, before);
    }
  }

  const lineOf = async (text: string): Promise<string> => {
    const lines = (await readFile(file, 'utf8')).split('\n');
    return `${file}:${lines.findIndex((line) => line.startsWith(text)) + 1}`;
  };

  it('tells the truth about its configuration, database and images, and writes nothing', async () => {
    const before = await snapshot(place);
    const run = await doctor(file);
    expect(await snapshot(place)).toEqual(before);

    expect(run).toMatchObject({ code: 2, err: '' });
    const connection = await lineOf('connection =');
    expect(linesOf(run, 'change')).toEqual([
      expect.stringMatching(
        /^change \S+ \[paste_deploy\] flavor: "headers" must be one of: keystone,.*the service does not start with it$/,
      ),
      `change ${await lineOf('metadata_encryption_key')} [DEFAULT] metadata_encryption_key: metadata_encryption_key is read from glance-registry.conf: put it there, or no location of an image can be read`,
      `change ${registryFile}: glance-registry needs this file: write it with [database] connection (it stands at ${connection}), and the [service_auth] key of glance-api.conf`,
    ]);
    expect(linesOf(run, 'ignored')).toEqual([
      `ignored ${await lineOf('enforce_secure_rbac')} [DEFAULT] enforce_secure_rbac: [oslo_policy] enforce_new_defaults decides`,
      `ignored ${await lineOf('lock_path')} [oslo_concurrency] lock_path: processes of this service share no lock files`,
      `ignored ${await lineOf('config_file')} [paste_deploy] config_file: pipelines are built in; [paste_deploy] flavor chooses one`,
      `ignored ${path.join(upstream.configDirectory, 'paste.ini')}: is not read: pipelines are built in`,
    ]);
    const about = `${connection} [database] connection`;
    expect(linesOf(run, 'ok')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^ok \S+ \[database\] connection: upstream's tables are at \w+_contract01, which can be adopted$/,
        ),
        `ok ${about}: 4 images: 3 active, 1 queued`,
        `ok ${await lineOf('filesystem_store_datadir')} [glance_store] filesystem_store_datadir: store file, the default: can be opened`,
        'ok 3 locations: 3 at file://, store file',
        `ok ${await lineOf('metadata_encryption_key')} [DEFAULT] metadata_encryption_key: the key decrypts all of the 3 encrypted locations`,
        'ok 3 of 3 locations that were looked at have their data, of the right size',
      ]),
    );
    expect(linesOf(run, 'note')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /\[database\] connection: stop upstream, back the database up and run "glance-manage db sync": it adds tables named registry_\*/,
        ),
        expect.stringMatching(/no glance-registry answers at http:\/\/127\.0\.0\.1:\d+/),
      ]),
    );
    expect(run.out).toMatch(
      /\n\d+ ok, 4 ignored, \d note, 3 change: do not switch before every "change" is made\./,
    );
  });

  it('tells machines the same', async () => {
    const [text, json] = [await doctor(file), await doctor(file, ['--json'])];
    const report = JSON.parse(json.out) as {
      exit_code: number;
      summary: Record<string, number>;
      findings: DoctorFinding[];
    };
    expect([json.code, report.exit_code]).toEqual([2, 2]);
    const asLines = report.findings.map(({ verdict, where, option, text: said }) => {
      const about = [where, option].filter((each) => each !== null).join(' ');
      return `${verdict} ${about === '' ? '' : `${about}: `}${said}`;
    });
    expect(asLines).toEqual(text.lines);
    expect(report.summary).toMatchObject({ change: 3, ignored: 4, failed: 0 });
  });

  it('misses data that was deleted, and data that was cut', async () => {
    await rename(blobOf('one'), `${blobOf('one')}.away`);
    const missing = await doctor(file);
    await rename(`${blobOf('one')}.away`, blobOf('one'));
    expect(linesOf(missing, 'change')).toContain(
      `change image ${images['one']!}: there is no data at file://${blobOf('one')}: restore it, or delete the image, whose downloads fail`,
    );
    expect(linesOf(missing, 'note')).toContain(
      'note 2 of 3 locations that were looked at have their data, of the right size',
    );

    const whole = await readFile(blobOf('two'));
    await truncate(blobOf('two'), 69);
    const cut = await doctor(file);
    await writeFile(blobOf('two'), whole);
    expect(linesOf(cut, 'change')).toContain(
      `change image ${images['two']!}: file://${blobOf('two')} has 69 bytes, the database says 70: downloads are refused; restore the file or delete the image`,
    );
    expect(linesOf(await doctor(file, ['--sample', '0']), 'ok')).not.toContainEqual(
      expect.stringContaining('looked at'),
    );
  });

  it('misses the locations of an image', async () => {
    const set = (deleted: number): Promise<void> =>
      executeSql(
        place,
        `UPDATE image_locations SET deleted = ${deleted} WHERE image_id = '${images['two']!}'`,
      );
    await set(1);
    const lost = await doctor(file);
    // A snapshot of a volume has none.
    const size = (bytes: number): Promise<void> =>
      executeSql(place, `UPDATE images SET size = ${bytes} WHERE id = '${images['two']!}'`);
    await size(0);
    const empty = await doctor(file);
    await Promise.all([set(0), size(70)]);
    expect(linesOf(lost, 'change')).toContain(
      `change 1 active or deactivated images have a size and no location: their data cannot be found; restore their rows of image_locations from a backup, or delete them: ${images['two']!}`,
    );
    expect(empty.out).not.toContain('no location:');
  });

  it('misses the directory of a store', async () => {
    await rename(place.imageDirectory, `${place.imageDirectory}.away`);
    const run = await doctor(file);
    await rename(`${place.imageDirectory}.away`, place.imageDirectory);
    expect(run.code).toBe(2);
    expect(linesOf(run, 'change')).toEqual(
      expect.arrayContaining([
        `change ${await lineOf('filesystem_store_datadir')} [glance_store] filesystem_store_datadir: store file: option filesystem_store_datadir: ${place.imageDirectory} does not exist`,
        expect.stringMatching(
          /^change image \S+: 3 locations at file:\/\/, such as file:\/\/\S+, are in no store that could be opened: repair the stores and look again$/,
        ),
      ]),
    );
  });

  it('finds locations that no store serves, without telling their password', async () => {
    const secret = plantSecret('a password in a location');
    const now = "'2024-01-01 00:00:00'";
    await executeSql(
      place,
      `INSERT INTO image_locations (image_id, value, created_at, deleted, meta_data, status)
       VALUES ('${images['two']!}', 'swift+https://user:${secret}@keystone.example/v3/container/object', ${now}, 0, '{}', 'active')`,
    );
    const run = await doctor(file);
    await executeSql(place, `DELETE FROM image_locations WHERE created_at = ${now}`);
    expect(linesOf(run, 'change')).toContain(
      `change image ${images['two']!}: 1 locations at swift+https://, such as swift+https://***@keystone.example/v3/container/object, are in no store of glance-api.conf: configure the store that they are in`,
    );
    expect(run.out).not.toContain(secret);
  });

  it('tells of images that nobody would go on with', async () => {
    const id = images['two']!;
    await executeSql(place, `UPDATE images SET status = 'saving' WHERE id = '${id}'`);
    const run = await doctor(file);
    await executeSql(place, `UPDATE images SET status = 'active' WHERE id = '${id}'`);
    expect(linesOf(run, 'note')).toContainEqual(
      expect.stringMatching(
        new RegExp(`^note 1 images are saving: let upstream finish .*: ${id} \\(since 20`),
      ),
    );
  });

  it('knows that a key is not the right one', async () => {
    const run = await withLine(
      /^metadata_encryption_key = .*$/m,
      'metadata_encryption_key = ffffffffffffffff',
      () => doctor(file),
    );
    expect(linesOf(run, 'change')).toContainEqual(
      expect.stringMatching(
        /\[DEFAULT\] metadata_encryption_key: 3 locations cannot be decrypted, such as that of image \S+: the key is not the one that they were encrypted with$/,
      ),
    );
  });

  it('goes on when the database cannot be reached', async () => {
    const secret = plantSecret('a wrong password of the database');
    const wrong =
      kind === 'sqlite'
        ? `sqlite:///${place.directory}/none.sqlite`
        : place.databaseUrl.replace(/:[^:@]*@/, `:${secret}@`);
    const run = await withLine(/^connection = .*$/m, `connection = ${wrong}`, () => doctor(file));
    expect(run.code).toBe(2);
    const reason =
      kind === 'sqlite'
        ? `there is no file ${place.directory}/none.sqlite`
        : 'Access denied for user';
    expect(linesOf(run, 'change')).toContainEqual(
      expect.stringMatching(
        new RegExp(`\\[database\\] connection: the database cannot be read: .*${reason}`),
      ),
    );
    expect(linesOf(run, 'ok')).toContainEqual(
      expect.stringContaining('store file, the default: can be opened'),
    );
    expect(run.out).not.toContain(secret);
    expect((await snapshot(place)).files).not.toContainEqual(expect.stringMatching(/^none/));
  });

  it('agrees with upstream’s glance-status where both look', async () => {
    await withLine(
      /^\[oslo_policy\]$/m,
      'owner_is_tenant = False\n[oslo_policy]\npolicy_file = p.yaml',
      async () => {
        await writeFile(path.join(upstream.configDirectory, 'p.yaml'), 'get_images: "role:reader"');
        for (const args of [
          ['upgrade', 'check'],
          ['upgrade', 'check', '--json'],
        ]) {
          const theirs = await runToEnd('/usr/bin/glance-status', ['--config-file', file, ...args]);
          const ours = await runProgram('glance-status', ['--config-file', file, ...args]);
          searchForLeaks('glance-status', ours.out + ours.err);
          expect([ours.code, theirs.code]).toEqual([2, 2]);
          const rows = verdictsIn(ours.out);
          expect(Object.keys(verdictsIn(theirs.out))).toHaveLength(3);
          expect(rows).toMatchObject(verdictsIn(theirs.out));
          expect(rows['Config option owner_is_tenant removal']).toBe('Failure');
        }
      },
    );
    for (const args of [['upgrade'], []]) {
      const theirs = await runToEnd('/usr/bin/glance-status', args);
      const ours = await runProgram('glance-status', args);
      expect([args, ours.code]).toEqual([args, theirs.code]);
    }
  });

  it('is satisfied once what it asked for is done', async () => {
    const serviceKey = plantSecret('a service key', randomBytes(32).toString('hex'));
    const auth = `[service_auth]\nkey = ${serviceKey}\n`;
    await writeFile(
      registryFile,
      `[DEFAULT]\nmetadata_encryption_key = ${key}\n[database]\nconnection = ${place.databaseUrl}\n${auth}`,
      { mode: 0o600 },
    );
    const mine = path.join(upstream.configDirectory, 'own.conf');
    const text = (await readFile(file, 'utf8')).replace(
      'flavor = headers',
      'flavor = trusted-auth',
    );
    await writeFile(mine, `${text}${auth}`, { mode: 0o600 });
    const before = await doctor(mine);
    expect(before).toMatchObject({ code: 1 });
    expect(linesOf(before, 'change')).toEqual([]);
    expect(linesOf(before, 'note')).toContainEqual(
      expect.stringContaining('glance-manage db sync'),
    );

    await runProgram('glance-manage', ['--config-file', registryFile, 'db', 'sync']);
    const after = await doctor(mine);
    expect(linesOf(after, 'ok')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /\[database\] connection: the schema is current \(2024_1_contract01\)$/,
        ),
        'ok 3 of 3 locations that were looked at have their data, of the right size',
      ]),
    );
    expect(linesOf(after, 'note')).not.toContainEqual(expect.stringContaining('db sync'));
  });
});

/** The verdict of each row of a report of upgrade checks, drawn or JSON. */
function verdictsIn(out: string): Record<string, string> {
  const start = out.indexOf('{"name"');
  if (start !== -1) {
    const { checks } = JSON.parse(out.slice(start)) as {
      checks: { check: string; result: number }[];
    };
    const words = ['Success', 'Warning', 'Failure'];
    return Object.fromEntries(checks.map(({ check, result }) => [check, words[result]!]));
  }
  const rows = [...out.matchAll(/^\| Check: (.*?) +\|\n\| Result: (\w+) +\|\n\| Details: /gm)];
  return Object.fromEntries(rows.map(([, check, result]) => [check!, result!]));
}

async function databaseOf(
  kind: DatabaseKind,
  directory: string,
): Promise<{ url: string; drop: () => Promise<void> }> {
  if (kind === 'mysql') return await createMysqlDatabase();
  const url = `sqlite:///${path.join(directory, 'glance.sqlite')}`;
  return { url, drop: () => Promise.resolve() };
}

describeWithKeystone()('doctor with flavor = keystone', () => {
  let keystone: Keystone;
  let directory: string;

  beforeAll(async () => {
    keystone = await Keystone.start();
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-doctor-'));
  });

  afterAll(async () => {
    await keystone.stop();
    await rm(directory, { recursive: true });
  });

  const ask = async (...authtoken: string[]) => {
    const file = path.join(directory, 'glance-api.conf');
    const lines = ['[paste_deploy]', 'flavor = keystone', '[keystone_authtoken]', ...authtoken];
    await writeFile(file, lines.join('\n'), { mode: 0o600 });
    const { lines: said } = await doctor(file);
    return said.filter((line) => line.includes('[keystone_authtoken] auth_url'));
  };

  it('gets a token for the user of the service', async () => {
    expect(await ask(...keystone.authtoken)).toEqual([
      expect.stringMatching(
        /^ok \S+:4 \[keystone_authtoken\] auth_url: http:\S+ gives the user of this service a token$/,
      ),
    ]);
  });

  it('is refused with a wrong password, and told so', async () => {
    const wrong = keystone.authtoken.map((line) =>
      line.replace(/^password = .*/, 'password = wrong-password'),
    );
    expect(await ask(...wrong)).toEqual([
      expect.stringMatching(
        /^change .*no token for the user of this service.*Keystone does not accept the user of this service, or its password/,
      ),
    ]);
  });

  it('does not reach a Keystone that is not there', async () => {
    const away = keystone.authtoken.map((line) =>
      line.replace(/^auth_url = .*/, 'auth_url = http://127.0.0.1:1/v3'),
    );
    expect(await ask(...away)).toEqual([
      expect.stringMatching(/^change .*no token for the user of this service.*ECONNREFUSED/),
    ]);
  });
});
