import { execFileSync } from 'node:child_process';
import { constants, createPrivateKey, createSign, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describeWithClients, runClient } from './support/clients';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { IdentityServer } from './support/identity';

jest.setTimeout(120_000);

const ALICE = 'alice:project-a:member,reader';
const ADMIN = 'root:project-a:admin,member,reader';
const MIB = 1024 * 1024;

/** A site that converts what is imported, and users who sign (tasks sheet §7, lifecycle sheet §6). */
describeWithClients()('the real clients, at a site that converts and verifies', () => {
  let deployment: Deployment;
  let identity: IdentityServer;
  let directory: string;
  let disk: Buffer;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-disks-'));
    deployment = await Deployment.start({
      database: DATABASES.at(-1)!,
      flavor: 'fakeauth',
      api: {
        image_import_opts: ['image_import_plugins = [image_decompression, image_conversion]'],
        key_manager: ['backend = directory', `certificate_directory = ${directory}`],
        import: ['poll_interval = 0.5'],
        task: [`export_dir = ${path.join(directory, 'exports')}`],
      },
    });
    identity = await IdentityServer.start(deployment.apiUrl, [
      { id: 'project-a', name: 'project-a' },
    ]);
    disk = Buffer.concat([randomBytes(MIB), Buffer.alloc(3 * MIB)]);
    await writeFile(path.join(directory, 'disk.raw'), disk);
  });

  afterAll(async () => {
    await identity.stop();
    await deployment.stop();
    await rm(directory, { recursive: true });
  });

  const runAs = async (
    token: string,
    program: 'glance' | 'openstack',
    ...args: string[]
  ): Promise<string> =>
    (await runClient(program, args, { environment: identity.environment(token) })).toString();
  const run = (program: 'glance' | 'openstack', ...args: string[]): Promise<string> =>
    runAs(ALICE, program, ...args);
  const show = async (name: string): Promise<Record<string, unknown>> =>
    JSON.parse(await run('openstack', 'image', 'show', '-f', 'json', name)) as Record<
      string,
      unknown
    >;
  const saved = async (name: string): Promise<Buffer> => {
    const file = path.join(directory, 'saved');
    await run('openstack', 'image', 'save', '--file', file, name);
    return await readFile(file);
  };

  it('get a raw image of a packed qcow2', async () => {
    const file = path.join(directory, 'disk.qcow2');
    execFileSync('qemu-img', ['convert', '-O', 'qcow2', path.join(directory, 'disk.raw'), file]);
    await writeFile(`${file}.gz`, gzipSync(await readFile(file)));
    await run(
      'glance',
      'image-create-via-import',
      ...['--import-method', 'glance-direct', '--file', `${file}.gz`, '--name', 'converted'],
      ...['--disk-format', 'qcow2', '--container-format', 'bare'],
    );
    await eventually(async () => {
      expect(await show('converted')).toMatchObject({ status: 'active' });
    });
    const image = await show('converted');
    expect(image).toMatchObject({ disk_format: 'raw', size: disk.length });
    expect(image).toMatchObject({ virtual_size: disk.length });
    expect((await saved('converted')).equals(disk)).toBe(true);
    await eventually(async () => {
      const names = await readdir(deployment.stagingDirectory(0), { recursive: true });
      expect(names.filter((name) => /[0-9a-f]{8}-/.test(path.basename(name)))).toEqual([]);
    });
  });

  it('stage and import by one command, and make tasks of what they have', async () => {
    const raw = ['--disk-format', 'raw', '--container-format', 'bare'];
    const file = ['--file', path.join(directory, 'disk.raw')];
    await run('openstack', 'image', 'create', '--import', ...raw, ...file, 'staged');
    await eventually(async () => {
      expect(await show('staged')).toMatchObject({ status: 'active', size: disk.length });
    });
    const { id } = await show('staged');
    const taskOf = async (type: string): Promise<string> => {
      const input = JSON.stringify({ image_id: id });
      const made = await runAs(ADMIN, 'glance', 'task-create', '--type', type, '--input', input);
      const task = /\| id +\| (\S+)/.exec(made)?.[1] ?? '';
      await eventually(async () => {
        expect(await runAs(ADMIN, 'glance', 'task-show', task)).toMatch(/status +\| success/);
      });
      // Long values go on in the next line of the table.
      return (await runAs(ADMIN, 'glance', 'task-show', task)).replace(/[|\s]/g, '');
    };
    const task = await taskOf('export');
    const [exported = ''] = (await readdir(path.join(directory, 'exports'))).filter((name) =>
      name.startsWith(String(id)),
    );
    expect(task).toContain(exported);
    expect((await readFile(path.join(directory, 'exports', exported))).equals(disk)).toBe(true);
    const clone = /"image_id":"([^"]+)"/g;
    const ids = [...(await taskOf('clone')).matchAll(clone)].map(([, each]) => each);
    const made = ids.find((each) => each !== id) ?? '';
    const saved = path.join(directory, 'clone');
    await runAs(ADMIN, 'openstack', 'image', 'save', '--file', saved, made);
    expect((await readFile(saved)).equals(disk)).toBe(true);
  });

  it('upload what was signed, and nothing else', async () => {
    const certificate = randomUUID();
    const files = ['-keyout', 'signer.key', '-out', `${certificate}.pem`];
    const args = ['req', '-x509', '-nodes', '-subj', '/CN=signer', '-newkey', 'rsa:2048', ...files];
    execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
    const signature = createSign('sha256')
      .update(disk)
      .sign({
        key: createPrivateKey(await readFile(path.join(directory, 'signer.key'))),
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN,
      });
    const tampered = Buffer.from(disk);
    tampered[MIB - 1]! ^= 1;
    await writeFile(path.join(directory, 'tampered.raw'), tampered);
    const upload = (name: string, file: string): Promise<string> =>
      run(
        'openstack',
        ...['image', 'create', '--disk-format', 'raw', '--container-format', 'bare'],
        ...['--file', path.join(directory, file)],
        ...['--property', `img_signature=${signature.toString('base64')}`],
        ...['--property', 'img_signature_hash_method=SHA-256'],
        ...['--property', 'img_signature_key_type=RSA-PSS'],
        ...['--property', `img_signature_certificate_uuid=${certificate}`],
        name,
      );
    await upload('signed', 'disk.raw');
    expect(await show('signed')).toMatchObject({ status: 'active' });
    expect((await saved('signed')).equals(disk)).toBe(true);
    await expect(upload('tampered', 'tampered.raw')).rejects.toThrow(/BadRequest/);
    const left = await run(
      'openstack',
      'image',
      'list',
      '-f',
      'value',
      '-c',
      'Name',
      '-c',
      'Status',
    );
    expect(left).not.toMatch(/tampered active/);
  });
});
