import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CephCluster, withCeph } from './support/ceph-cluster';
import { Deployment, eventually } from './support/deployment';
import { describeWithAll } from './support/installed';
import { Keystone, describeWithKeystone, type Login } from './support/keystone';
import { OpenstackService, describeWithNovaAndCinder } from './support/openstack-services';

jest.setTimeout(300_000);

const USERS: Record<string, Login> = { alice: { user: 'alice', project: 'red' } };

const BOTH = `
import os
from refusals import refused

DISK = os.environ['DISK']
COPY = DISK + '.copy'
RAW = {'disk_format': 'raw', 'container_format': 'bare'}

def bytes_of(path):
    with open(path, 'rb') as file:
        return file.read()
`;

const NOVA = `
from nova_service import CONF, contexts
from nova import exception, objects
from nova.compute import utils as compute
from nova.image import glance
from nova.virt.libvirt import imagebackend
${BOTH}
api = glance.API()
alice = contexts.of('alice')

def disk_of(uuid, image):
    instance = objects.Instance(
        uuid=uuid, project_id=alice.project_id, user_id=alice.user_id, image_ref=image['id'], system_metadata={})
    return instance, imagebackend.Backend(use_cow=True).by_name(instance, 'disk')

def uploaded(name, store):
    image = api.create(alice, {'name': name, **RAW, 'properties': {}})
    with open(DISK, 'rb') as disk:
        glance.GlanceClientWrapper().call(alice, 2, 'upload', args=(image['id'], disk), kwargs={'backend': store})
    return image
`;

const NOVA_CLONES = `${NOVA}
base = uploaded('base', 'blocks')
instance, disk = disk_of('5a9e2c3e-0d4b-4f38-8f1e-3f6c1f6f0c11', base)
disk.clone(alice, base['id'])
assert disk.get_disk_size(None) == os.path.getsize(DISK)
assert disk.driver.parent_info(disk.rbd_name) == (os.environ['IMAGES'], base['id'], 'snap')
refused(exception.ImageDeleteConflict, api.delete, alice, base['id'])

# As the driver of libvirt takes a snapshot of a disk in the same cluster.
snapshot = compute.create_image(alice, instance, 'snapshot', 'snapshot', api)
location = disk.direct_snapshot(alice, 'of-the-disk', 'raw', snapshot['id'], base['id'])
filled = api.update(alice, snapshot['id'], {
    'status': 'active', 'name': 'snapshot', **RAW, 'location': location,
    'properties': {'image_location': 'snapshot', 'image_state': 'available'}}, purge_props=False)
assert (filled['status'], filled['size']) == ('active', os.path.getsize(DISK)), filled
shown = api.get(alice, snapshot['id'], include_locations=True)
assert {each['url'] for each in shown['locations']} == {shown['direct_url']} == {location}, shown

api.download(alice, snapshot['id'], dest_path=COPY)
assert bytes_of(COPY) == bytes_of(DISK)
os.unlink(COPY)
CONF.set_override('enable_rbd_download', True, 'glance')
glance.GlanceImageServiceV2().rbd_download(
    alice, glance.urlparse.urlparse(shown['direct_url']), COPY)
assert bytes_of(COPY) == bytes_of(DISK)

assert api.delete(alice, snapshot['id']) is True
disk.driver.destroy_volume(disk.rbd_name)
assert api.delete(alice, base['id']) is True
print('cloned')
`;

const NOVA_OF_ANOTHER_STORE = `${NOVA}
far = uploaded('of another store', 'far')
_, disk = disk_of('5a9e2c3e-0d4b-4f38-8f1e-3f6c1f6f0c12', far)
disk.clone(alice, far['id'])
pool, _, _ = disk.driver.parent_info(disk.rbd_name)
assert pool == os.environ['IMAGES'], pool
assert api.get(alice, far['id'])['stores'] == 'far,blocks'
refused(exception.ImageDeleteConflict, api.delete, alice, far['id'])
assert api.get(alice, far['id'])['stores'] == 'far,blocks'
with open(os.environ['FAR'] + '/' + far['id'], 'rb') as kept:
    assert kept.read() == bytes_of(DISK)
disk.driver.destroy_volume(disk.rbd_name)
assert api.delete(alice, far['id']) is True

qcow2 = api.create(alice, {'name': 'not raw', 'size': 0})
refused(exception.ImageUnacceptable, disk.clone, alice, qcow2['id'])
assert api.delete(alice, qcow2['id']) is True
print('copied')
`;

const CINDER = `
from cinder_service import contexts
from cinder import exception, objects
from cinder.image import glance, image_utils
from cinder.volume import configuration, driver
from cinder.volume.drivers import rbd
${BOTH}
service = glance.get_default_image_service()
alice = contexts.of('alice')
volumes = rbd.RBDDriver(configuration=configuration.Configuration(driver.volume_opts, config_group='ceph'))
volumes.do_setup(alice)
volumes.check_for_setup_error()

image = service.create(alice, {'name': 'golden', **RAW})
image_utils.upload_volume(alice, service, image, DISK, run_as_root=False, store_id='blocks')
image = service.show(alice, image['id'])
kind = objects.VolumeType(
    id='5a9e2c3e-0d4b-4f38-8f1e-3f6c1f6f0c13', extra_specs={'image_service:store_id': 'blocks'}, qos_specs_id=None)
volume = objects.Volume(
    id='5a9e2c3e-0d4b-4f38-8f1e-3f6c1f6f0c14', _name_id=None, size=1, multiattach=False,
    volume_type=kind, volume_type_id=kind.id, glance_metadata={'image_id': image['id']})

location = service.get_location(alice, image['id'])
assert volumes.clone_image(alice, volume, location, image, service) == ({'provider_location': None}, True)
# Cinder does not catch the conflict: this is what its caller sees.
refused(glance.glanceclient.exc.HTTPConflict, service.delete, alice, image['id'])

# Smaller than the gigabyte that volumes begin at.
volumes._resize(volume, size=os.path.getsize(DISK))
uploaded = service.create(alice, {'name': 'of a volume', **RAW})
volumes.copy_volume_to_image(alice, volume, service, uploaded)
uploaded = service.show(alice, uploaded['id'])
assert (uploaded['status'], uploaded['size'], uploaded['stores']) == ('active', os.path.getsize(DISK), 'blocks'), uploaded
image_utils.fetch(alice, service, uploaded['id'], COPY, None, None)
assert bytes_of(COPY) == bytes_of(DISK)

far = service.create(alice, {'name': 'of another store', **RAW})
image_utils.upload_volume(alice, service, far, DISK, run_as_root=False, store_id='far')
location = service.get_location(alice, far['id'])
assert volumes.clone_image(alice, volume, location, far, service) == ({}, False)
volumes.delete_volume(volume)
for each in [far, uploaded, image]:
    assert service.delete(alice, each['id']) is True
print('cloned')
`;

const describeAll = describeWithAll(describeWithNovaAndCinder(), describeWithKeystone());

withCeph(describeAll)('Nova and Cinder with their disks in the Ceph of the images', () => {
  const cluster = new CephCluster();
  const images = `images-${randomUUID()}`;
  const disks = `disks-${randomUUID()}`;
  let keystone: Keystone;
  let deployment: Deployment;
  let directory: string;
  let nova: OpenstackService;
  let cinder: OpenstackService;
  let environment: Record<string, string>;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-nova-rbd-'));
    const far = path.join(directory, 'far');
    environment = { DISK: path.join(directory, 'disk.raw'), IMAGES: images, FAR: far };
    await writeFile(environment['DISK']!, randomBytes(9 * 1024 * 1024));
    await cluster.createPool(images);
    await cluster.createPool(disks);
    keystone = await Keystone.start();
    await keystone.addUser(USERS['alice']!, 'member');
    const policy = path.join(directory, 'policy.yaml');
    // What Nova's guide asks for, so that it may have images copied on behalf of users.
    await writeFile(policy, '"copy_image": "role:member"\n');
    const ceph = (pool: string, prefix: string): string[] => [
      `${prefix}_ceph_conf = ${cluster.conf}`,
      `${prefix}_user = glance`,
      `${prefix}_pool = ${pool}`,
    ];
    deployment = await Deployment.start({
      database: 'mysql',
      flavor: 'keystone',
      api: {
        DEFAULT: [
          'enabled_backends = blocks:rbd, far:file',
          'enabled_import_methods = [copy-image]',
          'show_image_direct_url = true',
          'show_multiple_locations = true',
          'wakeup_time = 0.5',
        ],
        oslo_policy: [`policy_file = ${policy}`],
        glance_store: ['default_backend = blocks'],
        blocks: ceph(images, 'rbd_store'),
        far: [`filesystem_store_datadir = ${far}`],
        keystone_authtoken: keystone.authtoken,
      },
    });
    await keystone.setImageEndpoint(deployment.apiUrl);
    nova = await OpenstackService.configure('nova', keystone, directory, {
      glance: ['num_retries = 0', ...ceph(images, 'rbd')],
      libvirt: [
        'images_type = rbd',
        `images_rbd_pool = ${disks}`,
        `images_rbd_ceph_conf = ${cluster.conf}`,
        'rbd_user = glance',
        'images_rbd_glance_store_name = blocks',
        'images_rbd_glance_copy_poll_interval = 1',
      ],
    });
    cinder = await OpenstackService.configure('cinder', keystone, directory, {
      DEFAULT: [`image_conversion_dir = ${directory}/conversion`, 'glance_num_retries = 0'],
      ceph: ceph(disks, 'rbd'),
    });
  }, 120_000);

  afterAll(async () => {
    await deployment.stop();
    await keystone.stop();
    await cluster.deletePool(images);
    await cluster.deletePool(disks);
    await rm(directory, { recursive: true });
  });

  afterEach(async () => {
    await eventually(async () => {
      expect(await cluster.imagesIn(images)).toEqual([]);
    });
    expect(await cluster.imagesIn(disks)).toEqual([]);
  });

  it('Nova clones its disks from images, and images from its disks', async () => {
    expect(await nova.run(NOVA_CLONES, USERS, environment)).toContain('cloned');
  });

  it('Nova has an image of another store copied to clone it', async () => {
    expect(await nova.run(NOVA_OF_ANOTHER_STORE, USERS, environment)).toContain('copied');
  });

  it('Cinder clones volumes from images, and uploads them to the store of their type', async () => {
    expect(await cinder.run(CINDER, USERS, environment)).toContain('cloned');
  });
});
