import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readSwiftOptions } from './swift-options';

const given = {
  swift_store_auth_address: 'http://keystone.example.org:5000/v3',
  swift_store_user: 'service:glance',
  swift_store_key: 'hidden',
};

describe('options of the swift store', () => {
  let directory: string;
  let warnings: string[];
  const context = { storeId: 'swift', warn: (message: string) => void warnings.push(message) };

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'glance-swift-options-'));
  });
  beforeEach(() => {
    warnings = [];
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function references(text: string): string {
    const file = join(directory, 'swift.conf');
    writeFileSync(file, text);
    return file;
  }

  it('have upstream’s defaults', () => {
    expect(readSwiftOptions(given, context)).toMatchObject({
      area: { container: 'glance', seed: 0, defaultReference: '' },
      authVersion: '3',
      insecure: false,
      interfaceName: 'public',
      serviceType: 'object-store',
      createContainer: false,
      largeObjectBytes: 5_242_880_000,
      segmentBytes: 204_800_000,
      retryGetCount: 0,
      renewBeforeMs: 60_000,
      bufferDirectory: undefined,
    });
    expect(warnings).toEqual([expect.stringContaining('swift_store_config_file')]);
    expect(warnings.join()).not.toContain('hidden');
  });

  it('take accounts from a references file, and leave out those with a mistake', () => {
    const file = references(`
# comment
[ref1]
auth_address = keystone.example.org/v3/
user = service:glance
key = "a = 'b'"
project_domain_name = Projects
user_domain_id = users
[application]
auth_address: http://keystone.example.org
application_credential_id = id
application_credential_secret = secret
[open quote]
auth_address = keystone.example.org
user = 'service:glance
key = hidden
[no key]
auth_address = keystone.example.org
user = service:glance
`);
    const { area } = readSwiftOptions({ swift_store_config_file: file }, context);
    expect(Object.fromEntries(area.references)).toEqual({
      ref1: {
        authAddress: 'https://keystone.example.org/v3',
        user: 'service:glance',
        key: "a = 'b'",
        isApplicationCredential: false,
        userDomain: { id: 'users' },
        projectDomain: { name: 'Projects' },
      },
      application: {
        authAddress: 'http://keystone.example.org',
        user: 'id',
        key: 'secret',
        isApplicationCredential: true,
        userDomain: { id: 'default' },
        projectDomain: { id: 'default' },
      },
    });
    expect(warnings).toEqual([
      expect.stringContaining('section open quote is left out: user has a quote'),
      expect.stringContaining('section no key is left out: needs user and key'),
    ]);
    expect(warnings.join()).not.toContain('hidden');
  });

  it('name the default reference that is missing', () => {
    const file = references('[ref2]\nauth_address = a\nuser = b:c\nkey = d\n');
    const reading = () => readSwiftOptions({ swift_store_config_file: file }, context);
    expect(reading).toThrow('has no usable section ref1, which default_swift_reference names');
  });

  const tenants = { ...given, swift_store_multi_tenant: 'true' };

  it('know of no locations with credentials where images are in the accounts of projects', () => {
    const settings = readSwiftOptions(
      { ...tenants, swift_store_endpoint: 'https://swift.example.org/v1/AUTH_$(tenant_id)s/' },
      context,
    );
    expect(settings).toMatchObject({
      adminProjects: [],
      endpoint: 'https://swift.example.org/v1/AUTH_%(project_id)s',
    });
    expect(warnings).toEqual([]);
  });

  it.each([
    ['swift_store_config_file', '/etc/glance/swift.conf'],
    ['swift_store_auth_version', '1'],
    ['swift_store_multiple_containers_seed', '2'],
    ['swift_store_endpoint', 'https://swift.example.org/v1/AUTH_one'],
  ])('refuse the accounts of projects with %s = %s', (name, value) => {
    const reading = () => readSwiftOptions({ ...tenants, [name]: value }, context);
    expect(reading).toThrow('option swift_store_multi_tenant: ');
    expect(reading).toThrow(name);
  });

  it.each([
    ['swift_store_auth_address', 'ftp://keystone.example.org'],
    ['swift_store_auth_address', 'http://user:word@keystone.example.org'],
    ['swift_store_auth_address', ''],
    ['swift_store_key', '', 'swift_store_auth_address'],
    ['swift_store_user', 'without-project', 'swift_store_auth_address'],
    ['swift_store_auth_version', '2'],
    ['swift_store_container', 'a/b'],
    ['swift_store_multiple_containers_seed', '33'],
    ['swift_store_large_object_chunk_size', '0'],
    ['swift_store_endpoint', 'swift.example.org'],
    ['swift_store_endpoint_type', 'public'],
    ['swift_store_cacert', '/nonexistent/ca.pem'],
    ['swift_store_config_file', '/nonexistent/swift.conf'],
    ['swift_buffer_on_upload', 'true', 'swift_upload_buffer_dir'],
  ])('%s is not %s', (name, value, told = name) => {
    const reading = () => readSwiftOptions({ ...given, [name]: value }, context);
    expect(reading).toThrow(`store swift: option ${told}: `);
    expect(reading).not.toThrow(/hidden/);
  });
});
