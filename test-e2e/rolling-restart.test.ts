import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Balancer } from './support/balancer';
import { check, type JournalEntry } from './support/checker';
import { DATABASES, Deployment, freePorts } from './support/deployment';
import { describeWith } from './support/installed';

jest.setTimeout(180_000);

const IMAGE = {
  'content-type': 'application/octet-stream',
  'x-image-meta-disk_format': 'raw',
  'x-image-meta-container_format': 'bare',
};
const PIECES = 20;

const describeBalanced = describeWith('nginx (nginx-light)', 'nginx', '-v');

/** Reliability sheet §12: any process can be stopped and replaced under load. */
describeBalanced.each(DATABASES)('replacing every process behind nginx on %s', (database) => {
  let deployment: Deployment;
  let balancer: Balancer;
  let url: string;

  beforeAll(async () => {
    const [apiPort, registryPort] = await freePorts(2);
    deployment = await Deployment.start({
      database,
      nodes: 2,
      registryPort: registryPort!,
      registry: { DEFAULT: ['shutdown_delay = 0.5'] },
      api: { DEFAULT: ['shutdown_delay = 0.5'] },
      beforeReady: async ({ apiUrls, registryUrls }) => {
        const hosts = (urls: string[]) => urls.map((each) => new URL(each).host);
        balancer = await Balancer.start([
          { port: registryPort!, nodes: hosts(registryUrls) },
          { port: apiPort!, nodes: hosts(apiUrls) },
        ]);
      },
    });
    url = `http://127.0.0.1:${apiPort}`;
  });

  afterAll(async () => {
    await balancer.stop();
    await deployment.stop();
  });

  it('fails no metadata call and loses no transfer', async () => {
    const journal: JournalEntry[] = [];
    const failures: string[] = [];
    const counts = new Map<string, number>();
    let replacing = true;

    async function expectOk(name: string, path: string, init: RequestInit = {}) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      try {
        const answer = await fetch(`${url}${path}`, init);
        const bytes = Buffer.from(await answer.arrayBuffer());
        if (!answer.ok)
          failures.push(`${name}: ${answer.status} ${bytes.toString().slice(0, 600)}`);
        return bytes;
      } catch (error) {
        failures.push(`${name}: ${String((error as Error).cause ?? error)}`);
        return undefined;
      }
    }

    async function create(body: Buffer | ReadableStream, md5: string) {
      const id = randomUUID();
      const headers = { ...IMAGE, 'x-image-meta-id': id };
      const answer = await expectOk('upload', '/v1/images', {
        method: 'POST',
        headers,
        body,
        ...(Buffer.isBuffer(body) ? {} : { duplex: 'half' }),
      });
      if (answer) journal.push({ id, md5, stored: true, deletion: 'no' });
      return id;
    }

    /** An upload that takes about a second: longer than the pause before a process stops. */
    async function slowUpload() {
      const data = randomBytes(PIECES * 50_000);
      let piece = 0;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await pause(50);
          controller.enqueue(data.subarray(piece * 50_000, (piece + 1) * 50_000));
          piece += 1;
          if (piece === PIECES) controller.close();
        },
      });
      await create(body, createHash('md5').update(data).digest('hex'));
    }

    const big = randomBytes(20_000_000);
    const bigMd5 = createHash('md5').update(big).digest('hex');
    const bigId = await create(big, bigMd5);
    const path = `/v1/images/${bigId}`;
    const load = [
      () => expectOk('list', '/v1/images/detail?limit=5'),
      () => expectOk('show', path, { method: 'HEAD' }),
      async () => {
        const headers = {
          'x-glance-registry-purge-props': 'false',
          'x-image-meta-property-at': randomUUID(),
        };
        await expectOk('update', path, { method: 'PUT', headers });
      },
      async () => {
        const bytes = await expectOk('download', path);
        const md5 = createHash('md5')
          .update(bytes ?? '')
          .digest('hex');
        if (bytes && md5 !== bigMd5) failures.push(`download: ${bytes.length} wrong bytes`);
      },
      slowUpload,
      slowUpload,
    ].map(async (call) => {
      while (replacing) await call();
    });

    const codes: unknown[] = [];
    for (const service of [...deployment.apis, ...deployment.registries]) {
      service.child.kill('SIGTERM');
      codes.push(await service.exited);
      await deployment.restart(service);
    }
    replacing = false;
    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(codes).toEqual([0, 0, 0, 0]);
    for (const name of ['list', 'show', 'update', 'download', 'upload']) {
      expect([name, (counts.get(name) ?? 0) > 3]).toEqual([name, true]);
    }
    expect(await check(deployment, journal, { settleMs: 30_000 })).toEqual([]);
  });
});
