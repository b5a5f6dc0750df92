import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment } from './support/deployment';
import { describeWithClient, field, glance as runClient } from './support/glance-client';

jest.setTimeout(180_000);

const FORMATS = ['--disk-format', 'raw', '--container-format', 'bare'];

describeWithClient().each(DATABASES)('limits, seen by the unmodified client on %s', (database) => {
  let deployment: Deployment;
  let file: string;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      flavor: 'fakeauth',
      api: {
        DEFAULT: ['user_storage_quota = 2500', 'image_property_quota = 2', 'image_size_cap = 5000'],
      },
    });
    file = path.join(deployment.directory, 'thousand.raw');
    await writeFile(file, randomBytes(1000));
  });

  afterAll(async () => {
    await deployment.stop();
  });

  const as =
    (project: string) =>
    (...args: string[]): Promise<string> =>
      runClient(deployment.apiUrl, `user:${project}:member`, ...args);

  it('the storage quota of a project, which what is deleted gives back', async () => {
    const glance = as('small');
    const create = () => glance('image-create', ...FORMATS, '--file', file);
    const first = field(await create(), 'id');
    await create();
    await expect(create()).rejects.toThrow(/413|exceed/);
    // Nobody else's.
    const other = await as('other')('image-create', ...FORMATS, '--file', file);
    expect(field(other, 'status')).toBe('active');
    await glance('image-delete', first);
    expect(field(await create(), 'status')).toBe('active');
    expect(await deployment.filesInStore()).toHaveLength(3);
  });

  it('the number of properties of an image', async () => {
    const glance = as('props');
    const property = (name: string) => ['--property', `${name}=x`];
    const created = await glance('image-create', ...property('a'), ...property('b'));
    const id = field(created, 'id');
    await expect(glance('image-update', ...property('c'), id)).rejects.toThrow(
      /Attempted: 3, Maximum: 2/,
    );
    await glance('image-update', '--property', 'a=changed', id);
    expect(field(await glance('image-show', id), "Property 'a'")).toBe('changed');
  });

  it('the size of an image', async () => {
    const large = path.join(deployment.directory, 'large.raw');
    await writeFile(large, randomBytes(5001));
    const attempt = as('large')('image-create', ...FORMATS, '--file', large);
    await expect(attempt).rejects.toThrow('larger than 5000 bytes');
  });

  it('the protection of an image, until it is taken off', async () => {
    const glance = as('careful');
    const created = await glance(
      ...['image-create', ...FORMATS, '--is-protected', 'True', '--file', file],
    );
    const id = field(created, 'id');
    // The client says so and ends with 0.
    expect(await glance('image-delete', id)).toContain('Image is protected');
    expect(field(await glance('image-show', id), 'status')).toBe('active');
    await glance('image-update', '--is-protected', 'False', id);
    await glance('image-delete', id);
    expect(await glance('image-list')).not.toContain(id);
  });
});
