import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import os from 'node:os';
import path from 'node:path';
import { Deployment } from './support/deployment';
import { ImageSource } from './support/image-source';
import { Keystone, describeWithKeystone, type Login } from './support/keystone';
import { describeWithTempest, runTempest } from './support/tempest';

jest.setTimeout(9_000_000);

const ADMIN: Login = { user: 'admin', project: 'admin' };
const RBAC = 'glance_tempest_plugin.tests.rbac.v2';

/** Its tests ask that nobody else reads images meanwhile. */
const CACHING = ['tempest.api.image.v2.admin.test_image_caching'];


describeWithTempest();
describeWithKeystone()('the tests of Tempest, unmodified', () => {
  let keystone: Keystone;
  let source: ImageSource;
  let directory: string;
  let deployment: Deployment;

  beforeAll(async () => {
    keystone = await Keystone.start();
    source = await ImageSource.start(readFileSync('/tmp/tp/tiny.qcow2'));
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


  it('stays', async () => {
    writeFileSync('/tmp/stay-env.json', JSON.stringify({ url: keystone.url, apis: deployment.apiUrls, password: keystone.environment(ADMIN)['OS_PASSWORD'], source: source.url, dir: deployment.directory, db: deployment.databaseUrl, stores: directory }));
    while (!existsSync('/tmp/stay-stop')) await pause(500);
    writeFileSync('/tmp/stay-logs', deployment.logs());
  });
});
