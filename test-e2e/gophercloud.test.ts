import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Deployment } from './support/deployment';
import { GophercloudClient, describeWithGophercloud } from './support/gophercloud';
import { ImageSource } from './support/image-source';
import { describeWithAll } from './support/installed';
import { Keystone, describeWithKeystone, type Login } from './support/keystone';

jest.setTimeout(300_000);

const ALICE: Login = { user: 'alice', project: 'red' };
const BOB: Login = { user: 'bob', project: 'blue' };
const ADMIN: Login = { user: 'admin', project: 'admin' };

const describeAll = describeWithAll(describeWithGophercloud(), describeWithKeystone());

describeAll('gophercloud, unmodified', () => {
  let client: GophercloudClient;
  let keystone: Keystone;
  let source: ImageSource;
  let deployment: Deployment;
  let directory: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-gophercloud-stores-'));
    const building = GophercloudClient.build();
    const data = randomBytes(100_000);
    source = await ImageSource.start(data);
    keystone = await Keystone.start();
    await keystone.addUser(ALICE, 'member');
    await keystone.addUser(BOB, 'member');
    environment = {
      SOURCE: source.url,
      SOURCE_FILE: path.join(directory, 'source.raw'),
      PROJECT_ID: await keystone.projectId('red'),
      OTHER_PROJECT_ID: await keystone.projectId('blue'),
    };
    await writeFile(environment['SOURCE_FILE']!, data);
    deployment = await Deployment.start({
      database: 'mysql',
      flavor: 'keystone',
      api: {
        DEFAULT: [
          'enabled_backends = fast:file, cheap:file, web:http',
          'enabled_import_methods = [glance-direct,web-download]',
        ],
        glance_store: ['default_backend = fast'],
        fast: [`filesystem_store_datadir = ${directory}/fast`],
        cheap: [`filesystem_store_datadir = ${directory}/cheap`],
        web: source.storeOptions.slice(1),
        import_filtering_opts: [`allowed_ports = [80,${source.port}]`],
        keystone_authtoken: keystone.authtoken,
      },
    });
    await keystone.setImageEndpoint(deployment.apiUrl);
    client = await building;
  }, 240_000);

  afterAll(async () => {
    await deployment.stop();
    await source.close();
    await keystone.stop();
    await client.remove();
    await rm(directory, { recursive: true });
  });

  it.each([
    ['creates, uploads, downloads and deletes', 'lifecycle', ALICE],
    ['stages and imports, and has images fetched', 'imports', ALICE],
    ['lists page by page, in order and with every filter it has', 'lists', ALICE],
    ['changes by every patch it has', 'changes', ALICE],
    ['shares, accepts and takes back', 'members', ALICE],
    ['knows every refusal by its type', 'errors', ALICE],
    ['runs and lists tasks', 'tasks', ADMIN],
  ])('%s', async (_, scenario, login) => {
    const passed = await client.run(scenario, [BOB.user, BOB.project!], {
      ...environment,
      ...keystone.environment(login),
    });
    expect(passed).toContain('passed');
  });
});
