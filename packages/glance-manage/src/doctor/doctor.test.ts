import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runGlanceManage } from '../run-glance-manage';
import { CHECKS, runCheck } from './checks';
import { exitCodeOf, type Finding, type Verdict } from './finding';
import { textReport } from './report';
import { readSubject, type Subject } from './subject';

describe('doctor', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'doctor-'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  const at = (name: string): string => path.join(directory, name);

  async function fileOf(name: string, ...lines: string[]): Promise<string> {
    await writeFile(at(name), `${lines.join('\n')}\n`, { mode: 0o600 });
    return at(name);
  }

  const subjectOf = (file: string): Subject =>
    readSubject({ argv: ['--config-file', file], env: {}, registryFiles: [], sampleSize: 10 });

  /** What the checks of an area say of a configuration, as the lines that an operator sees. */
  async function linesOf(area: string, file: string): Promise<string[]> {
    const subject = subjectOf(file);
    const findings: Finding[] = [];
    for (const check of CHECKS) {
      if (check.area === area) findings.push(...(await runCheck(check, subject)));
    }
    const lines = textReport([{ area, findings }], { secrets: subject.secrets, asRoot: false });
    return lines
      .filter((line) => line.startsWith('  '))
      .map((line) => line.trim().replace(/ +/, ' ').replaceAll(`${directory}/`, ''));
  }

  it.each<[string, string, string]>([
    ['[DEFAULT]', 'use_syslog = true', 'ignored'],
    ['[DEFAULT]', 'hashing_algorithm = sha512', 'ignored'],
    ['[DEFAULT]', 'hashing_algorithm = sha256', 'note'],
    ['[DEFAULT]', 'allow_additional_image_properties = True', 'ignored'],
    ['[DEFAULT]', 'allow_additional_image_properties = False', 'note'],
    ['[DEFAULT]', 'location_strategy = store_type', 'note'],
    ['[DEFAULT]', 'owner_is_tenant = false', 'change'],
    ['[DEFAULT]', 'owner_is_tenant = true', 'ignored'],
    ['[DEFAULT]', 'image_cache_driver = sqlite', 'ignored'],
    ['[DEFAULT]', 'transport_url = rabbit://u:a-password@host/', 'note'],
    ['[glance_store]', 'vmware_datastores = a', 'ignored'],
    ['[glance_store]', 'filesystem_store_thread_pool_size = 3', 'ignored'],
    ['[keystone_authtoken]', 'auth_section = other', 'change'],
    ['[keystone_authtoken]', 'memcache_secret_key = a-password', 'ignored'],
    ['[oslo_policy]', 'remote_ssl_ca_crt_file = /a', 'ignored'],
    ['[healthcheck]', 'disable_by_file_paths = 9292:/a', 'note'],
    ['[store_type_location_strategy]', 'store_type_preference = rbd', 'note'],
    ['[database]', 'max_retries = 3', 'ignored'],
    ['[database]', 'max_pool_size = 3', 'note'],
    ['[profiler]', 'hmac_keys = a-password', 'ignored'],
    ['[cors.other]', 'allowed_origin = https://a', 'note'],
    ['[invented]', 'what = a-password', 'note'],
  ])('knows what %s %s is', async (section, line, verdict) => {
    const file = await fileOf('glance-api.conf', '[DEFAULT]', 'bind_host = ::1', section, line);
    const name = line.split(' ')[0];
    const lines = await linesOf('glance-api.conf', file);
    expect(lines.filter((each) => each.includes(` ${section} ${name}:`))).toEqual([
      expect.stringMatching(new RegExp(`^${verdict} glance-api\\.conf:4 `)),
    ]);
    expect(lines.join('\n')).not.toContain('a-password');
  });

  it('takes options of stores with names for what they are', async () => {
    const file = await fileOf(
      'glance-api.conf',
      '[DEFAULT]',
      'bind_host = ::1',
      'enabled_backends = fast:file,slow:file',
      '[glance_store]',
      'default_backend = fast',
      '[fast]',
      `filesystem_store_datadir = ${at('fast')}`,
      '[slow]',
      `filesystem_store_datadir = ${at('slow')}`,
      'filesystem_store_datadri = typo',
    );
    await mkdir(at('fast'));
    expect((await linesOf('glance-api.conf', file)).slice(1)).toEqual([
      expect.stringMatching(/^note glance-api\.conf:10 \[slow\] filesystem_store_datadri: /),
    ]);
    expect(await linesOf('Stores', file)).toEqual([
      'ok glance-api.conf:7 [fast] filesystem_store_datadir: store fast (file), the default: can be opened',
      'change glance-api.conf:9 [slow] filesystem_store_datadir: store slow: option filesystem_store_datadir: slow does not exist',
    ]);
  });

  it('misses filters of a pipeline of an operator’s own', async () => {
    const file = await fileOf('glance-api.conf', '[paste_deploy]', 'flavor = keystone');
    await fileOf(
      'glance-api-paste.ini',
      '[pipeline:glance-api]',
      'pipeline = other app',
      '[pipeline:glance-api-keystone]',
      'pipeline = cors authtoken audit context rootapp',
    );
    expect(await linesOf('glance-api-paste.ini', file)).toEqual([
      'ignored glance-api-paste.ini: is not read: pipelines are built in',
      'note glance-api-paste.ini:4 [pipeline:glance-api-keystone] pipeline: the filter audit of this pipeline does not run here: put what it does into a proxy in front',
    ]);
  });

  describe('compares both configurations', () => {
    const KEY = 'k'.repeat(40);
    const connection = 'connection = mysql+pymysql://glance:the-password@db/glance';

    it.each<[string, string[], string[] | undefined, string[]]>([
      [
        'no file of the registry',
        ['[database]', connection],
        undefined,
        [
          'change glance-registry.conf: glance-registry needs this file: write it with [database] connection (it stands at glance-api.conf:2), and the [service_auth] key of glance-api.conf',
          'note glance-api.conf [service_auth] key: no key is set: both services must run on one host; openssl rand -hex 32 makes one, which both files must have',
        ],
      ],
      [
        'a database that only upstream’s file names',
        ['[database]', connection, '[service_auth]', `key = ${KEY}`],
        ['[service_auth]', `key = ${KEY}`],
        [
          'change glance-registry.conf [database] connection: glance-registry does not start without it; copy it from glance-api.conf:2',
          'ok glance-api.conf [service_auth] key: both files have the same key',
        ],
      ],
      [
        'another database',
        ['[database]', connection, '[service_auth]', `key = ${KEY}`],
        ['[database]', `${connection}_2`, '[service_auth]', `key = ${'o'.repeat(40)},${KEY}`],
        [
          'note glance-api.conf:2 [database] connection: glance-registry.conf names another database, and that one is used',
          'ok glance-api.conf [service_auth] key: both files have the same key',
        ],
      ],
      [
        'a key of one side only, and one that is too short',
        ['[service_auth]', 'key = short'],
        ['[database]', connection, '[service_auth]', `key = ${KEY}`, '[other]', 'a = b'],
        [
          'ignored glance-registry.conf:6 [other] a: glance-registry does not use it',
          'change glance-api.conf [service_auth] key: [service_auth] key must have at least 32 characters in each key',
        ],
      ],
      [
        'a registry that everybody could ask',
        [],
        ['[DEFAULT]', 'bind_host = 0.0.0.0', '[database]', connection],
        [
          'change bind_host = 0.0.0.0 is reachable from other hosts: set [service_auth] key or key_file, or cert_file, key_file and ca_file for client certificates: glance-registry does not start with it',
          'note glance-api.conf [service_auth] key: no key is set: both services must run on one host; openssl rand -hex 32 makes one, which both files must have',
        ],
      ],
    ])('%s', async (_what, api, registry, expected) => {
      const file = await fileOf('glance-api.conf', ...api);
      if (registry !== undefined) await fileOf('glance-registry.conf', ...registry);
      const lines = await linesOf('glance-registry.conf', file);
      expect(lines.filter((line) => !/: read, \d+ options are set$/.test(line))).toEqual(expected);
      expect(lines.join('\n')).not.toContain('the-password');
    });

    it.each([
      [undefined, /^change .*is read from glance-registry\.conf: put it there/],
      ['another-key-1234', /^change .*glance-registry\.conf has another key/],
      ['the-key-of-them1', /^ignored .*glance-registry\.conf has the same key/],
    ])('the key of the locations with %j', async (own, expected) => {
      const line = 'metadata_encryption_key = the-key-of-them1';
      const file = await fileOf('glance-api.conf', '[DEFAULT]', 'bind_host = ::1', line);
      if (own !== undefined) {
        await fileOf('glance-registry.conf', '[DEFAULT]', `metadata_encryption_key = ${own}`);
      }
      const lines = await linesOf('glance-api.conf', file);
      expect(lines.filter((each) => each.includes('metadata_encryption_key'))).toEqual([
        expect.stringMatching(expected),
      ]);
    });
  });

  it('looks at a database without a table, and at one of a release that nobody knows', async () => {
    const connection = `connection = sqlite:///${at('db.sqlite')}`;
    const file = await fileOf('glance-api.conf', '[database]', connection);
    await writeFile(at('db.sqlite'), '');
    expect(await linesOf('Database', file)).toEqual([
      expect.stringMatching(/^note .*SQLite 3\S+ is for one host/),
      expect.stringMatching(/^note .*the database is empty: run "glance-manage db sync"$/),
    ]);
    await writeFile(at('db.sqlite'), 'no database at all '.repeat(100));
    expect(await linesOf('Database', file)).toEqual([
      expect.stringMatching(
        /^change glance-api\.conf:2 \[database\] connection: the database cannot be read: .*not a database/,
      ),
    ]);
  });

  it('looks at the directories of the host', async () => {
    await mkdir(at('open'));
    await chmod(at('open'), 0o777);
    const file = await fileOf(
      'glance-api.conf',
      '[DEFAULT]',
      `node_staging_uri = file://${at('open')}`,
      `image_cache_dir = ${at('cache')}`,
      'image_cache_max_size = 8000TB',
      `log_dir = ${at('no/logs')}`,
      '[image_import_opts]',
      'image_import_plugins = what',
      '[keystone_authtoken]',
      'password = of-the-service',
    );
    await chmod(file, 0o644);
    const lines = await linesOf('This host', file);
    expect(lines).toEqual([
      'note glance-api.conf: has passwords or keys, and everybody on this host may read it: chmod o-r',
      'change glance-api.conf:2 [DEFAULT] node_staging_uri: everybody may write to open: run chmod o-w on it',
      'ok [task] work_dir: The work area open/.work is made when it is needed',
      'ok glance-api.conf:3 [DEFAULT] image_cache_dir: The image cache cache is made when it is needed',
      expect.stringMatching(
        /^note glance-api\.conf:3 \[DEFAULT\] image_cache_dir: image_cache_max_size is 8192000\.0 GiB, and the file system has .*: say less$/,
      ),
      expect.stringMatching(
        /^change glance-api\.conf:5 \[DEFAULT\] log_dir: the log no\/logs\/glance-api\.log cannot be written: ENOENT/,
      ),
      expect.stringMatching(
        /^change glance-api\.conf:7 \[image_import_opts\] image_import_plugins: .*this release has no what/,
      ),
    ]);
  });

  it('goes on when a check fails, and says so', async () => {
    const failing = { area: 'x', run: () => Promise.reject(new Error('by accident')) };
    const found = await runCheck(failing, subjectOf(await fileOf('glance-api.conf')));
    expect(found).toEqual([
      { verdict: 'failed', text: 'this could not be looked at: by accident' },
    ]);
    expect(exitCodeOf(found)).toBe(255);
  });

  it.each<[Verdict[], number]>([
    [['ok', 'ignored'], 0],
    [['ok', 'note'], 1],
    [['note', 'change'], 2],
    [['change', 'failed'], 255],
  ])('ends after %j with %i', (verdicts, code) => {
    expect(exitCodeOf(verdicts.map((verdict) => ({ verdict, text: '' })))).toBe(code);
  });

  it('says that it found no configuration', async () => {
    const out: string[] = [];
    const code = await runGlanceManage({
      argv: ['doctor'],
      env: {},
      defaultFiles: [],
      print: (line) => out.push(line),
      printError: (line) => out.push(line),
      isTerminal: false,
    });
    expect(code).toBe(2);
    expect(out).toContainEqual(
      expect.stringMatching(
        /^ {2}change {3}.*there is no configuration file of glance-api: name it by --config-file$/,
      ),
    );
  });
});
