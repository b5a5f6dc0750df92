import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { DATABASES, Deployment, ROOT, eventually, stopService } from './support/deployment';

jest.setTimeout(120_000);

const run = promisify(execFile);
const FORMATS = { 'x-image-meta-disk_format': 'raw', 'x-image-meta-container_format': 'bare' };

describe.each(DATABASES)('the processes on %s', (database) => {
  let deployment: Deployment;

  beforeEach(async () => {
    deployment = await Deployment.start({ database });
  });

  afterEach(async () => {
    await deployment.stop();
  });

  /** An upload that waits for its second half. */
  function halfUpload(id: string, total: number) {
    const request = http.request(`${deployment.apiUrl}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': total,
        'x-image-meta-id': id,
        ...FORMATS,
      },
    });
    const data = randomBytes(total);
    const answer = new Promise<{ status: number | undefined }>((resolve, reject) => {
      request.once('response', (response) => {
        response.resume();
        resolve({ status: response.statusCode });
      });
      request.once('error', reject);
    });
    answer.catch(() => undefined);
    request.write(data.subarray(0, total / 2));
    return { answer, finish: () => request.end(data.subarray(total / 2)), request };
  }

  async function status(id: string): Promise<string | null> {
    const head = await fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'HEAD' });
    return head.headers.get('x-image-meta-status');
  }

  const becomes = (id: string, wanted: string) =>
    eventually(async () => expect(await status(id)).toBe(wanted));

  it('let a running upload finish when they are stopped, and end with 0', async () => {
    const id = randomUUID();
    const upload = halfUpload(id, 2_000_000);
    await becomes(id, 'saving');
    const [api] = deployment.apis;
    api!.child.kill('SIGTERM');
    await eventually(async () => {
      await expect(fetch(`${deployment.apiUrl}/livez`)).rejects.toThrow();
    });
    upload.finish();
    expect(await upload.answer).toEqual({ status: 201 });
    expect(await api!.exited).toBe(0);
    await deployment.restart(api!);
    await becomes(id, 'active');
    expect(await deployment.filesInStore()).toEqual([id]);
  });

  it('take a running upload back when the drain time is over', async () => {
    await deployment.stop();
    deployment = await Deployment.start({
      database,
      api: { DEFAULT: ['graceful_shutdown_timeout = 0.2'] },
    });
    const id = randomUUID();
    const upload = halfUpload(id, 2_000_000);
    await becomes(id, 'saving');
    const [api] = deployment.apis;
    api!.child.kill('SIGTERM');
    const outcome = await upload.answer.catch(() => ({ status: undefined }));
    expect([503, undefined]).toContain(outcome.status);
    expect(await api!.exited).toBe(0);
    await deployment.restart(api!);
    expect(await status(id)).toBe('killed');
    expect(await deployment.filesInStore()).toEqual([]);
  });

  it('give an image back when the uploading process is killed', async () => {
    await deployment.stop();
    deployment = await Deployment.start({
      database,
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.2'] },
      api: { transfer: ['sweep_interval = 0.2'] },
    });
    const id = randomUUID();
    const upload = halfUpload(id, 2_000_000);
    await becomes(id, 'saving');
    const [api] = deployment.apis;
    api!.child.kill('SIGKILL');
    await expect(upload.answer).rejects.toThrow();
    await deployment.restart(api!);
    await eventually(async () => expect(await status(id)).toBe('killed'), 20_000);
    await eventually(async () => expect(await deployment.filesInStore()).toEqual([]));
  });

  it('keep serving what the registry does not have to say while it is down', async () => {
    await stopService(deployment.registries[0]!);
    const list = await fetch(`${deployment.apiUrl}/v1/images`, {
      headers: { accept: 'text/plain' },
    });
    expect(list.status).toBe(503);
    expect(list.headers.get('retry-after')).toBeTruthy();
    expect(await list.text()).not.toMatch(/ECONNREFUSED|127\.0\.0\.1/);
    expect((await fetch(`${deployment.apiUrl}/livez`)).status).toBe(200);
    expect((await fetch(`${deployment.apiUrl}/versions`)).status).toBe(200);
    await eventually(
      async () => expect((await fetch(`${deployment.apiUrl}/readyz`)).status).toBe(503),
      60_000,
    );
    await deployment.restart(deployment.registries[0]!);
    await eventually(async () =>
      expect((await fetch(`${deployment.apiUrl}/v1/images`)).status).toBe(200),
    );
  });

  it('say which option of which file is wrong, and do not start', async () => {
    const file = path.join(deployment.directory, 'bad.conf');
    await writeFile(file, '[DEFAULT]\nbind_host = 127.0.0.1\nworkers = many\n');
    const api = path.join(ROOT, 'packages/glance-api/bin/glance-api.js');
    await expect(run(process.execPath, [api, '--config-file', file])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        `${file}:3: [DEFAULT] workers = many: must be an integer from 0 to 256`,
      ),
    });
  });

  it('do not start with a service key that the registry does not know', async () => {
    const [api] = deployment.apis;
    await stopService(api!);
    const key = ['--service-auth-key', 'x'.repeat(32)];
    const program = path.join(ROOT, 'packages/glance-api/bin/glance-api.js');
    await expect(
      run(process.execPath, [program, '--config-file', api!.configFile, ...key]),
    ).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('[service_auth] key') });
  });

  it('refuse to listen where anybody could command them', async () => {
    const api = path.join(ROOT, 'packages/glance-api/bin/glance-api.js');
    const registry = path.join(ROOT, 'packages/glance-registry/bin/glance-registry.js');
    const start = (program: string, ...args: string[]) =>
      run(process.execPath, [program, '--workers=1', ...args]).catch((error: unknown) => error);
    expect(await start(api, '--bind-host=0.0.0.0', '--bind-port=0')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('flavor'),
    });
    expect(
      await start(
        registry,
        '--bind-host=0.0.0.0',
        '--bind-port=0',
        `--database-connection=${deployment.databaseUrl}`,
      ),
    ).toMatchObject({ code: 2, stderr: expect.stringContaining('[service_auth] key') });
  });

  it('serve from several workers, and replace one that dies', async () => {
    const [api] = deployment.apis;
    await stopService(api!);
    await writeFile(
      api!.configFile,
      (await import('node:fs'))
        .readFileSync(api!.configFile, 'utf8')
        .replace('workers = 1', 'workers = 2'),
    );
    const again = await deployment.restart(api!);
    const workers = async (): Promise<string[]> => {
      const { stdout } = await run('pgrep', ['-P', String(again.child.pid)]);
      return stdout.trim().split('\n');
    };
    const before = await workers();
    expect(before).toHaveLength(2);
    process.kill(Number(before[0]), 'SIGKILL');
    await eventually(async () => {
      const now = await workers();
      expect(now).toHaveLength(2);
      expect(now).not.toContain(before[0]);
    });
    // The other of the first two may still be starting.
    await eventually(async () => {
      expect((await fetch(`${deployment.apiUrl}/v1/images`)).status).toBe(200);
    });
  });

  it('answer /healthcheck with 503 while the disable file exists', async () => {
    await deployment.stop();
    const flag = path.join('/tmp', `glance-disable-${randomUUID()}`);
    deployment = await Deployment.start({
      database,
      api: { healthcheck: [`disable_by_file_path = ${flag}`] },
    });
    expect(await (await fetch(`${deployment.apiUrl}/healthcheck`)).text()).toBe('OK');
    await writeFile(flag, '');
    try {
      const answer = await fetch(`${deployment.apiUrl}/healthcheck`);
      expect([answer.status, await answer.text()]).toEqual([503, 'DISABLED BY FILE']);
    } finally {
      await (await import('node:fs/promises')).rm(flag);
    }
  });
});
