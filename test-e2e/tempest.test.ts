import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Deployment } from './support/deployment';
import { ImageSource } from './support/image-source';
import { describeWithAll } from './support/installed';
import { Keystone, describeWithKeystone, type Login } from './support/keystone';
import { describeWithTempest, runTempest } from './support/tempest';

jest.setTimeout(600_000);

const ADMIN: Login = { user: 'admin', project: 'admin' };
const RBAC = 'glance_tempest_plugin.tests.rbac.v2';

/** Its tests ask that nobody else reads images meanwhile. */
const CACHING = ['tempest.api.image.v2.admin.test_image_caching'];

/** The others, by processes that run at the same time, and how many tests they are at least. */
const OTHERS: [tests: string[], atLeast: number][] = [
  [
    [
      'tempest.api.image.v1.test_image_members',
      'tempest.api.image.v1.test_image_members_negative',
      'tempest.api.image.v1.test_images',
      'tempest.api.image.v1.test_images_negative',
      'tempest.api.image.v2.admin.test_images',
      'tempest.api.image.v2.admin.test_images_metadefs_namespace_objects',
      'tempest.api.image.v2.admin.test_images_metadefs_namespace_properties',
      'tempest.api.image.v2.admin.test_images_metadefs_namespace_tags',
      'tempest.api.image.v2.admin.test_images_metadefs_namespaces',
      'tempest.api.image.v2.admin.test_images_metadefs_resource_types',
    ],
    24 + 9,
  ],
  [
    [
      'tempest.api.image.v2.test_images',
      'tempest.api.image.v2.test_images_member',
      'tempest.api.image.v2.test_images_member_negative',
      'tempest.api.image.v2.test_images_metadefs_schema',
      'tempest.api.image.v2.test_images_negative',
      'tempest.api.image.v2.test_images_tags',
      'tempest.api.image.v2.test_images_tags_negative',
      'tempest.api.image.v2.test_versions',
    ],
    60,
  ],
  [[`${RBAC}.test_project_admin_tests`], 30],
  [[`${RBAC}.test_project_members_tests`], 30],
  [[`${RBAC}.test_project_reader_tests`], 30],
];

const describeAll = describeWithAll(describeWithTempest(), describeWithKeystone());

describeAll('the tests of Tempest, unmodified', () => {
  let keystone: Keystone;
  let source: ImageSource;
  let directory: string;
  let deployment: Deployment;

  beforeAll(async () => {
    keystone = await Keystone.start();
    source = await ImageSource.start(randomBytes(100_000));
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-tempest-stores-'));
    const policy = path.join(directory, 'policy.yaml');
    // By default administrators alone may, and one of the tests does as a member.
    await writeFile(policy, '"delete_image_location": "role:member"\n');
    deployment = await Deployment.start({
      database: 'mysql',
      nodes: 2,
      flavor: 'keystone+cachemanagement',
      api: {
        DEFAULT: [
          // In the order of their names, in which the tests expect the stores of an image.
          'enabled_backends = cheap:file, fast:file, web:http',
          'enabled_import_methods = [glance-direct,web-download,copy-image,glance-download]',
          'show_image_direct_url = true',
          'show_multiple_locations = true',
          `image_cache_dir = ${directory}/cache`,
        ],
        oslo_policy: [`policy_file = ${policy}`],
        glance_store: ['default_backend = fast'],
        fast: [`filesystem_store_datadir = ${directory}/fast`],
        cheap: [`filesystem_store_datadir = ${directory}/cheap`],
        web: source.storeOptions.slice(1),
        // Of the source, and of the service itself, which glance-download reads from.
        import_filtering_opts: ['allowed_ports = []'],
        keystone_authtoken: keystone.authtoken,
      },
    });
    await deployment.manage('db_load_metadefs', '/etc/glance/metadefs');
    await keystone.setImageEndpoint(deployment.apiUrls[0]!);
    // For what is staged at one node and imported or deleted at another.
    await keystone.setImageEndpoint(deployment.apiUrls[1]!, 'RegionOne', 'image_remote');
    await keystone.addUser({ user: 'someone', project: 'some' }, 'member', 'reader');
  }, 120_000);

  afterAll(async () => {
    await deployment.stop();
    await rm(directory, { recursive: true });
    await source.close();
    await keystone.stop();
  });

  /** None fails, none is skipped. */
  async function pass(tests: string[], atLeast: number): Promise<void> {
    const { OS_PASSWORD: password } = keystone.environment(ADMIN);
    const outcomes = await runTempest(tests, {
      auth: [
        'use_dynamic_credentials = true',
        'create_isolated_networks = false',
        ...['admin_username = admin', 'admin_project_name = admin', 'admin_domain_name = Default'],
        `admin_password = ${password}`,
      ],
      identity: [`uri_v3 = ${keystone.url}`, 'auth_version = v3', 'region = RegionOne'],
      service_available: [
        'glance = true',
        ...['nova', 'neutron', 'cinder', 'swift'].map((other) => `${other} = false`),
      ],
      image: [
        `http_image = ${source.url}`,
        'image_caching_enabled = true',
        'alternate_image_endpoint = image_remote',
      ],
      'image-feature-enabled': [
        ...['api_v1', 'api_v2', 'import_image', 'os_glance_reserved', 'manage_locations'],
      ].map((feature) => `${feature} = true`),
      enforce_scope: ['glance = true'],
    });
    expect(outcomes.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
    expect(outcomes.length).toBeGreaterThanOrEqual(atLeast);
  }

  it('pass where they are about the cache', async () => {
    await pass(CACHING, 1);
  });

  it('pass where they are about API v1 and v2 and about the rights of three roles', async () => {
    const runs = OTHERS.map(([tests, atLeast]) => pass(tests, atLeast));
    const ended = await Promise.allSettled(runs);
    expect(ended.filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  it('leave no data but of the images that they leave', async () => {
    const token = await keystone.token(ADMIN);
    const answer = await fetch(`${deployment.apiUrl}/v2/images?limit=1000&visibility=all`, {
      headers: { 'x-auth-token': token, accept: 'application/json' },
    });
    const { images } = (await answer.json()) as { images: { id: string }[] };
    const kept = new Set(images.map(({ id }) => id));
    for (const store of ['fast', 'cheap']) {
      const files = await readdir(path.join(directory, store));
      const left = files.filter((name) => !name.startsWith('.') && !kept.has(name.slice(0, 36)));
      expect([store, left]).toEqual([store, []]);
    }
  });
});
