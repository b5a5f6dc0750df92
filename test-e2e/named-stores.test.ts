import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describeWithClients, runClient } from './support/clients';
import { DATABASES, Deployment, eventually, freePorts } from './support/deployment';
import { IdentityServer } from './support/identity';
import { plantSecret } from './support/leak-gate';
import { CephCluster, withCeph } from './support/ceph-cluster';
import { S3Server, withS3 } from './support/s3-server';
import { SwiftServer, withSwift } from './support/swift-server';

jest.setTimeout(300_000);

const ALICE = 'alice:project-a:member,reader';
const ADMIN = 'root:project-a:admin,member,reader';
const RAW = ['--disk-format', 'raw', '--container-format', 'bare'];

interface Shown {
  id: string;
  status: string;
  properties: { stores: string };
}

/** A store of each kind, each in its own place, and one that nobody reaches. */
const describeStores = withCeph(withSwift(withS3(describeWithClients())));

describeStores('several stores with names', () => {
  /** Of the bucket, the container and the pool. */
  const place = `named-${randomUUID()}`;
  const server = new S3Server();
  const s3 = server.connect();
  const swift = new SwiftServer();
  const ceph = new CephCluster();
  let deployment: Deployment;
  let identity: IdentityServer;
  let directory: string;
  let disks: string;
  let data: Buffer;
  let file: string;

  beforeAll(async () => {
    plantSecret('the secret key of the s3 store', server.secretKey);
    plantSecret('the key of the swift store', swift.key);
    await s3.createBucket({ Bucket: place });
    await ceph.createPool(place);
    const [closed] = await freePorts(1);
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-named-'));
    disks = path.join(directory, 'disks');
    const references = path.join(directory, 'swift.conf');
    await writeFile(
      references,
      `[ref1]\nauth_address = ${swift.authAddress}\nuser = ${swift.user}\nkey = ${swift.key}\n`,
    );
    deployment = await Deployment.start({
      database: DATABASES.at(-1)!,
      nodes: 2,
      flavor: 'fakeauth',
      api: {
        DEFAULT: [
          'enabled_backends = disks:file, buckets:s3, containers:swift, blocks:rbd, lost:s3',
          'show_multiple_locations = true',
          'wakeup_time = 0.5',
          'deletion_grace = 0',
        ],
        glance_store: ['default_backend = disks'],
        disks: [`filesystem_store_datadir = ${disks}`, 'store_description = Disks'],
        buckets: [`s3_store_host = ${server.host}`, `s3_store_bucket = ${place}`, 'weight = 10'],
        containers: [
          'swift_store_auth_version = 1',
          `swift_store_config_file = ${references}`,
          `swift_store_container = ${place}`,
          'swift_store_create_container_on_put = true',
          'swift_store_large_object_size = 5',
          'swift_store_large_object_chunk_size = 5',
        ],
        blocks: [
          `rbd_store_ceph_conf = ${ceph.conf}`,
          'rbd_store_user = glance',
          `rbd_store_pool = ${place}`,
        ],
        lost: [`s3_store_host = 127.0.0.1:${closed}`, 's3_store_bucket = lost'],
        backend_defaults: [
          `s3_store_access_key = ${server.accessKey}`,
          `s3_store_secret_key = ${server.secretKey}`,
        ],
      },
    });
    identity = await IdentityServer.start(deployment.apiUrl, [
      { id: 'project-a', name: 'project-a' },
    ]);
    data = randomBytes(6 * 1024 * 1024 + 17);
    file = path.join(directory, 'disk.raw');
    await writeFile(file, data);
  });

  afterAll(async () => {
    await identity.stop();
    await deployment.stop();
    await server.removeBucket(place, s3);
    s3.destroy();
    await swift.removeContainer(place);
    await ceph.deletePool(place);
    await rm(directory, { recursive: true });
  });

  const client =
    (program: 'glance' | 'openstack', token: string) =>
    async (...args: string[]): Promise<string> =>
      (await runClient(program, args, { environment: identity.environment(token) })).toString();
  const glance = client('glance', ALICE);
  const openstack = client('openstack', ALICE);
  const admin = client('glance', ADMIN);

  async function createIn(store: string): Promise<string> {
    const id = randomUUID();
    await glance('image-create', '--id', id, ...RAW, '--file', file, '--store', store);
    expect((await show(id)).properties.stores).toBe(store);
    return id;
  }

  async function show(image: string): Promise<Shown> {
    return JSON.parse(await openstack('image', 'show', '-f', 'json', image)) as Shown;
  }

  async function expectSaved(id: string): Promise<void> {
    const copy = path.join(directory, `copy-${id}`);
    await openstack('image', 'save', '--file', copy, id);
    expect((await readFile(copy)).equals(data)).toBe(true);
  }

  const inBucket = (): Promise<string[]> => server.contentsOf(place, s3);
  const onDisks = async (): Promise<string[]> =>
    (await readdir(disks)).filter((name) => !name.startsWith('.'));
  /** By store; of data in segments only the name that they belong to. */
  const everywhere = async (): Promise<Record<string, string[]>> => ({
    disks: await onDisks(),
    buckets: await inBucket(),
    containers: (await swift.contentsOf(place)).filter((name) => !/-\d{5}$/.test(name)),
    blocks: await ceph.imagesIn(place),
  });
  const NOTHING = { disks: [], buckets: [], containers: [], blocks: [] };

  it('tell the clients what they are', async () => {
    const list = await glance('stores-info');
    for (const text of ['disks', 'buckets', 'containers', 'blocks', 'lost', 'Disks'])
      expect(list).toContain(text);
    expect(await admin('stores-info', '--detail')).toContain('s3_store_large_object_chunk_size');
    await expect(glance('stores-info', '--detail')).rejects.toThrow('403');
  });

  it.each(['disks', 'buckets', 'containers', 'blocks'])(
    'take, list, give and delete images by name: %s',
    async (store) => {
      const id = await createIn(store);
      expect(await openstack('image', 'list')).toContain(id);
      await eventually(async () => {
        expect(await everywhere()).toEqual({ ...NOTHING, [store]: [id] });
      });
      await expectSaved(id);
      await glance('image-download', '--file', path.join(directory, 'by-glance'), id);
      expect((await readFile(path.join(directory, 'by-glance'))).equals(data)).toBe(true);
      await openstack('image', 'delete', id);
      // The sweeps of both nodes, which wait for nobody here, may have come first.
      await eventually(async () => {
        expect(await everywhere()).toEqual(NOTHING);
        expect(await swift.contentsOf(place)).toEqual([]);
      });
    },
  );

  it('keep an image that one of them loses', async () => {
    const id = await createIn('disks');
    await s3.putObject({ Bucket: place, Key: id, Body: data });
    await admin('location-add', '--url', `s3://${server.host}/${place}/${id}`, id);
    const { status, properties } = await show(id);
    expect([status, properties.stores]).toEqual(['active', 'buckets,disks']);
    await expectSaved(id);
    await s3.deleteObject({ Bucket: place, Key: id });
    await expectSaved(id);
    await s3.putObject({ Bucket: place, Key: id, Body: data });
    await rm(path.join(disks, id));
    await expectSaved(id);
    await openstack('image', 'delete', id);
    expect(await inBucket()).toEqual([]);
  });

  it('give an image up one by one, to who may, but the last', async () => {
    const id = await createIn('disks');
    await s3.putObject({ Bucket: place, Key: id, Body: data });
    await admin('location-add', '--url', `s3://${server.host}/${place}/${id}`, id);
    await expect(glance('stores-delete', '--store', 'disks', id)).rejects.toThrow('403');
    await admin('stores-delete', '--store', 'disks', id);
    expect([await onDisks(), await inBucket()]).toEqual([[], [id]]);
    await expectSaved(id);
    await expect(admin('stores-delete', '--store', 'buckets', id)).rejects.toThrow('403');
    await openstack('image', 'delete', id);
    expect(await inBucket()).toEqual([]);
  });

  it('go on while one cannot be reached, which the api tells', async () => {
    await expect(createIn('lost')).rejects.toThrow('503');
    const id = await createIn('disks');
    await expectSaved(id);
    await openstack('image', 'delete', id);
    await eventually(async () => {
      const answer = await fetch(`${deployment.apiUrl}/readyz`);
      expect(await answer.json()).toEqual({ ready: true, failing: ['store lost'] });
    });
  });
});
