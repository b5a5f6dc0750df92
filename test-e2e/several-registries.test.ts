import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  DATABASES,
  Deployment,
  eventually,
  stopService,
  type ServiceProcess,
} from './support/deployment';

jest.setTimeout(120_000);

const IMAGE = {
  'content-type': 'application/octet-stream',
  'x-image-meta-disk_format': 'raw',
  'x-image-meta-container_format': 'bare',
};

describe.each(DATABASES)('an api that knows several registries on %s', (database) => {
  let deployment: Deployment;
  let second: string;
  let port: string;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      // Of three nobody answers at the last.
      api: { DEFAULT: ['registry_host = 127.0.0.1, 127.0.0.2, 127.0.0.3'] },
    });
    ({ port } = new URL(deployment.registryUrls[0]!));
    const first = await readFile(path.join(deployment.directory, 'registry-0.conf'), 'utf8');
    second = first.replace('[DEFAULT]', '[DEFAULT]\nbind_host = 127.0.0.2');
  });

  afterAll(async () => {
    await deployment.stop();
  });

  async function startSecond(): Promise<ServiceProcess> {
    const registry = await deployment.addService('glance-registry', second);
    await eventually(async () => {
      expect((await fetch(`http://127.0.0.2:${port}/readyz`)).status).toBe(200);
    });
    return registry;
  }

  /** Reads and writes. @returns what did not succeed */
  async function failures(): Promise<string[]> {
    const failed: string[] = [];
    const expectOk = async (answer: Response): Promise<unknown> => {
      const text = await answer.text();
      if (!answer.ok) failed.push(`${answer.status} ${text}`);
      return answer.ok ? JSON.parse(text || '{}') : undefined;
    };
    for (let round = 0; round < 10; round += 1) {
      const init = { method: 'POST', headers: IMAGE, body: `data ${round}` };
      const made = await expectOk(await fetch(`${deployment.apiUrl}/v1/images`, init));
      await expectOk(await fetch(`${deployment.apiUrl}/v2/images`));
      const { id } = (made as { image: { id: string } } | undefined)?.image ?? { id: 'none' };
      await expectOk(await fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'DELETE' }));
    }
    return failed;
  }

  it('goes on with each of them while the other is gone', async () => {
    expect(await failures()).toEqual([]);
    const other = await startSecond();
    deployment.registries[0]!.child.kill('SIGKILL');
    await deployment.registries[0]!.exited;
    expect(await failures()).toEqual([]);
    expect((await fetch(`${deployment.apiUrl}/readyz`)).status).toBe(200);
    await deployment.restart(deployment.registries[0]!);
    await stopService(other);
    expect(await failures()).toEqual([]);
  });
});

describe('healthcheck, the command of both services', () => {
  it('says with its exit code whether the service of the configuration lives', async () => {
    const deployment = await Deployment.start({ database: 'sqlite' });
    try {
      for (const service of ['api', 'registry'] as const) {
        for (const route of ['livez', 'readyz']) {
          const well = { code: 0, out: '', err: '' };
          expect(await deployment.healthcheck(service, route)).toEqual(well);
        }
      }
      // In a container it may be told less than the service was.
      const { host } = new URL(deployment.registryUrls[0]!);
      const address = path.join(deployment.directory, 'address.conf');
      await writeFile(address, `[DEFAULT]\nbind_port = ${host.split(':')[1]}\n`);
      expect(await deployment.healthcheck('registry', 'readyz', address)).toMatchObject({
        code: 0,
      });
      const unknown = await deployment.healthcheck('api', 'helathz');
      expect(unknown.code).toBe(2);
      expect(unknown.err).toContain(
        'healthcheck helathz: no such command; there are: healthcheck livez, healthcheck readyz',
      );
      await stopService(deployment.registries[0]!);
      await eventually(async () => {
        expect((await deployment.healthcheck('api', 'readyz')).err).toContain(
          '/readyz: status 503',
        );
      });
      expect((await deployment.healthcheck('api', 'livez')).code).toBe(0);
      await stopService(deployment.apis[0]!);
      const { code, err } = await deployment.healthcheck('api', 'livez');
      expect(code).toBe(1);
      expect(err).toContain(`glance-api: ${deployment.apiUrl}/livez: `);
      expect(err).toContain('ECONNREFUSED');
    } finally {
      await deployment.stop();
    }
  });
});
