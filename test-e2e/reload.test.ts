import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { Certificates } from './support/certificates';
import { Deployment, eventually, freePorts, type ServiceProcess } from './support/deployment';

jest.setTimeout(120_000);

/** Certificates of these tests have names that no address has. */
const NO_NAME = { host: '127.0.0.1', checkServerIdentity: () => undefined };

/** Tells a service to read again and waits until it has, workers and all. */
async function hangUp(service: ServiceProcess, workers = 1): Promise<void> {
  const line = /SIGHUP: read again: [^\n]*\[service_auth\]/g;
  const count = (): number => service.log().match(line)?.length ?? 0;
  const before = count();
  service.child.kill('SIGHUP');
  await eventually(async () => {
    expect(count()).toBe(before + workers);
  });
}

describe('SIGHUP', () => {
  let certificates: Certificates;
  let deployment: Deployment | undefined;

  beforeAll(async () => {
    certificates = await Certificates.create();
    await certificates.authority('ca');
  });

  afterAll(async () => {
    await certificates.remove();
  });

  afterEach(async () => {
    await deployment?.stop();
    deployment = undefined;
  });

  it.each([1, 2])('changes the certificate under a running upload, %i workers', async (workers) => {
    await certificates.certificate('api', 'ca', 'DNS:old.example');
    await certificates.certificate('next', 'ca', 'DNS:new.example');
    // The plain port of the deployment serves its readiness; a second api speaks TLS.
    const [port] = await freePorts(1);
    deployment = await Deployment.start({ database: 'sqlite' });
    const base = await readFile(path.join(deployment.directory, 'api-0.conf'), 'utf8');
    const tls = [
      `bind_port = ${port}`,
      `cert_file = ${certificates.file('api.crt')}`,
      `key_file = ${certificates.file('api.key')}`,
    ].join('\n');
    const text = base
      .replace(/^bind_port = \d+$/m, tls)
      .replace(/^workers = 1$/m, `workers = ${workers}`);
    const service = await deployment.addService('glance-api', text);
    const ca = readFileSync(certificates.file('ca.crt'));
    const nameShown = async (): Promise<string | undefined> => {
      const request = https.get({ port, ca, path: '/livez', agent: false, ...NO_NAME });
      const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
      answer.resume();
      return (answer.socket as TLSSocket).getPeerCertificate().subjectaltname;
    };
    await eventually(async () => {
      expect(await nameShown()).toBe('DNS:old.example');
    });

    const data = randomBytes(2_000_000);
    const upload = https.request({
      ...{ port, ca, method: 'POST', path: '/v1/images', ...NO_NAME },
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': data.length,
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      },
    });
    const answered = once(upload, 'response') as Promise<[http.IncomingMessage]>;
    upload.write(data.subarray(0, 1_000_000));
    // One that begins with a key that cannot be used does not begin.
    await eventually(async () => {
      expect(service.log().match(/Listening on/g)).toHaveLength(workers);
    });
    await eventually(async () => {
      const images = await fetch(`${deployment!.apiUrl}/v2/images`);
      expect(JSON.stringify(await images.json())).toContain('"status":"saving"');
    });

    await writeFile(certificates.file('api.key'), 'half written');
    await hangUp(service, workers);
    expect(service.log()).toMatch(
      /ERROR.*SIGHUP: .*what was in use stays: key_file = .*api\.key: holds no private key/,
    );
    expect(await nameShown()).toBe('DNS:old.example');

    await certificates.replace('api', 'next');
    await hangUp(service, workers);
    for (let each = 0; each < workers; each += 1) {
      expect(await nameShown()).toBe('DNS:new.example');
    }
    upload.end(data.subarray(1_000_000));
    const [answer] = await answered;
    answer.resume();
    expect(answer.statusCode).toBe(201);
  });

  it('opens the log file again when it was renamed, workers and all', async () => {
    const [port] = await freePorts(1);
    deployment = await Deployment.start({ database: 'sqlite' });
    const file = path.join(deployment.directory, 'api.log');
    const base = await readFile(path.join(deployment.directory, 'api-0.conf'), 'utf8');
    const text = base
      .replace(/^bind_port = \d+$/m, `bind_port = ${port}\nlog_file = ${file}`)
      .replace(/^workers = 1$/m, 'workers = 2');
    const service = await deployment.addService('glance-api', text);
    const requestsIn = async (name: string): Promise<number> =>
      (await readFile(name, 'utf8')).match(/"GET \/v2\/images"/g)?.length ?? 0;
    const ask = async (): Promise<number> => {
      const url = `http://127.0.0.1:${port}/v2/images`;
      return (await fetch(url, { headers: { connection: 'close' } })).status;
    };
    await eventually(async () => {
      expect(await ask()).toBe(200);
    });
    await eventually(async () => {
      expect(await requestsIn(file)).toBeGreaterThan(0);
    });
    await rename(file, `${file}.1`);
    service.child.kill('SIGHUP');
    // One line of the process that supervises, one of each worker.
    await eventually(async () => {
      const lines = (await readFile(file, 'utf8')).match(/SIGHUP: read again: log_file/g);
      expect(lines).toHaveLength(3);
    });
    const before = await requestsIn(`${file}.1`);
    for (let each = 0; each < 4; each += 1) expect(await ask()).toBe(200);
    await eventually(async () => {
      expect(await requestsIn(file)).toBe(4);
    });
    expect(await requestsIn(`${file}.1`)).toBe(before);
  });

  it('lets the service key be replaced on two nodes without one failed call', async () => {
    const [oldKey, newKey] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
    const keyFile = certificates.file('service.key');
    const setKeys = (...keys: string[]) => writeFile(keyFile, `${keys.join('\n')}\n`);
    await setKeys(oldKey);
    deployment = await Deployment.start({ database: 'sqlite', nodes: 2, serviceKeyFile: keyFile });
    const { apis, registries, apiUrls, registryUrls } = deployment;
    const contractWith = async (url: string, key: string): Promise<number> =>
      (await fetch(`${url}/v1`, { headers: { 'x-glance-service-key': key } })).status;

    let stop = false;
    const statuses: number[] = [];
    const load = apiUrls.flatMap((url) =>
      [1, 2].map(async () => {
        while (!stop) {
          statuses.push((await fetch(`${url}/v2/images`)).status);
          const created = await fetch(`${url}/v2/images`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: '{"name": "under rotation"}',
          });
          statuses.push(created.status);
          await created.arrayBuffer();
        }
      }),
    );
    const moreCalls = async (): Promise<void> => {
      const seen = statuses.length;
      await eventually(async () => {
        expect(statuses.length).toBeGreaterThan(seen + 20);
      });
    };
    try {
      await moreCalls();
      await setKeys(oldKey, newKey);
      for (const registry of registries) await hangUp(registry);
      await moreCalls();
      await setKeys(newKey, oldKey);
      for (const api of apis) await hangUp(api);
      await moreCalls();
      for (const url of registryUrls) expect(await contractWith(url, oldKey)).toBe(200);
      await setKeys(newKey);
      for (const service of [...registries, ...apis]) await hangUp(service);
      await moreCalls();
    } finally {
      stop = true;
      await Promise.all(load);
    }
    expect([...new Set(statuses)].sort()).toEqual([200, 201]);
    for (const url of registryUrls) {
      expect(await contractWith(url, oldKey)).toBe(401);
      expect(await contractWith(url, newKey)).toBe(200);
    }
    await setKeys('short');
    registries[0]!.child.kill('SIGHUP');
    await eventually(async () => {
      expect(registries[0]!.log()).toMatch(/what was in use stays: .*at least 32 characters/);
    });
    expect(await contractWith(registryUrls[0]!, newKey)).toBe(200);
    expect(deployment.logs()).not.toContain(newKey);
    expect(deployment.logs()).not.toContain(oldKey);
  });
});
