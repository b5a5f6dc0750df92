import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runClient } from './support/clients';
import { DATABASES, Deployment } from './support/deployment';
import { IdentityServer } from './support/identity';
import { CLIENT_ENVIRONMENT, PYTHON } from './support/openstack-client';

jest.setTimeout(240_000);

/** Debian 12's openstacksdk has no calls for metadata definitions: a newer one beside it, unpacked. */
const NEWER_SDK = process.env['OPENSTACKSDK_PATH'];
const environment = {
  ...CLIENT_ENVIRONMENT,
  ...(NEWER_SDK === undefined ? {} : { PYTHONPATH: NEWER_SDK }),
};

function describeWithMetadefCalls(): jest.Describe {
  const check =
    'from openstack.image.v2._proxy import Proxy; Proxy.delete_all_metadef_properties; Proxy.metadef_objects';
  if (spawnSync(PYTHON, ['-c', check], { env: environment }).status === 0) return describe;
  const text =
    'NO openstacksdk 4 (OPENSTACKSDK_PATH, or python3-openstacksdk): the tests of its metadef calls are SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

const EVERY_CALL = `
import openstack
from openstack import exceptions
image = openstack.connect().image
POLICY = {'title': 'CPU policy', 'type': 'string', 'enum': ['shared', 'dedicated']}

def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError('%s was not refused with %s' % (call.__name__, error.__name__))

made = image.create_metadef_namespace(namespace='OS::Sdk', display_name='Sdk', visibility='public')
assert (made.namespace, made.visibility, made.is_protected) == ('OS::Sdk', 'public', False), made
assert made.owner == 'ops', made.owner
refused(exceptions.ConflictException, image.create_metadef_namespace, namespace='OS::Sdk')
others = ['Other %d' % n for n in range(4)]
for name in others:
    image.create_metadef_namespace(namespace=name)
paged = [each.namespace for each in image.metadef_namespaces(limit=2, sort_key='namespace', sort_dir='asc')]
assert paged == ['OS::Sdk'] + others, paged
changed = image.update_metadef_namespace('OS::Sdk', description='Changed', is_protected=True, visibility='public')
assert (changed.description, changed.is_protected) == ('Changed', True), changed
refused(exceptions.ForbiddenException, image.delete_metadef_namespace, 'OS::Sdk')
image.update_metadef_namespace('OS::Sdk', is_protected=False, visibility='public')
assert image.get_metadef_namespace('OS::Sdk').is_protected is False
refused(exceptions.NotFoundException, image.get_metadef_namespace, 'None such')

definition = image.create_metadef_property('OS::Sdk', name='policy', **POLICY)
assert (definition.name, definition.enum) == ('policy', POLICY['enum']), definition
image.update_metadef_property('policy', 'OS::Sdk', name='policy', title='New title', type='string', enum=['shared'])
shown = image.get_metadef_property('policy', 'OS::Sdk')
assert (shown.title, shown.enum) == ('New title', ['shared']), shown
image.create_metadef_property('OS::Sdk', name='second', title='Second', type='integer', minimum=1)
assert sorted(each.name for each in image.metadef_properties('OS::Sdk')) == ['policy', 'second']
image.delete_metadef_property('second', 'OS::Sdk')
refused(exceptions.NotFoundException, image.get_metadef_property, 'second', 'OS::Sdk')

group = image.create_metadef_object('OS::Sdk', name='group', description='d', properties={'inner': POLICY}, required=['inner'])
assert (group.name, group.required) == ('group', ['inner']), group
image.update_metadef_object('group', 'OS::Sdk', name='renamed', properties={'inner': POLICY})
assert image.get_metadef_object('renamed', 'OS::Sdk').properties['inner']['enum'] == POLICY['enum']
image.create_metadef_object('OS::Sdk', name='more')
assert sorted(each.name for each in image.metadef_objects('OS::Sdk')) == ['more', 'renamed']
image.delete_metadef_object('more', 'OS::Sdk')
image.delete_metadef_object('more', 'OS::Sdk')

image.create_metadef_resource_type_association('OS::Sdk', name='OS::Sdk::Type', prefix='sdk_')
associations = list(image.metadef_resource_type_associations('OS::Sdk'))
assert [(each.name, each.prefix) for each in associations] == [('OS::Sdk::Type', 'sdk_')], associations
assert 'OS::Sdk::Type' in [each.name for each in image.metadef_resource_types()]
assert [each.namespace for each in image.metadef_namespaces(resource_types='OS::Sdk::Type')] == ['OS::Sdk']
image.delete_metadef_resource_type_association('OS::Sdk::Type', 'OS::Sdk')
assert list(image.metadef_resource_type_associations('OS::Sdk')) == []

image.delete_all_metadef_properties('OS::Sdk')
image.delete_all_metadef_objects('OS::Sdk')
assert list(image.metadef_properties('OS::Sdk')) == list(image.metadef_objects('OS::Sdk')) == []
for name in ['OS::Sdk'] + others:
    image.delete_metadef_namespace(name)
image.delete_metadef_namespace('OS::Sdk')
assert list(image.metadef_namespaces()) == []

for name in ['namespace', 'namespaces', 'resource_type', 'resource_types', 'object', 'objects',
             'property', 'properties', 'tag', 'tags']:
    schema = getattr(image, 'get_metadef_%s_schema' % name)()
    assert schema.name and schema.properties, (name, schema)
print('every call')
`;

const ADMINISTRATOR_PREPARES = `
import openstack
image = openstack.connect().image
image.create_metadef_namespace(namespace='Open', visibility='public', is_protected=True)
image.create_metadef_namespace(namespace='Hers', owner='project-a')
image.create_metadef_namespace(namespace='His', owner='project-b')
print('prepared')
`;

const MEMBER_LOOKS = `
import openstack
from openstack import exceptions
image = openstack.connect().image
print('sees', ' '.join(sorted(each.namespace for each in image.metadef_namespaces())))
for error, call in [
    (exceptions.NotFoundException, lambda: image.get_metadef_namespace('His')),
    (exceptions.ForbiddenException, lambda: image.create_metadef_namespace(namespace='Mine')),
    (exceptions.ForbiddenException, lambda: image.delete_metadef_namespace('Hers')),
    (exceptions.ForbiddenException, lambda: image.create_metadef_property('Open', name='p', title='P', type='string')),
]:
    try:
        call()
        raise AssertionError('not refused')
    except error:
        pass
`;

describeWithMetadefCalls().each(DATABASES)(
  'openstacksdk and metadata definitions on %s',
  (database) => {
    let deployment: Deployment;
    let identity: IdentityServer;

    beforeAll(async () => {
      deployment = await Deployment.start({ database, nodes: 2, flavor: 'fakeauth' });
      const projects = ['ops', 'project-a'].map((name) => ({ id: name, name }));
      identity = await IdentityServer.start(deployment.apiUrl, projects);
    });

    afterAll(async () => {
      await identity.stop();
      await deployment.stop();
    });

    async function run(token: string, program: string): Promise<string> {
      const script = path.join(deployment.directory, 'sdk.py');
      await writeFile(script, program);
      const out = await runClient('python3', [script], {
        environment: { ...environment, ...identity.environment(token) },
      });
      return out.toString();
    }

    const ADMIN = 'root:ops:admin,member,reader';

    it('makes, shows, changes, lists and deletes by every call it has', async () => {
      expect(await run(ADMIN, EVERY_CALL)).toContain('every call');
    });

    it('shows a project what is public or its own, and refuses it every change', async () => {
      expect(await run(ADMIN, ADMINISTRATOR_PREPARES)).toContain('prepared');
      expect(await run('alice:project-a:member,reader', MEMBER_LOOKS)).toContain('sees Hers Open');
    });
  },
);
