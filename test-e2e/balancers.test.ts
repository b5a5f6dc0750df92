import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { DATABASES, Deployment, eventually, imageOf } from './support/deployment';
import { PacedDownload, PacedUpload, startRequest, wholeAnswer } from './support/paced-transfer';
import { head, sendRaw } from './support/raw-http';
import { ShippedBalancer, describeEachBalancer } from './support/shipped-balancer';

jest.setTimeout(180_000);

/** deploy/haproxy/haproxy.cfg and deploy/nginx/nginx.conf in front of two nodes. */

const MEBIBYTE = 1024 * 1024;
const IMAGE = {
  'content-type': 'application/octet-stream',
  'x-image-meta-disk_format': 'raw',
  'x-image-meta-container_format': 'bare',
};
/** From TEST-NET-3: nobody's. */
const SPOOFED = {
  'X-Forwarded-For': '203.0.113.7',
  'X-Forwarded-Host': 'images.example',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Prefix': '/elsewhere',
  Forwarded: 'for=203.0.113.8;host=images.example;proto=https',
};

describeEachBalancer('two nodes', (program) => {
  let deployment: Deployment;
  let balancer: ShippedBalancer;
  let url: string;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database: DATABASES.at(-1)!,
      nodes: 2,
      api: {
        // The delay is the default, which the balancer must notice a stop within.
        DEFAULT: ['trusted_proxies = 127.0.0.1', 'shutdown_delay = 5'],
        oslo_middleware: ['enable_proxy_headers_parsing = true'],
      },
    });
    const [first, second] = deployment.apiUrls.map((each) => new URL(each).host);
    balancer = await ShippedBalancer.start(program, [first!, second!]);
    url = balancer.url;
  });

  let onTestFinished: () => Promise<void> = async () => undefined;
  afterEach(() => onTestFinished());

  afterAll(async () => {
    await balancer.stop();
    await deployment.stop();
  });

  async function bytesInStore(): Promise<number> {
    const files = await deployment.filesInStore();
    const sizes = await Promise.all(
      files.map(async (file) => {
        // A temporary file may go meanwhile.
        const found = await stat(path.join(deployment.imageDirectory, file)).catch(() => null);
        return found?.size ?? 0;
      }),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async function storeImage(data: Buffer): Promise<string> {
    const answer = await fetch(`${url}/v1/images`, {
      method: 'POST',
      headers: IMAGE,
      body: new Uint8Array(data),
    });
    expect(answer.status).toBe(201);
    return (await imageOf(answer)).id;
  }

  it('streams a chunked upload: the store has the first half before the second was sent', async () => {
    const before = await bytesInStore();
    const upload = new PacedUpload(url, {
      'x-image-meta-property-os.version': '12',
      'x-image-meta-property-os_distro': 'debian',
    });
    await upload.send(16 * MEBIBYTE);
    await eventually(async () => {
      expect((await bytesInStore()) - before).toBeGreaterThanOrEqual(15 * MEBIBYTE);
    });
    await upload.send(16 * MEBIBYTE);
    const { answer, md5 } = await upload.end();
    expect(answer.status).toBe(201);
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      image: {
        status: 'active',
        size: 32 * MEBIBYTE,
        checksum: md5,
        disk_format: 'raw',
        properties: { 'os.version': '12', os_distro: 'debian' },
      },
    });
  });

  it('passes on ranges', async () => {
    const data = randomBytes(3_000_000);
    const id = await storeImage(data);
    const answer = await fetch(`${url}/v2/images/${id}/file`, {
      headers: { range: 'bytes=1000000-1999999' },
    });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([
      206,
      'bytes 1000000-1999999/3000000',
    ]);
    const part = Buffer.from(await answer.arrayBuffer());
    expect(part.equals(data.subarray(1_000_000, 2_000_000))).toBe(true);
  });

  it('passes on 62 KiB of headers in 128 properties, in requests and in answers', async () => {
    const properties = Object.fromEntries(
      Array.from({ length: 127 }, (_, i) => [`x-image-meta-property-p${i}`, 'v'.repeat(340)]),
    );
    properties['x-image-meta-property-long'] = 'w'.repeat(15_000);
    const create = startRequest(`${url}/v1/images`, {
      method: 'POST',
      headers: { ...properties, 'x-image-meta-name': 'many', 'content-length': 0 },
    });
    create.end();
    const created = await wholeAnswer(create);
    expect(created.status).toBe(201);
    const { id } = (JSON.parse(created.body.toString()) as { image: { id: string } }).image;
    const show = startRequest(`${url}/v1/images/${id}`, { method: 'HEAD' });
    show.end();
    expect((await wholeAnswer(show)).headers).toMatchObject(properties);
  });

  it('tells a client that waits for 100 Continue to go on', async () => {
    const data = randomBytes(MEBIBYTE);
    const request = startRequest(`${url}/v1/images`, {
      method: 'POST',
      headers: { ...IMAGE, Expect: '100-continue', 'content-length': data.length },
    });
    request.flushHeaders();
    await once(request, 'continue');
    request.end(data);
    expect((await wholeAnswer(request)).status).toBe(201);
  });

  it('hands on a refusal while the client still has the body', async () => {
    const answer = await sendRaw(
      url,
      head(
        'POST /v1/images HTTP/1.1',
        'Content-Type: application/octet-stream',
        'x-image-meta-disk_format: none-such',
        'Expect: 100-continue',
        'Content-Length: 1000000',
      ),
    );
    // nginx answers the expectation itself.
    expect(answer.statuses).toEqual(program === 'haproxy' ? [400] : [100, 400]);
  });

  it('believes nothing that a client says of itself', async () => {
    const spoofed = (to: string) => fetch(`${to}/versions`, { headers: SPOOFED });
    // The api itself would: it is asked from a trusted address.
    expect(await (await spoofed(deployment.apiUrl)).text()).toContain(
      'https://images.example/elsewhere/',
    );
    const answer = await spoofed(url);
    const text = await answer.text();
    expect(text).toContain(`"${url}/v2/"`);
    expect(text).not.toContain('images.example');
    const requestId = answer.headers.get('x-openstack-request-id')!;
    const line = await eventually(async () => {
      const lines = deployment.logs().split('\n');
      const found = lines.find((each) => each.includes(requestId) && each.includes('status='));
      if (found === undefined) throw new Error('The request is not in the log');
      return found;
    });
    expect(line).toContain('client=127.0.0.1');
    expect(line).not.toContain('203.0.113');
  });

  it('reaches the registry by no name', async () => {
    const registry = new URL(deployment.registryUrls[0]!).host;
    const route = `/v2/${randomUUID()}`;
    const requests = [
      `GET http://${registry}${route} HTTP/1.1\r\nHost: ${registry}\r\nConnection: close\r\n\r\n`,
      `GET ${route} HTTP/1.1\r\nHost: ${registry}\r\nConnection: close\r\n\r\n`,
      `CONNECT ${registry} HTTP/1.1\r\nHost: ${registry}\r\n\r\n`,
    ];
    for (const request of requests) {
      const { statuses } = await sendRaw(url, request);
      expect(statuses).toHaveLength(1);
      expect(statuses[0]).toBeGreaterThanOrEqual(400);
    }
    // The registry logs every request that it gets.
    for (const { log } of deployment.registries) expect(log().includes(route)).toBe(false);
    await eventually(async () => {
      const apiLogs = deployment.apis.map(({ log }) => log()).join('');
      // HAProxy passes the first on with the whole URL.
      expect(apiLogs.match(new RegExp(`"GET [^ ]*${route}" status=404`, 'g'))).toHaveLength(2);
    });
  });

  it('fails nothing while one api is stopped in the middle of transfers', async () => {
    const data = randomBytes(64 * MEBIBYTE);
    const md5 = createHash('md5').update(data).digest('hex');
    const id = await storeImage(data);
    // By the least connections: one of each kind at either api.
    const uploads = [new PacedUpload(url), new PacedUpload(url)];
    const before = await bytesInStore();
    for (const upload of uploads) await upload.send(2 * MEBIBYTE);
    await eventually(async () => {
      expect((await bytesInStore()) - before).toBeGreaterThanOrEqual(2 * MEBIBYTE);
    });
    const downloads = [
      await PacedDownload.start(`${url}/v2/images/${id}/file`),
      await PacedDownload.start(`${url}/v2/images/${id}/file`),
    ];

    const failures: string[] = [];
    let calls = 0;
    const call = async (route: string, init: RequestInit = {}): Promise<void> => {
      calls += 1;
      try {
        const answer = await fetch(`${url}${route}`, init);
        const body = await answer.text();
        if (!answer.ok) failures.push(`${init.method ?? 'GET'} ${answer.status} ${body}`);
      } catch (error) {
        failures.push(String((error as Error).cause ?? error));
      }
    };
    let loaded = true;
    const load = [
      () => call('/v2/images?limit=5'),
      () => call(`/v1/images/${id}`, { method: 'HEAD' }),
      () =>
        call('/v1/images', {
          method: 'POST',
          headers: IMAGE,
          body: new Uint8Array(randomBytes(100_000)),
        }),
      async () => {
        const new_ = randomUUID();
        const headers = { 'content-type': 'application/json' };
        await call('/v2/images', {
          method: 'POST',
          headers,
          body: JSON.stringify({ id: new_, disk_format: 'raw', container_format: 'bare' }),
        });
        await call(`/v2/images/${new_}`, { method: 'DELETE' });
      },
    ].map(async (task) => {
      while (loaded) await task();
    });
    const endLoad = async (): Promise<void> => {
      loaded = false;
      await Promise.all(load);
    };
    onTestFinished = endLoad;

    const [stopped, other] = deployment.apis;
    const portClosed = eventually(async () => {
      const reached = await fetch(`${deployment.apiUrl}/livez`).catch(() => undefined);
      expect(reached).toBeUndefined();
    }, 60_000);
    stopped!.child.kill('SIGTERM');
    await portClosed;
    // The port is closed, and the load goes on: at the other.
    const callsAtClosing = calls;
    await eventually(async () => expect(calls).toBeGreaterThan(callsAtClosing + 50));
    expect(stopped!.child.exitCode).toBeNull();
    expect(other!.child.exitCode).toBeNull();

    for (const upload of uploads) {
      await upload.send(2 * MEBIBYTE);
      const sent = await upload.end();
      expect(sent.answer.status).toBe(201);
      expect(JSON.parse(sent.answer.body.toString())).toMatchObject({
        image: { status: 'active', size: 4 * MEBIBYTE, checksum: sent.md5 },
      });
    }
    expect(stopped!.child.exitCode).toBeNull();
    for (const download of downloads) expect(await download.end()).toBe(md5);
    expect(await stopped!.exited).toBe(0);
    const again = await deployment.restart(stopped!);
    // It gets its share again.
    await eventually(async () => {
      expect(again.log().includes('"GET /v2/images"')).toBe(true);
    });
    await endLoad();
    expect(failures).toEqual([]);
  });
});
