import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment, stopService } from './support/deployment';
import { doctor, linesOf, snapshot, type DoctorRun } from './support/doctor';
import { plantSecret } from './support/leak-gate';

jest.setTimeout(120_000);

describe.each(DATABASES)('doctor on a deployment of ours on %s', (database) => {
  let deployment: Deployment;
  let apiFile: string;
  let registryFile: string;

  beforeAll(async () => {
    deployment = await Deployment.start({ database, flavor: 'trusted-auth' });
    apiFile = path.join(deployment.directory, 'api-0.conf');
    registryFile = path.join(deployment.directory, 'registry-0.conf');
    for (const body of ['first', 'second']) {
      const made = await fetch(`${deployment.apiUrl}/v1/images`, {
        method: 'POST',
        headers: {
          'x-identity-status': 'Confirmed',
          'x-user-id': 'alice',
          'x-tenant-id': 'alice',
          'x-roles': 'member,reader',
          'content-type': 'application/octet-stream',
          'x-image-meta-name': body,
          'x-image-meta-disk_format': 'raw',
          'x-image-meta-container_format': 'bare',
        },
        body,
      });
      expect(made.status).toBe(201);
    }
  });

  afterAll(() => deployment.stop());

  const examine = (file = apiFile, ...args: string[]): Promise<DoctorRun> =>
    doctor(file, ['--registry-config-file', registryFile, ...args]);

  let variants = 0;
  /** A copy of the configuration of the api, with other lines in a directory of its own. */
  async function variant(change: (text: string) => string): Promise<string> {
    variants += 1;
    const directory = path.join(deployment.directory, `variant-${variants}`);
    await mkdir(directory);
    const file = path.join(directory, 'glance-api.conf');
    await writeFile(file, change(await readFile(apiFile, 'utf8')), { mode: 0o600 });
    return file;
  }

  const lineIn = async (file: string, start: string): Promise<string> => {
    const lines = (await readFile(file, 'utf8')).split('\n');
    return `${file}:${lines.findIndex((line) => line.startsWith(start)) + 1}`;
  };

  it('finds nothing to change', async () => {
    const run = await examine();
    const connection = `${await lineIn(registryFile, 'connection')} [database] connection`;
    expect(linesOf(run, 'note')).toEqual(
      database === 'sqlite' ? [expect.stringContaining(`note ${connection}: SQLite `)] : [],
    );
    expect([...linesOf(run, 'change'), ...linesOf(run, 'failed')]).toEqual([]);
    expect(run.code).toBe(database === 'sqlite' ? 1 : 0);
    expect(linesOf(run, 'ok')).toEqual(
      expect.arrayContaining([
        `ok ${apiFile} [service_auth] key: both files have the same key`,
        `ok ${connection}: the schema is current (2024_1_contract01)`,
        `ok ${connection}: 2 images: 2 active`,
        'ok 2 of 2 locations that were looked at have their data, of the right size',
        expect.stringMatching(
          /^ok \S+ \[DEFAULT\] registry_host: glance-registry \(release \S+\) answers at http:\/\/127/,
        ),
      ]),
    );
  });

  it.each([
    [
      'an option that is not known',
      (text: string) => text.replace('workers = 1', 'workers = 1\nworkrs = 2'),
      'note FILE:workrs [DEFAULT] workrs: there is no such option, here or upstream, and it has no effect; did you mean "workers"?',
    ],
    [
      'a section that is not known',
      (text: string) => `${text}[galnce_store]\nstores = rbd\n`,
      'note FILE:stores [galnce_store] stores: there is no such section, here or upstream, and it has no effect; did you mean "glance_store"?',
    ],
    [
      'a value that is none',
      (text: string) => text.replace('workers = 1', 'workers = many'),
      'change FILE:workers [DEFAULT] workers: "many" must be an integer from 0 to 256: the service does not start with it',
    ],
    [
      'a syntax error of the file',
      (text: string) => `${text}what is this\n`,
      'change FILE:what: expected "name = value", found "what is this": the service does not start with it',
    ],
    [
      'notifications in the file of the other service',
      (text: string) => `${text}[oslo_messaging_notifications]\ndriver = messagingv2\n`,
      'note FILE:driver [oslo_messaging_notifications] driver: glance-registry has this option: put it into glance-registry.conf',
    ],
    [
      'a kind of store that there is not',
      (text: string) => text.replace('[glance_store]', '[glance_store]\nstores = file,cinder'),
      'change FILE:stores [glance_store] stores: [glance_store] stores: this release has no cinder store; images in it are not served: copy them into another store first',
    ],
    [
      'a registry that is not there',
      (text: string) => text.replace(/^registry_port = .*$/m, 'registry_port = 1'),
      'note FILE:registry_port [DEFAULT] registry_host: no glance-registry answers at http://127.0.0.1:1: start one, then glance-api',
    ],
    [
      'the one of two registries that is not there',
      (text: string) => text.replace(/^registry_port/m, 'registry_host = 127.0.0.1,127.0.0.9\n$&'),
      'note FILE:registry_host [DEFAULT] registry_host: no glance-registry answers at http://127.0.0.9:',
    ],
    [
      'a Keystone that is not there',
      (text: string) =>
        `${text.replace('flavor = trusted-auth', 'flavor = keystone')}[keystone_authtoken]\nauth_url = http://127.0.0.1:1\nusername = glance\npassword = ${plantSecret('a password of the user glance')}\nproject_name = service\n`,
      'change FILE:auth_url [keystone_authtoken] auth_url: no token for the user of this service, so every request of users would be refused: ',
    ],
    [
      'what would expose the service',
      (text: string) => text.replace('bind_host = 127.0.0.1', 'bind_host = 0.0.0.0'),
      'change [paste_deploy] flavor = trusted-auth believes the identity headers of everybody who reaches 0.0.0.0: ',
    ],
  ])('sees %s, and all the rest', async (_what, change, line) => {
    const file = await variant(change);
    const run = await examine(file);
    const [, start] = /FILE:(\w+)/.exec(line) ?? [];
    const expected =
      start === undefined ? line : line.replace(/FILE:\w+/, await lineIn(file, start));
    const verdict = line.startsWith('note') ? 'note' : 'change';
    expect(linesOf(run, verdict).map((each) => each.slice(0, expected.length))).toContain(expected);
    expect(run.code).toBe(verdict === 'note' ? 1 : 2);
    expect(run.err).toBe('');
    // What does not depend on it is looked at all the same.
    expect(linesOf(run, 'ok')).toContain(
      'ok 2 of 2 locations that were looked at have their data, of the right size',
    );
  });

  it('sees another service key, which the registry does not take', async () => {
    const other = plantSecret('another service key', 'k'.repeat(40));
    const file = await variant((text) => text.replace(/^key = .*$/m, `key = ${other}`));
    const run = await examine(file);
    expect(linesOf(run, 'change')).toEqual([
      `change ${file} [service_auth] key: glance-registry.conf does not have the key that stands first here`,
      expect.stringMatching(
        /^change \S+ \[DEFAULT\] registry_host: glance-registry at http\S+ does not take this service: /,
      ),
    ]);
  });

  it('sees mistakes in the files of rules beside the configuration', async () => {
    const file = await variant((text) =>
      text.replace('[DEFAULT]', '[DEFAULT]\nproperty_protection_file = protections.conf'),
    );
    const beside = (name: string) => path.join(path.dirname(file), name);
    await writeFile(beside('policy.yaml'), '"get_images": "role:reader or"\n');
    await writeFile(beside('protections.conf'), '[.*]\ncreate = admin\nread = @\nupdate = admin\n');
    await writeFile(beside('schema-image.json'), '{"arch": 1}');
    const run = await examine(file);
    expect(linesOf(run, 'change')).toEqual([
      expect.stringMatching(
        /^change \S+policy\.yaml:1: rule "get_images" at character \d+: a check is missing\S*.*: glance-api does not start with it$/,
      ),
      expect.stringMatching(
        /^change \S*protections\.conf:1: .*delete.*: glance-api does not start with it$/,
      ),
      expect.stringMatching(
        /^change \S+schema-image\.json: 'arch' has no JSON schema: glance-api does not start with it$/,
      ),
    ]);
  });

  it('has usage errors of its own, and help', async () => {
    for (const args of [['--sample', 'all'], ['--sampel=3'], ['now']]) {
      expect([args, (await examine(apiFile, ...args)).code]).toEqual([args, 2]);
    }
    const help = await examine(apiFile, '--help');
    expect([help.code, help.out]).toEqual([
      0,
      expect.stringMatching(/Exit codes: 0 nothing is in the way; 1 .*; 2 .*; 255 /s),
    ]);
  });

  it('writes nothing into database, stores and files', async () => {
    for (const service of [...deployment.apis, ...deployment.registries])
      await stopService(service);
    const before = await snapshot(deployment);
    const run = await examine();
    expect(linesOf(run, 'ok')).toContainEqual(expect.stringContaining('2 images: 2 active'));
    expect(await snapshot(deployment)).toEqual(before);
  });
});
