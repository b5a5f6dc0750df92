import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment, eventually, stopService } from './support/deployment';
import { describeWithClient, field, glance } from './support/glance-client';

jest.setTimeout(180_000);

const MEMBER = 'alice:project-a:member';
const AUDITOR = 'olga:project-a:reader,auditor';
const READER = 'rita:project-a:reader';
const ADMIN = 'root:admin:admin';

const PROTECTIONS = `
[^licence_]
create = admin
read = admin,auditor
update = admin
delete = admin

[.*]
create = @
read = @
update = @
delete = @
`;

describeWithClient().each(DATABASES)('rules under the unmodified client on %s', (database) => {
  let deployment: Deployment;
  let id: string;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      flavor: 'fakeauth',
      // Every process reads the files for itself.
      api: { DEFAULT: ['workers = 2'] },
    });
    const file = path.join(deployment.directory, 'disk.raw');
    await writeFile(file, 'the data');
    const format = ['--disk-format', 'raw', '--container-format', 'bare'];
    id = field(await as(MEMBER)('image-create', '--name', 'i', ...format, '--file', file), 'id');
  });

  afterEach(() => policy('{}'));

  afterAll(async () => {
    await deployment.stop();
  });

  const as =
    (token: string) =>
    (...args: string[]) =>
      glance(deployment.apiUrl, token, ...args);

  const policy = (text: string): Promise<void> =>
    writeFile(path.join(deployment.directory, 'policy.yaml'), text);

  it('a reader sees images and neither downloads nor changes them', async () => {
    expect(await as(READER)('image-list')).toContain(id);
    expect(await as(READER)('image-show', id)).toContain(id);
    const copy = path.join(deployment.directory, 'read.raw');
    await expect(as(READER)('image-download', '--file', copy, id)).rejects.toThrow(
      'You are not authorized to complete download_image action.',
    );
    await expect(as(READER)('image-update', '--name', 'x', id)).rejects.toThrow('modify_image');
    await expect(as(READER)('member-create', id, 'project-b')).rejects.toThrow('add_member');
    expect(await as(READER)('image-delete', id)).toContain('delete_image');
    await as(MEMBER)('image-download', '--file', copy, id);
  });

  it('a policy file that appears beside the configuration holds for the next call', async () => {
    expect(await as(MEMBER)('image-list')).toContain(id);
    await policy('get_images: "role:auditor"\ndownload_image: "role:admin or role:auditor"\n');
    for (let count = 0; count < 4; count += 1) {
      await expect(as(MEMBER)('image-list')).rejects.toThrow(
        'You are not authorized to complete get_images action.',
      );
    }
    expect(await as(AUDITOR)('image-list')).toContain(id);
    const copy = path.join(deployment.directory, 'copy.raw');
    await expect(as(MEMBER)('image-download', '--file', copy, id)).rejects.toThrow(
      'download_image',
    );
    await as(AUDITOR)('image-download', '--file', copy, id);
  });

  it('a policy file that cannot be used changes nothing and is named in the log', async () => {
    await policy('get_images: "role:auditor"\n');
    await expect(as(MEMBER)('image-list')).rejects.toThrow('get_images');
    await policy('get_images: "@"\nget_image: "role:auditor or"\n');
    await expect(as(MEMBER)('image-list')).rejects.toThrow('get_images');
    expect(await as(MEMBER)('image-show', id)).toContain(id);
    await eventually(async () => {
      expect(deployment.logs()).toContain(
        `${deployment.directory}/policy.yaml:2: rule "get_image" at character 16: a check is missing at the end`,
      );
    });
    await policy('{}');
    expect(await as(MEMBER)('image-list')).toContain(id);
  });

  it('protected properties are for those whom the file names', async () => {
    await writeFile(path.join(deployment.directory, 'protections.conf'), PROTECTIONS);
    const api = deployment.apis[0]!;
    await stopService(api);
    await writeFile(api.configFile, '\n[DEFAULT]\nproperty_protection_file = protections.conf\n', {
      flag: 'a',
    });
    await deployment.restart(api);

    await expect(as(MEMBER)('image-update', '--property', 'licence_key=mine', id)).rejects.toThrow(
      "Property 'licence_key' is protected",
    );
    await as(ADMIN)('image-update', '--property', 'licence_key=4711', id);
    const shown = await as(MEMBER)('image-update', '--purge-props', '--property', 'os=bsd', id);
    expect(shown).not.toContain('licence_key');
    expect(field(await as(AUDITOR)('image-show', id), "Property 'licence_key'")).toBe('4711');
    expect(await as(MEMBER)('image-show', id)).not.toContain('4711');

    await writeFile(
      path.join(deployment.directory, 'protections.conf'),
      PROTECTIONS.replace('read = admin,auditor', 'read = @'),
    );
    expect(field(await as(MEMBER)('image-show', id), "Property 'licence_key'")).toBe('4711');
  });

  it('rules that cannot be used stop the start', async () => {
    const api = deployment.apis[0]!;
    await stopService(api);
    await policy('get_image: "rule:nobody"\n');
    await expect(deployment.restart(api)).rejects.toThrow(
      /Cannot start: .*policy\.yaml:1: rule "get_image" at character 1: there is no rule "nobody"/,
    );
    expect(await deployment.apis[0]!.exited).toBe(2);
    await policy('{}');
    await deployment.restart(deployment.apis[0]!);
    expect(await as(MEMBER)('image-show', id)).toContain(id);
  });
});
