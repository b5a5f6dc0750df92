import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { check } from './support/checker';
import { DATABASES, Deployment, imagesOf, stopService } from './support/deployment';
import { describeWith } from './support/installed';
import { PROGRAM, UpstreamGlance, callerHeaders } from './support/upstream-glance';

jest.setTimeout(180_000);

const alice = callerHeaders('alice');
const bob = callerHeaders('bob');
const admin = callerHeaders('ops', 'admin,member,reader');

interface V2Image {
  id: string;
  status: string;
  [field: string]: unknown;
}

/** A file of metadata definitions. */
const DEFINITIONS = {
  namespace: 'OS::Taken::Over',
  display_name: 'Taken over',
  description: 'Naïve ☃',
  visibility: 'public',
  protected: true,
  owner: 'alice',
  resource_type_associations: [
    { name: 'OS::Glance::Image', prefix: 'hw_', properties_target: null },
  ],
  properties: { cores: { title: 'Cœurs', type: 'integer', minimum: 1, default: 4 } },
  objects: [
    { name: 'CPU', description: 'd', properties: { cores: { title: 'Cores', type: 'integer' } } },
  ],
  tags: [{ name: 'one' }, { name: 'two' }],
};
const BARE = { name: 'bare', description: null };

const describeTakeover = describeWith(
  'upstream (glance-api, python3-pymysql)',
  PROGRAM,
  '--version',
);

describeTakeover.each(DATABASES)('a deployment of upstream on %s', (database) => {
  let deployment: Deployment;
  let upstream: UpstreamGlance;
  const data = new Map<string, Buffer>();

  /** By upstream: an image with data, as a user of it makes one. */
  async function uploaded(headers: Record<string, string>, fields: object, bytes: Buffer) {
    const image = await upstream.call<V2Image>('POST', '/images', headers, {
      disk_format: 'raw',
      container_format: 'bare',
      ...fields,
    });
    await upstream.call('PUT', `/images/${image.id}/file`, headers, bytes);
    data.set(image.id, bytes);
    return image.id;
  }

  const images: Record<string, string> = {};

  async function fillByUpstream(): Promise<void> {
    images['private'] = await uploaded(
      alice,
      { name: 'privé ✓', min_disk: 3, min_ram: 512, os_distro: 'debian', tags: ['a', 'b'] },
      randomBytes(300_000),
    );
    images['public'] = await uploaded(admin, { name: 'all', visibility: 'public' }, randomBytes(9));
    images['empty'] = await uploaded(alice, { name: 'empty' }, Buffer.alloc(0));
    images['protected'] = await uploaded(alice, { protected: true }, Buffer.from('kept'));
    images['shared'] = await uploaded(alice, { visibility: 'shared' }, Buffer.from('for bob'));
    await upstream.call('POST', `/images/${images['shared']}/members`, alice, { member: 'bob' });
    images['deactivated'] = await uploaded(alice, {}, Buffer.from('not now'));
    await upstream.call('POST', `/images/${images['deactivated']}/actions/deactivate`, admin);
    images['queued'] = (await upstream.call<V2Image>('POST', '/images', alice, { name: 'q' })).id;
    images['deleted'] = await uploaded(alice, {}, Buffer.from('gone'));
    await upstream.call('DELETE', `/images/${images['deleted']}`, alice);
  }

  async function startOurs(): Promise<void> {
    for (const service of [...deployment.registries, ...deployment.apis]) {
      await deployment.restart(service);
    }
  }

  async function stopOurs(): Promise<void> {
    for (const service of [...deployment.apis, ...deployment.registries]) {
      await stopService(service);
    }
  }

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      flavor: 'trusted-auth',
      beforeSync: async (fresh) => {
        upstream = await UpstreamGlance.prepare(fresh);
        await upstream.syncDatabase();
        const definitions = path.join(fresh.directory, 'definitions.json');
        const objects = [...DEFINITIONS.objects, BARE];
        await writeFile(definitions, JSON.stringify({ ...DEFINITIONS, objects }));
        await upstream.loadDefinitions(definitions);
        await upstream.start();
        try {
          await fillByUpstream();
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

  const ours = (method: string, path: string, headers: Record<string, string>) =>
    fetch(`${deployment.apiUrl}/v1/images${path}`, { method, headers });

  it('is taken over: everything it made is listed, shown and downloaded', async () => {
    const listed = await imagesOf(await ours('GET', '/detail?sort_key=created_at', alice));
    const expected = ['private', 'public', 'empty', 'protected', 'shared', 'deactivated', 'queued'];
    expect(listed.map(({ id }) => id).sort()).toEqual(expected.map((name) => images[name]).sort());
    for (const image of listed) {
      const bytes = data.get(image.id);
      const md5 = bytes && createHash('md5').update(bytes).digest('hex');
      expect(image).toMatchObject({ size: bytes?.length ?? null, checksum: md5 ?? null });
      const deactivated = image.id === images['deactivated'];
      const answer = await ours('GET', `/${image.id}`, alice);
      const body = Buffer.from(await answer.arrayBuffer());
      expect(answer.status).toBe(bytes === undefined ? 404 : deactivated ? 403 : 200);
      if (answer.ok) expect(body.equals(bytes!)).toBe(true);
    }
    expect(listed.find(({ id }) => id === images['private'])).toMatchObject({
      name: 'privé ✓',
      status: 'active',
      min_disk: 3,
      min_ram: 512,
      owner: 'alice',
      is_public: false,
      properties: { os_distro: 'debian' },
    });
    expect((await ours('HEAD', `/${images['deleted']}`, alice)).status).toBe(404);
    expect((await ours('DELETE', `/${images['protected']}`, alice)).status).toBe(403);
  });

  it('keeps its members and its strangers', async () => {
    const shared = await ours('GET', `/${images['shared']}`, bob);
    expect(await shared.text()).toBe('for bob');
    expect((await ours('GET', `/${images['private']}`, bob)).status).toBe(404);
    const members = await (await ours('GET', `/${images['shared']}/members`, alice)).json();
    expect(members).toEqual({ members: [{ member_id: 'bob', can_share: false }] });
  });

  it('keeps the metadata definitions that it was given, and takes others', async () => {
    const directory = path.join(deployment.directory, 'exported');
    await mkdir(directory);
    await deployment.manage('db', 'export_metadefs', '--path', directory);
    const exported = await readFile(path.join(directory, 'Takenover.json'), 'utf8');
    expect(JSON.parse(exported)).toEqual({
      ...DEFINITIONS,
      // Upstream's loader writes null for an object without properties.
      objects: [...DEFINITIONS.objects, { ...BARE, properties: {} }],
    });
    const ours = path.join(directory, 'ours.json');
    await writeFile(ours, JSON.stringify({ ...DEFINITIONS, namespace: 'OS::Ours' }));
    const said = await deployment.manage('db_load_metadefs', ours);
    expect(said).toBe(`Loaded 1 of 1 files of ${ours}.\n`);
  });

  it('serves what ours added when upstream is started on it again, and back', async () => {
    const bytes = randomBytes(200_000);
    const made = await fetch(`${deployment.apiUrl}/v1/images`, {
      method: 'POST',
      headers: {
        ...alice,
        'content-type': 'application/octet-stream',
        'x-image-meta-name': 'by ours',
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
        'x-image-meta-property-os_distro': 'alpine',
      },
      body: bytes,
    });
    expect(made.status).toBe(201);
    const { id } = ((await made.json()) as { image: { id: string } }).image;
    data.set(id, bytes);
    await ours('PUT', `/${id}/members/bob`, alice);
    expect((await ours('DELETE', `/${images['empty']}`, alice)).status).toBe(200);
    expect((await ours('DELETE', `/${images['public']}`, admin)).status).toBe(200);
    await stopOurs();

    await upstream.start();
    const shown = await upstream.call<V2Image>('GET', `/images/${id}`, alice);
    expect(shown).toMatchObject({
      name: 'by ours',
      status: 'active',
      size: bytes.length,
      checksum: createHash('md5').update(bytes).digest('hex'),
      os_hash_algo: 'sha512',
      os_hash_value: createHash('sha512').update(bytes).digest('hex'),
      os_distro: 'alpine',
      visibility: 'shared',
    });
    expect((await upstream.download(id, alice)).equals(bytes)).toBe(true);
    expect((await upstream.download(id, bob)).equals(bytes)).toBe(true);
    const namespace = await upstream.call<Record<string, unknown>>(
      'GET',
      '/metadefs/namespaces/OS::Ours',
      alice,
    );
    const { properties, objects, tags, protected: isProtected, owner } = namespace;
    const { namespace: _, ...defined } = DEFINITIONS;
    expect({ properties, tags, protected: isProtected, owner }).toEqual({
      // Upstream's API makes texts of all defaults, and shows the newest tag first.
      properties: { cores: { ...defined.properties.cores, default: '4' } },
      tags: [...defined.tags].reverse(),
      protected: true,
      owner: 'alice',
    });
    expect(objects).toMatchObject(defined.objects);
    const { images: left } = await upstream.call<{ images: V2Image[] }>('GET', '/images', alice);
    expect(left.map((image) => image.id)).not.toContain(images['public']);
    await expect(upstream.call('GET', `/images/${images['empty']}`, alice)).rejects.toThrow('404');
    await upstream.call('PATCH', `/images/${id}`, alice, [
      { op: 'replace', path: '/name', value: 'renamed by upstream' },
    ]);
    const again = await uploaded(alice, { name: 'later' }, randomBytes(1000));
    await upstream.call('DELETE', `/images/${images['deactivated']}`, admin);
    await upstream.stop();

    await startOurs();
    expect((await ours('HEAD', `/${images['deactivated']}`, alice)).status).toBe(404);
    const renamed = await ours('HEAD', `/${id}`, alice);
    expect(renamed.headers.get('x-image-meta-name')).toBe('renamed by upstream');
    const later = Buffer.from(await (await ours('GET', `/${again}`, alice)).arrayBuffer());
    expect(later.equals(data.get(again)!)).toBe(true);
    expect((await ours('DELETE', `/${again}`, alice)).status).toBe(200);
    // Upstream keeps no accounts of what its users stored meanwhile.
    expect(await deployment.manage('db', 'audit_usage')).toMatch(
      /^alice: .* bytes used .*\nRepaired/,
    );
    expect(await check(deployment, [], { settleMs: 10_000, caller: admin })).toEqual([]);
  });
});
