import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Deployment, ROOT } from './support/deployment';
import { ImageSource } from './support/image-source';
import { describeWithAll } from './support/installed';
import { Keystone, describeWithKeystone, type Login } from './support/keystone';
import { OpenstackService, describeWithNovaAndCinder } from './support/openstack-services';

jest.setTimeout(300_000);

const USERS: Record<string, Login> = {
  alice: { user: 'alice', project: 'red' },
  reader: { user: 'rita', project: 'red' },
  bob: { user: 'bob', project: 'blue' },
  admin: { user: 'admin', project: 'admin' },
};

const NOVA = `
import os, time
from nova_service import CONF, contexts
from nova import exception, objects
from nova.compute import utils as compute
from nova.image import glance
from nova.virt import images as virt_images
from refusals import refused

api = glance.API()
alice, reader, bob, admin = map(contexts.of, ['alice', 'reader', 'bob', 'admin'])
DISK = os.environ['DISK']
COPY = DISK + '.copy'
RAW = {'disk_format': 'raw', 'container_format': 'bare'}
NONE = 'c0ffee00-0000-4000-8000-000000000000'

def bytes_of(path):
    with open(path, 'rb') as file:
        return file.read()

def made(context, name, data=True, **fields):
    with open(DISK, 'rb') as disk:
        return api.create(context, {'name': name, **RAW, **fields}, disk if data else None)

def instance_of(context, **fields):
    return objects.Instance(
        uuid='5a9e2c3e-0d4b-4f38-8f1e-3f6c1f6f0c11', project_id=context.project_id,
        user_id=context.user_id, system_metadata={'image_os_type': 'linux', 'image_min_disk': '2'},
        **fields)
`;

const NOVA_SNAPSHOT = `${NOVA}
instance = instance_of(alice)
reserved = compute.create_image(alice, instance, 'snapshot', 'snapshot', api)
assert (reserved['status'], reserved['size'], reserved['disk_format']) == ('queued', 0, None), reserved
assert (reserved['min_disk'], reserved['is_public']) == (2, False), reserved
assert api.get(alice, reserved['id'])['properties'] == {
    'instance_uuid': instance.uuid, 'user_id': alice.user_id, 'image_type': 'snapshot', 'os_type': 'linux'}

# As the driver of libvirt fills it.
metadata = {'status': 'active', 'name': 'snapshot', **RAW, 'properties': {
    'kernel_id': None, 'ramdisk_id': '', 'image_location': 'snapshot', 'image_state': 'available',
    'owner_id': alice.project_id}}
with open(DISK, 'rb') as disk:
    filled = api.update(alice, reserved['id'], metadata, disk)
assert (filled['status'], filled['size']) == ('active', os.path.getsize(DISK)), filled
shown = api.get(alice, reserved['id'])
assert shown['properties']['image_state'] == 'available', shown
assert shown['properties']['instance_uuid'] == instance.uuid, shown
assert 'ramdisk_id' not in shown['properties'] and shown['properties']['kernel_id'] is None, shown
assert 'locations' not in shown and 'direct_url' not in shown, shown
meta = objects.ImageMeta.from_dict(shown)
assert (meta.disk_format, meta.min_disk, meta.properties.os_type) == ('raw', 2, 'linux'), meta
assert shown['created_at'].tzinfo is not None

located = api.get(alice, reserved['id'], include_locations=True)
assert [each['url'] for each in located['locations']] == [located['direct_url']] * 2, located
assert located['locations'][0]['metadata'] == {'store': 'fast'}, located

virt_images.fetch(alice, reserved['id'], COPY)
assert bytes_of(COPY) == bytes_of(DISK)

empty = api.create(alice, {'name': 'of volumes', 'size': 0, 'properties': {
    'bdm_v2': True, 'block_device_mapping': [{'boot_index': 0, 'snapshot_id': NONE}]}})
assert (empty['status'], empty['size'], empty['disk_format']) == ('active', 0, 'qcow2'), empty
assert api.get(alice, empty['id'])['properties'] == {
    'bdm_v2': 'True', 'block_device_mapping': [{'boot_index': 0, 'snapshot_id': NONE}]}
print('taken')
`;

const NOVA_LISTS = `${NOVA}
def names(context=bob, **query):
    return [each['name'] for each in api.get_all(context, **query)]

first = made(bob, 'list 1', min_ram=512, is_public=False, properties={'image_type': 'base'})
made(bob, 'list 2', data=False, properties={'image_type': 'backup', 'instance_uuid': NONE})
third = made(bob, 'list 3', properties={'image_type': 'base'})
everyone = made(admin, 'list 4', is_public=True)
made(alice, 'list 5')
mine = ['list 1', 'list 2', 'list 3', 'list 4']
in_order = {'sort_key': 'name', 'sort_dir': 'asc'}
assert names(**in_order) == mine
assert names(**in_order, page_size=1) == mine
assert names(**in_order, limit=2) == mine[:2]
assert names(**in_order, marker=first['id']) == mine[1:]
for filters, expected in [
    ({'name': 'list 3'}, ['list 3']),
    ({'status': 'active'}, ['list 1', 'list 3', 'list 4']),
    ({'min_ram': '512'}, ['list 1']),
    ({'is_public': 'true'}, ['list 4']),
    ({'is_public': 'false'}, ['list 1']),
    ({'property-image_type': 'base'}, ['list 1', 'list 3']),
    ({'property-instance_uuid': NONE}, ['list 2']),
    ({'changes-since': first['updated_at'].strftime('%Y-%m-%dT%H:%M:%SZ')}, mine),
    ({'changes-since': '2100-01-01T00:00:00Z'}, []),
    ({'owner': bob.project_id}, ['list 1', 'list 2', 'list 3']),
]:
    assert names(**in_order, filters=dict(filters)) == expected, (filters, names(filters=filters))
assert 'list 5' in names(admin) and 'list 1' not in names(alice)
refused(exception.Invalid, names, marker='none', limit=1, sort_key='no such')
print('listed')
`;

const NOVA_CHANGES = `${NOVA}
image = made(alice, 'changing', properties={'a': '1', 'b': '2'})
changed = api.update(alice, image['id'], {'name': 'changed', 'min_ram': '64', 'properties': {'b': '3', 'c': 4}}, purge_props=True)
assert (changed['name'], changed['min_ram'], changed['properties']) == ('changed', 64, {'b': '3', 'c': '4'}), changed
kept = api.update(alice, image['id'], {'id': image['id'], 'properties': {'d': '5'}}, purge_props=False)
assert kept['properties'] == {'b': '3', 'c': '4', 'd': '5'}, kept

api.update(alice, image['id'], {'protected': True}, purge_props=False)
refused(exception.ImageNotAuthorized, api.delete, alice, image['id'])
api.update(alice, image['id'], {'protected': False}, purge_props=False)

by_url = '%s/v2/images/%s' % (os.environ['GLANCE'], image['id'])
assert api.get(alice, by_url)['name'] == 'changed'
assert api.delete(alice, by_url) is True
refused(exception.ImageNotFound, api.get, alice, image['id'])
refused(exception.ImageNotFound, api.delete, alice, image['id'])
print('changed')
`;

const NOVA_REFUSED = `${NOVA}
image = made(alice, 'of red', visibility='private')
for context, id in [(bob, image['id']), (alice, NONE)]:
    refused(exception.ImageNotFound, api.get, context, id)
    refused(exception.ImageNotFound, api.update, context, id, {'name': 'x'})
    refused(exception.ImageNotFound, api.update, context, id, {'name': 'x'}, purge_props=True)
    refused(exception.ImageNotFound, api.delete, context, id)
    refused(exception.ImageNotFound, api.download, context, id, dest_path=COPY)
    refused(exception.ImageNotFound, api.copy_image_to_store, context, id, 'cheap')
assert api.get(reader, image['id'])['name'] == 'of red'
refused(exception.ImageNotAuthorized, api.update, reader, image['id'], {'name': 'x'})
refused(exception.ImageNotAuthorized, api.delete, reader, image['id'])
refused(exception.ImageNotAuthorized, api.download, reader, image['id'], dest_path=COPY)
refused(exception.Forbidden, api.create, reader, {'name': 'x'})
refused(exception.ImageNotAuthorized, api.update, alice, image['id'], {'is_public': True})
refused(exception.Forbidden, api.create, alice, {'name': 'x', 'is_public': True})

queued = api.create(alice, {'name': 'queued'})
refused(exception.ImageUnacceptable, api.download, alice, queued['id'], dest_path=COPY)
refused(exception.ImageImportImpossible, api.copy_image_to_store, alice, queued['id'], 'cheap')
refused(exception.ImageBadRequest, api.copy_image_to_store, alice, image['id'], 'fast')
refused(exception.ImageImportImpossible, api.copy_image_to_store, alice, image['id'], 'no such')
print('refused')
`;

const NOVA_SHARES = `${NOVA}
snapshot = compute.create_image(admin, instance_of(alice), 'by an administrator', 'snapshot', api)
with open(DISK, 'rb') as disk:
    api.update(admin, snapshot['id'], {**RAW}, disk, purge_props=False)
shown = api.get(alice, snapshot['id'])
assert (shown['owner'], shown['status']) == (admin.project_id, 'active'), shown
assert 'instance_owner' not in shown['properties'], shown
api.download(alice, snapshot['id'], dest_path=COPY)
assert bytes_of(COPY) == bytes_of(DISK)
refused(exception.ImageNotFound, api.get, bob, snapshot['id'])
refused(exception.ImageNotAuthorized, api.delete, alice, snapshot['id'])
print('shared')
`;

const NOVA_COPIES = `${NOVA}
image = made(alice, 'to be copied')
api.copy_image_to_store(alice, image['id'], 'cheap')
deadline = time.monotonic() + 60
while 'cheap' not in api.get(alice, image['id'])['stores'].split(','):
    assert time.monotonic() < deadline, api.get(alice, image['id'])
    time.sleep(0.05)
located = api.get(alice, image['id'], include_locations=True)
assert sorted(each['metadata'].get('store', '') for each in located['locations']) == ['', 'cheap', 'fast'], located
print('copied')
`;

const NOVA_GOES_ON = `${NOVA}
import requests
from keystoneauth1 import session
from keystoneauth1.identity import v3

login = v3.Password(
    os.environ['BRIEF_KEYSTONE'], username='alice', password=os.environ['OS_PASSWORD'],
    project_name='red', user_domain_name='Default', project_domain_name='Default')
image = api.create(alice, {'name': 'long', **RAW})
late = contexts.of_token(login.get_token(session.Session()))

# Nova sends the token of a service along; alone the user's is refused once it has ended.
images, alone = os.environ['GLANCE'] + '/v2/images', {'X-Auth-Token': late.auth_token}
deadline = time.monotonic() + 60
while requests.get(images, headers=alone).status_code != 401:
    assert time.monotonic() < deadline
    time.sleep(0.1)
with open(DISK, 'rb') as disk:
    filled = api.update(late, image['id'], {'name': 'filled late'}, disk)
assert (filled['status'], filled['owner']) == ('active', alice.project_id), filled
assert requests.get(images, headers=alone).status_code == 401
refused(exception.ImageNotFound, api.get, bob, image['id'])
print('went on')
`;

const CINDER = `
import os
from cinder_service import CONF, contexts
from cinder import exception
from cinder.image import glance, image_utils
from refusals import refused

service = glance.get_default_image_service()
alice, reader, bob, admin = map(contexts.of, ['alice', 'reader', 'bob', 'admin'])
DISK = os.environ['DISK']
COPY = DISK + '.copy'
RAW = {'disk_format': 'raw', 'container_format': 'bare'}
NONE = 'c0ffee00-0000-4000-8000-000000000000'

def bytes_of(path):
    with open(path, 'rb') as file:
        return file.read()

def of_volume(context, name, store_id=None, base_image_ref=None, **fields):
    """As a volume is uploaded to an image."""
    image = service.create(context, {'name': name, **RAW, **fields})
    image_utils.upload_volume(
        context, service, image, DISK, run_as_root=False, store_id=store_id, base_image_ref=base_image_ref)
    return service.show(context, image['id'])
`;

const CINDER_VOLUMES = `${CINDER}
image = service.create(alice, {'name': 'of a volume', **RAW, 'visibility': 'private', 'protected': False,
                               'properties': {'hw_disk_bus': 'scsi', 'mappings': [{'virtual': 'root', 'device': 'sda'}]}})
assert (image['status'], image['size'], image['visibility']) == ('queued', None, 'private'), image
image_utils.upload_volume(alice, service, image, DISK, run_as_root=False)
shown = service.show(alice, image['id'])
assert (shown['status'], shown['size']) == ('active', os.path.getsize(DISK)), shown
assert shown['properties'] == {
    'hw_disk_bus': 'scsi', 'mappings': [{'virtual': 'root', 'device': 'sda'}]}, shown
assert shown['created_at'].tzinfo is not None and shown['stores'] == 'fast', shown
image_utils.fetch(alice, service, image['id'], COPY, None, None)
assert bytes_of(COPY) == bytes_of(DISK)
assert b''.join(service.download(alice, image['id'])) == bytes_of(DISK)

qcow2 = of_volume(alice, 'converted', disk_format='qcow2')
assert (qcow2['disk_format'], qcow2['virtual_size']) == ('qcow2', os.path.getsize(DISK)), qcow2
image_utils.fetch_to_raw(alice, service, qcow2['id'], COPY, '1M', size=1, run_as_root=False)
assert bytes_of(COPY) == bytes_of(DISK)
print('carried')
`;

const CINDER_STORES = `${CINDER}
stores = {each['id']: each for each in service.get_stores(alice)['stores']}
assert sorted(stores) == ['cheap', 'fast', 'web'] and stores['fast']['default'] == 'true', stores
image_utils.validate_stores_id(alice, 'cheap')
refused(exception.GlanceStoreNotFound, image_utils.validate_stores_id, alice, 'no such')
refused(exception.GlanceStoreReadOnly, image_utils.validate_stores_id, alice, 'web')

base = of_volume(alice, 'base')
image = of_volume(alice, 'of a cheap volume', store_id='cheap', base_image_ref=base['id'])
assert image['stores'] == 'cheap', image
direct_url, locations = service.get_location(alice, image['id'])
assert direct_url == 'file://' + os.environ['CHEAP'] + '/' + image['id'], direct_url
assert locations == [{'url': direct_url, 'metadata': {'store': 'cheap'}}], locations
CONF.set_override('allowed_direct_url_schemes', ['file'])
image_utils.fetch(alice, service, image['id'], COPY, None, None)
assert bytes_of(COPY) == bytes_of(DISK)

elsewhere = service.create(alice, {'name': 'elsewhere', **RAW})
refused(exception.ImageNotAuthorized, service.add_location, reader, elsewhere['id'], os.environ['SOURCE'], {})
refused(exception.Invalid, service.add_location, alice, elsewhere['id'], 'cinder://' + NONE, {})
added = service.add_location(alice, elsewhere['id'], os.environ['SOURCE'], {'store': 'web'})
assert (added['status'], added['stores']) == ('active', 'web'), added
assert service.get_location(alice, elsewhere['id'])[0] == os.environ['SOURCE']
image_utils.fetch(alice, service, elsewhere['id'], COPY, None, None)
assert bytes_of(COPY) == bytes_of(DISK)
print('stored')
`;

const CINDER_CHANGES = `${CINDER}
image = of_volume(bob, 'volume 1', properties={'a': '1', 'b': '2'})
of_volume(bob, 'volume 2')
in_order = {'sort_key': 'name', 'sort_dir': 'asc'}
names = [each['name'] for each in service.detail(bob, **in_order)]
assert [name for name in names if name.startswith('volume')] == ['volume 1', 'volume 2'], names
assert [each['name'] for each in service.detail(bob, filters={'name': 'volume 2'})] == ['volume 2']
assert len(service.detail(bob, limit=1)) == 1

changed = service.update(bob, image['id'], {'name': 'renamed', 'properties': {'b': '3'}})
assert (changed['name'], changed['properties']) == ('renamed', {'b': '3'}), changed
kept = service.update(bob, image['id'], {'properties': {'c': '4'}}, purge_props=False)
assert kept['properties'] == {'b': '3', 'c': '4'}, kept
assert list(service.list_members(bob, image['id'])) == []

for context, id in [(alice, image['id']), (bob, NONE)]:
    refused(exception.ImageNotFound, service.show, context, id)
    refused(exception.ImageNotFound, service.update, context, id, {'name': 'x'})
    refused(exception.ImageNotFound, service.delete, context, id)
    refused(exception.ImageNotFound, service.download, context, id)
    refused(exception.ImageNotFound, service.get_location, context, id)
red = of_volume(alice, 'of red')
refused(exception.ImageNotAuthorized, service.update, reader, red['id'], {'name': 'x'})
refused(exception.ImageNotAuthorized, service.download, reader, red['id'])
refused(exception.ImageNotAuthorized, service.update, alice, red['id'], {'visibility': 'public'})
assert service.delete(bob, image['id']) is True
refused(exception.ImageNotFound, service.show, bob, image['id'])
print('changed')
`;

const describeAll = describeWithAll(describeWithNovaAndCinder(), describeWithKeystone());

describeAll('the code of Nova and Cinder, unmodified', () => {
  let keystone: Keystone;
  let source: ImageSource;
  let deployment: Deployment;
  let directory: string;
  let nova: OpenstackService;
  let cinder: OpenstackService;
  let environment: Record<string, string>;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-nova-'));
    const data = randomBytes(1024 * 1024);
    environment = {
      DISK: path.join(directory, 'disk.raw'),
      CHEAP: path.join(directory, 'cheap'),
    };
    await writeFile(environment['DISK']!, data);
    source = await ImageSource.start(data);
    environment['SOURCE'] = source.url;
    keystone = await Keystone.start();
    for (const [name, role] of Object.entries({
      alice: 'member',
      reader: 'reader',
      bob: 'member',
    })) {
      await keystone.addUser(USERS[name]!, role);
    }
    const policy = path.join(directory, 'policy.yaml');
    // What Nova's guide asks for, so that it may have images copied on behalf of users.
    await writeFile(policy, '"copy_image": "role:member"\n');
    deployment = await Deployment.start({
      database: 'mysql',
      flavor: 'keystone',
      beforeSync: (each) =>
        copyFile(
          path.join(ROOT, 'deploy/etc/schema-image.json'),
          path.join(each.directory, 'schema-image.json'),
        ),
      api: {
        DEFAULT: [
          'enabled_backends = fast:file, cheap:file, web:http',
          'enabled_import_methods = [copy-image]',
          'show_image_direct_url = true',
          'show_multiple_locations = true',
        ],
        oslo_policy: [`policy_file = ${policy}`],
        glance_store: ['default_backend = fast'],
        fast: [`filesystem_store_datadir = ${directory}/fast`],
        cheap: [`filesystem_store_datadir = ${environment['CHEAP']}`],
        web: source.storeOptions.slice(1),
        keystone_authtoken: keystone.authtoken,
      },
    });
    await keystone.setImageEndpoint(deployment.apiUrl);
    environment['GLANCE'] = deployment.apiUrl;
    nova = await OpenstackService.configure('nova', keystone, directory, {
      glance: ['num_retries = 0'],
    });
    cinder = await OpenstackService.configure('cinder', keystone, directory, {
      DEFAULT: [`image_conversion_dir = ${directory}/conversion`, 'glance_num_retries = 0'],
    });
  }, 120_000);

  afterAll(async () => {
    await deployment.stop();
    await source.close();
    await keystone.stop();
    await rm(directory, { recursive: true });
  });

  it.each([
    ['takes snapshots: metadata first, data when there is some', NOVA_SNAPSHOT, 'taken'],
    ['lists with its filters, in its order, page by page', NOVA_LISTS, 'listed'],
    ['changes and deletes, by id and by URL', NOVA_CHANGES, 'changed'],
    ['understands what it is refused', NOVA_REFUSED, 'refused'],
    ['shares a snapshot of somebody else with the owner of the instance', NOVA_SHARES, 'shared'],
    ['has images copied to the store of a site', NOVA_COPIES, 'copied'],
  ])('Nova %s', async (_, program, word) => {
    expect(await nova.run(program, USERS, environment)).toContain(word);
  });

  it('Nova goes on for a user whose token has ended', async () => {
    const port = await keystone.serve(4);
    const { OS_PASSWORD } = keystone.environment(USERS['alice']!);
    const out = await nova.run(NOVA_GOES_ON, USERS, {
      ...environment,
      OS_PASSWORD: OS_PASSWORD!,
      BRIEF_KEYSTONE: `http://127.0.0.1:${port}/v3`,
    });
    expect(out).toContain('went on');
  });

  it.each([
    ['uploads volumes and fills volumes, converted where they must be', CINDER_VOLUMES, 'carried'],
    ['chooses stores, and finds and adds locations', CINDER_STORES, 'stored'],
    ['lists, changes and deletes, and understands what it is refused', CINDER_CHANGES, 'changed'],
  ])('Cinder %s', async (_, program, word) => {
    expect(await cinder.run(program, USERS, environment)).toContain(word);
  });
});
