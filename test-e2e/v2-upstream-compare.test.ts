import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Deployment, ROOT } from './support/deployment';
import { describeWith } from './support/installed';
import { Side, compare } from './support/side-by-side';
import { PROGRAM, UpstreamGlance } from './support/upstream-glance';
import * as data from './v2-requests/data';
import * as images from './v2-requests/images';
import { imports } from './v2-requests/imports';
import * as lists from './v2-requests/lists';
import * as metadefs from './v2-requests/metadefs';
import * as patches from './v2-requests/patches';
import * as protocol from './v2-requests/protocol';
import * as sharing from './v2-requests/sharing';

jest.setTimeout(180_000);

const SCHEMA_FILE = path.join(ROOT, 'deploy/etc/schema-image.json');
const QUOTAS = ['image_member_quota = 10', 'image_property_quota = 10', 'image_tag_quota = 10'];

const IMPORTS = 'enabled_import_methods = [glance-direct,web-download,copy-image]';

const describeCompared = describeWith('upstream (glance-api)', PROGRAM, '--version');

/** Both are given the same requests, each with a database and a store of its own. */
describeCompared('API v2 of ours and of upstream', () => {
  let directory: string;
  let deployment: Deployment | undefined;
  let upstream: UpstreamGlance | undefined;
  let sides: [Side, Side];

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-upstream-'));
    [deployment, upstream] = await Promise.all([
      Deployment.start({
        database: 'sqlite',
        flavor: 'trusted-auth',
        api: { DEFAULT: [...QUOTAS, IMPORTS, 'enable_v1_api = false'] },
        beforeSync: ({ directory }) =>
          copyFile(SCHEMA_FILE, path.join(directory, 'schema-image.json')),
      }),
      startUpstream(directory),
    ]);
    sides = [new Side(deployment.apiUrl), new Side(upstream.url)];
  });

  afterAll(async () => {
    await upstream?.stop();
    await deployment?.stop();
    await rm(directory, { recursive: true });
  });

  it.each([
    ['lists', lists.listContents],
    ['filters of lists', lists.listFilters],
    ['pages and orders of lists', lists.listPages],
    ['creations that are refused', images.createRefused],
    ['creations', images.created],
    ['what others see and may do', images.access],
    ['forms of patches', patches.patchForms],
    ['pointers in patches', patches.patchPointers],
    ['operations of patches', patches.patchOperations],
    ['members', sharing.members],
    ['tags', sharing.tags],
    ['uploads', data.uploads],
    ['downloads', data.downloads],
    ['imports', imports],
    ['actions', data.actions],
    ['namespaces of metadata definitions', metadefs.namespaces],
    ['bodies of namespaces', metadefs.namespaceBodies],
    ['what namespaces hold', metadefs.items],
    ['tags of namespaces', metadefs.tags],
    ['bodies of what namespaces hold', metadefs.itemBodies],
    ['methods and schemas of metadata definitions', metadefs.protocol],
    ['methods and paths', protocol.routes],
    ['bodies of errors', protocol.errorBodies],
    ['schemas, versions, discovery', protocol.discovery],
  ])('are the same: %s', async (_name, steps) => {
    expect(await compare(...sides, steps)).toEqual([]);
  });
});

async function startUpstream(directory: string): Promise<UpstreamGlance> {
  const imageDirectory = path.join(directory, 'images');
  await mkdir(imageDirectory, { recursive: true });
  const upstream = await UpstreamGlance.prepare(
    {
      directory,
      databaseUrl: `sqlite:///${path.join(directory, 'glance.sqlite')}`,
      imageDirectory,
    },
    [...QUOTAS, IMPORTS],
  );
  await copyFile(SCHEMA_FILE, path.join(upstream.configDirectory, 'schema-image.json'));
  await upstream.syncDatabase();
  await upstream.start();
  return upstream;
}
