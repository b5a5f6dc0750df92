import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment } from './support/deployment';
import { describeWithClient, field, glance, rowsOf } from './support/glance-client';

jest.setTimeout(180_000);

const OWNER = 'alice:project-a:member';
const MEMBER = 'bob:project-b:member';
const STRANGER = 'carol:project-c:member';
/** How the client prints false. */
const NO = '';

describeWithClient().each(DATABASES)('sharing with the unmodified client on %s', (database) => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      nodes: 2,
      flavor: 'fakeauth',
      api: { DEFAULT: ['image_member_quota = 2'] },
    });
  });

  afterAll(async () => {
    await deployment.stop();
  });

  const as =
    (token: string, node = 0) =>
    (...args: string[]) =>
      glance(deployment.apiUrls[node]!, token, ...args);
  const alice = as(OWNER);
  const bob = as(MEMBER, 1);

  async function uploaded(name: string): Promise<string> {
    const file = path.join(deployment.directory, `${name}.raw`);
    await writeFile(file, `the data of ${name}`);
    const format = ['--disk-format', 'raw', '--container-format', 'bare'];
    const created = await alice('image-create', '--name', name, ...format, '--file', file);
    return field(created, 'id');
  }

  it('shows an image to a project from member-create to member-delete', async () => {
    const id = await uploaded('shared');
    await expect(bob('image-show', id)).rejects.toThrow('No image with a name or ID');
    await alice('member-create', id, 'project-b');

    expect(rowsOf(await alice('member-list', '--image-id', id))).toEqual([[id, 'project-b', NO]]);
    expect(rowsOf(await bob('member-list', '--tenant-id', 'project-b'))).toEqual([
      [id, 'project-b', NO],
    ]);
    expect(await bob('image-list')).toContain(id);
    const copy = path.join(deployment.directory, 'copy.raw');
    await bob('image-download', '--file', copy, id);
    expect(await as(STRANGER)('image-list')).not.toContain(id);

    await alice('member-delete', id, 'project-b');
    expect(rowsOf(await alice('member-list', '--image-id', id))).toEqual([]);
    await expect(bob('image-show', id)).rejects.toThrow('No image with a name or ID');
    expect(await bob('image-list')).not.toContain(id);
  });

  it('lets a member pass the image on only when it may share', async () => {
    const id = await uploaded('passed-on');
    await alice('member-create', id, 'project-b');
    await expect(bob('member-create', id, 'project-c')).rejects.toThrow(
      'No permission to share that image.',
    );
    await alice('member-delete', id, 'project-b');
    await alice('member-create', '--can-share', id, 'project-b');
    await bob('member-create', id, 'project-c');
    expect(rowsOf(await alice('member-list', '--image-id', id))).toEqual([
      [id, 'project-b', 'True'],
      [id, 'project-c', NO],
    ]);
    expect(field(await as(STRANGER)('image-show', id), 'name')).toBe('passed-on');
    await expect(alice('member-create', id, 'project-d')).rejects.toThrow('Maximum: 2');
  });

  it('keeps memberships when the registries start again', async () => {
    const id = await uploaded('kept');
    await alice('member-create', id, 'project-b');
    for (const registry of [...deployment.registries]) {
      registry.child.kill('SIGKILL');
      await registry.exited;
      await deployment.restart(registry);
    }
    expect(rowsOf(await bob('member-list', '--image-id', id))).toEqual([[id, 'project-b', NO]]);
  });
});
