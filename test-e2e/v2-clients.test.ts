import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment } from './support/deployment';
import { IdentityServer } from './support/identity';
import { describeWithClients, runClient } from './support/clients';

jest.setTimeout(300_000);

const ALICE = 'alice:project-a:member,reader';
const BOB = 'bob:project-b:member,reader';
const ADMIN = 'root:project-r:admin,member,reader';

interface Shown {
  id: string;
  name: string;
  status: string;
  visibility: string;
  tags: string[];
  protected: boolean;
  properties: Record<string, unknown>;
  size: number;
  checksum: string;
  os_hidden: boolean;
}

describeWithClients().each(DATABASES)('the unmodified clients of API v2 on %s', (database) => {
  let deployment: Deployment;
  let identity: IdentityServer;
  let data: Buffer;
  let file: string;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      nodes: 2,
      flavor: 'fakeauth',
      api: { DEFAULT: ['limit_param_default = 3'] },
    });
    const names = ['project-a', 'project-b', 'project-r'];
    identity = await IdentityServer.start(
      deployment.apiUrl,
      names.map((name) => ({ id: name, name })),
    );
    data = randomBytes(3 * 1024 * 1024 + 17);
    file = path.join(deployment.directory, 'disk.raw');
    await writeFile(file, data);
  });

  afterAll(async () => {
    await identity.stop();
    await deployment.stop();
  });

  const openstack =
    (token: string) =>
    async (...args: string[]): Promise<string> =>
      (await runClient('openstack', args, { environment: identity.environment(token) })).toString();
  const glance =
    (token: string) =>
    async (...args: string[]): Promise<string> =>
      (await runClient('glance', args, { environment: identity.environment(token) })).toString();
  const alice = openstack(ALICE);
  const bob = openstack(BOB);
  const show = async (id: string, as = alice): Promise<Shown> =>
    JSON.parse(await as('image', 'show', '-f', 'json', id)) as Shown;
  const listed = async (as: typeof alice, ...args: string[]): Promise<string[]> =>
    (JSON.parse(await as('image', 'list', '-f', 'json', ...args)) as { Name: string }[]).map(
      (image) => image.Name,
    );
  const RAW = ['--disk-format', 'raw', '--container-format', 'bare'];
  const create = async (name: string, ...args: string[]): Promise<Shown> =>
    JSON.parse(await alice('image', 'create', '-f', 'json', ...RAW, ...args, name)) as Shown;

  it('openstack: creates from a file and from standard input, saves the same bytes, deletes', async () => {
    const fromFile = await create(
      'Fichier – 画像',
      '--file',
      file,
      '--property',
      'os_distro=debian',
    );
    const answer = await runClient(
      'openstack',
      ['image', 'create', '-f', 'json', ...RAW, 'from stdin'],
      { environment: identity.environment(ALICE), input: file },
    );
    const { id } = JSON.parse(answer.toString()) as Shown;
    for (const each of [fromFile.id, id]) {
      const shown = await show(each);
      expect(shown).toMatchObject({ status: 'active', size: data.length });
      const copy = path.join(deployment.directory, `copy-${each}`);
      await alice('image', 'save', '--file', copy, each);
      expect((await readFile(copy)).equals(data)).toBe(true);
    }
    expect((await show('Fichier – 画像')).properties).toMatchObject({ os_distro: 'debian' });
    await alice('image', 'delete', 'Fichier – 画像', id);
    expect(await listed(alice)).toEqual([]);
    expect(await deployment.filesInStore()).toEqual([]);
  });

  it('openstack: sets and unsets names, properties, tags, protection and visibility', async () => {
    const { id } = await create('plain', '--file', file);
    await alice(
      ...['image', 'set', '--name', 'renamed', '--property', 'arch=x86_64', '--min-ram', '64'],
      ...['--tag', 'one', '--tag', 'two', '--protected', '--private', id],
    );
    expect(await show(id)).toMatchObject({
      name: 'renamed',
      visibility: 'private',
      protected: true,
      properties: expect.objectContaining({ arch: 'x86_64' }) as unknown,
    });
    expect((await show(id)).tags.sort()).toEqual(['one', 'two']);
    await expect(alice('image', 'delete', id)).rejects.toThrow();
    await alice('image', 'unset', '--tag', 'one', '--property', 'arch', id);
    const shown = await show(id);
    expect(shown.tags).toEqual(['two']);
    expect(shown.properties).not.toHaveProperty('arch');
    await alice('image', 'set', '--unprotected', '--community', id);
    expect(await listed(bob)).not.toContain('renamed');
    expect(await listed(bob, '--community')).toContain('renamed');
    await expect(alice('image', 'set', '--public', id)).rejects.toThrow('403');
    await openstack(ADMIN)('image', 'set', '--public', id);
    expect(await listed(bob, '--public')).toContain('renamed');
    await alice('image', 'set', '--hidden', id);
    expect(await listed(bob)).not.toContain('renamed');
    expect(await listed(bob, '--hidden')).toContain('renamed');
    await alice('image', 'delete', id);
  });

  it('openstack: shares, accepts, rejects and revokes', async () => {
    const { id } = await create('to share', '--file', file, '--shared');
    await expect(bob('image', 'show', id)).rejects.toThrow();
    await alice('image', 'add', 'project', id, 'project-b');
    expect((await show(id, bob)).status).toBe('active');
    expect(await listed(bob)).not.toContain('to share');
    await bob('image', 'set', '--accept', id);
    expect(await listed(bob)).toContain('to share');
    expect(JSON.parse(await alice('image', 'member', 'list', '-f', 'json', id))).toEqual([
      expect.objectContaining({ 'Member ID': 'project-b', Status: 'accepted' }),
    ]);
    const copy = path.join(deployment.directory, 'shared-copy');
    await bob('image', 'save', '--file', copy, id);
    expect((await readFile(copy)).equals(data)).toBe(true);
    await bob('image', 'set', '--reject', id);
    expect(await listed(bob)).not.toContain('to share');
    await alice('image', 'remove', 'project', id, 'project-b');
    await expect(bob('image', 'show', id)).rejects.toThrow();
    await alice('image', 'delete', id);
  });

  it('openstack: deactivates and reactivates', async () => {
    const { id } = await create('to stop', '--file', file);
    await alice('image', 'set', '--deactivate', id);
    expect((await show(id)).status).toBe('deactivated');
    const copy = path.join(deployment.directory, 'stopped-copy');
    await expect(alice('image', 'save', '--file', copy, id)).rejects.toThrow();
    await alice('image', 'set', '--activate', id);
    await alice('image', 'save', '--file', copy, id);
    expect((await readFile(copy)).equals(data)).toBe(true);
    await alice('image', 'delete', id);
  });

  it('glance: creates, shows, updates, downloads, pages and deletes', async () => {
    const client = glance(ALICE);
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      const args = ['image-create', '--name', `page-${index}`, ...RAW];
      if (index === 0) args.push('--file', file, '--property', 'a=b', '--tag', 't');
      const id = /\| id +\| (\S+)/.exec(await client(...args))?.[1] ?? '';
      ids.push(id);
    }
    const list = await client('image-list', '--page-size', '2');
    for (let index = 0; index < 7; index += 1) expect(list).toContain(`page-${index} `);
    const copy = path.join(deployment.directory, 'glance-copy');
    await client('image-download', '--file', copy, ids[0]!);
    expect((await readFile(copy)).equals(data)).toBe(true);
    await client('image-upload', '--file', file, ids[1]!);
    const updated = await client(
      ...['image-update', '--name', 'new name', '--property', 'c=d', '--remove-property', 'a'],
      ids[0]!,
    );
    expect(updated).toMatch(/\| c +\| d/);
    expect(updated).not.toMatch(/\| a +\| b/);
    await client('image-tag-update', ids[0]!, 'second');
    await client('image-tag-delete', ids[0]!, 't');
    expect(await client('image-show', ids[0]!)).toMatch(/\| tags +\| \["second"\]/);
    await client('member-create', ids[0]!, 'project-b');
    await glance(BOB)('member-update', ids[0]!, 'project-b', 'accepted');
    expect(await client('member-list', '--image-id', ids[0]!)).toContain('accepted');
    await client('member-delete', ids[0]!, 'project-b');
    await client('image-deactivate', ids[0]!);
    await client('image-reactivate', ids[0]!);
    await expect(client('image-show', 'a1111111-1111-4111-8111-111111111111')).rejects.toThrow(
      'No image found with ID a1111111-1111-4111-8111-111111111111',
    );
    await client('image-delete', ...ids);
    expect(await deployment.filesInStore()).toEqual([]);
  });

  it('openstacksdk: uploads, finds, pages, downloads and deletes', async () => {
    const script = path.join(deployment.directory, 'sdk.py');
    await writeFile(
      script,
      `
import hashlib, sys, openstack
cloud = openstack.connect()
source = sys.argv[1]
image = cloud.create_image('sdk image', filename=source, disk_format='raw',
    container_format='bare', validate_checksum=True, wait=True, timeout=60,
    hw_rng_model='virtio')
assert image.status == 'active', image.status
assert image.hw_rng_model == 'virtio'
again = cloud.create_image('sdk image', filename=source, disk_format='raw',
    container_format='bare', validate_checksum=True)
assert again.id == image.id, 'the same data was uploaded twice'
others = [cloud.image.create_image(name='sdk %d' % n, allow_duplicates=True) for n in range(5)]
names = [each.name for each in cloud.image.images(limit=2)]
assert sorted(names) == ['sdk %d' % n for n in range(5)] + ['sdk image'], names
assert cloud.image.find_image('sdk image').id == image.id
data = cloud.image.download_image(image)
content = data.content if hasattr(data, 'content') else data
assert hashlib.sha512(content).hexdigest() == cloud.image.get_image(image.id).hash_value
cloud.image.update_image(image, name='renamed', min_ram=128)
assert cloud.image.get_image(image.id).min_ram == 128
cloud.image.add_tag(image, 'sdk-tag')
assert [each.id for each in cloud.image.images(tag='sdk-tag')] == [image.id]
cloud.image.deactivate_image(image)
cloud.image.reactivate_image(image)
for each in others + [image]:
    cloud.image.delete_image(each)
assert list(cloud.image.images()) == []
print('done')
`,
    );
    const out = await runClient('python3', [script, file], {
      environment: identity.environment(ALICE),
    });
    expect(out.toString()).toContain('done');
    expect(await deployment.filesInStore()).toEqual([]);
  });
});
