import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ROOT, eventually, freePorts, imageOf } from './support/deployment';

jest.setTimeout(120_000);

describe('npm start', () => {
  let directory: string;
  let running: ChildProcess | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-start-'));
  });

  afterEach(async () => {
    running?.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  async function start(apiPort: number, registryPort: number): Promise<() => string> {
    let output = '';
    running = spawn(
      'npm',
      [
        'start',
        '--',
        `--data-dir=${directory}`,
        `--api-port=${apiPort}`,
        `--registry-port=${registryPort}`,
      ],
      // A group of its own, as a terminal gives it: Ctrl-C reaches every process of it.
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    );
    running.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    running.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await eventually(async () => expect(output).toContain('Ctrl-C stops it'), 60_000);
    return () => output;
  }

  async function stop(signal: NodeJS.Signals): Promise<number | null> {
    const child = running!;
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    if (signal === 'SIGINT') process.kill(-child.pid!, signal);
    else child.kill(signal);
    running = undefined;
    return await exited;
  }

  it('says what to try, serves, stops on Ctrl-C, and keeps the data for the next start', async () => {
    const [apiPort, registryPort] = (await freePorts(2)) as [number, number];
    const url = `http://127.0.0.1:${apiPort}`;
    const output = await start(apiPort, registryPort);
    expect(output()).toContain(`curl ${url}/v2/images`);
    const catalogue = await fetch(`${url}/v2/metadefs/namespaces/Image::Hardware`);
    expect(await catalogue.text()).toContain('"hw_disk_bus"');
    const created = await fetch(`${url}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'x-image-meta-name': 'kept',
        'x-image-meta-disk-format': 'raw',
        'x-image-meta-container-format': 'bare',
      },
      body: 'kept bytes',
    });
    expect(created.status).toBe(201);
    const { id } = await imageOf(created);
    await stop('SIGINT');
    await eventually(async () => {
      await expect(fetch(url)).rejects.toThrow();
    });

    await start(apiPort, registryPort);
    const download = await fetch(`${url}/v1/images/${id}`);
    expect(await download.text()).toBe('kept bytes');
    await stop('SIGINT');
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'takes its services along on %s to npm',
    async (signal) => {
      const [apiPort, registryPort] = (await freePorts(2)) as [number, number];
      await start(apiPort, registryPort);
      await stop(signal);
      await eventually(async () => {
        await expect(fetch(`http://127.0.0.1:${apiPort}/livez`)).rejects.toThrow();
        await expect(fetch(`http://127.0.0.1:${registryPort}/livez`)).rejects.toThrow();
      });
    },
  );
});
