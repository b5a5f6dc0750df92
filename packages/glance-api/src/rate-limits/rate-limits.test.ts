import { HTTP_STATUS, errorMiddleware, silentLogger } from '@glance/service-kit';
import express from 'express';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';
import { rateLimits, type RateLimit } from './rate-limits';

const OCTETS = { 'content-type': 'application/octet-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };
const tokenOf = (project: string) => ({ 'x-auth-token': `u:${project}:member` });

describe('requests that come too often', () => {
  let server: TestApi;

  afterEach(async () => {
    await server.close();
  });

  const start = async (...flags: string[]): Promise<void> => {
    server = await startTestApi(...flags.map((flag) => `--rate-limit-${flag}`));
  };
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const answer = await fetch(`${server.url}${path}`, init);
    await answer.clone().arrayBuffer();
    return answer;
  };
  const statuses = async (count: number, path: string, init: RequestInit): Promise<number[]> => {
    const all: number[] = [];
    for (let each = 0; each < count; each += 1) all.push((await ask(path, init)).status);
    return all;
  };
  const create = (project: string) =>
    ask('/v2/images', {
      ...{ method: 'POST', body: '{"disk_format": "raw", "container_format": "bare"}' },
      headers: { ...tokenOf(project), ...JSON_TYPE },
    });

  it('are refused where credentials were missing or bad, whatever comes next', async () => {
    await start('unauthenticated-per-second=0.001', 'unauthenticated-burst=3');
    const good = { headers: tokenOf('p') };
    // What is right does not count.
    expect(await statuses(10, '/v2/images', good)).toEqual(Array(10).fill(200));
    const bad = { headers: { 'x-auth-token': 'nothing' } };
    expect(await statuses(2, '/v2/images', bad)).toEqual([401, 401]);
    expect(await statuses(1, '/v1/images', {})).toEqual([401]);
    const refused = await ask('/v2/images', bad);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toMatch(/^(1000|99\d)$/);
    expect((await ask('/versions')).status).toBe(200);
    expect((await ask('/livez')).status).toBe(200);
  });

  it('are refused where anonymous callers are let in, too', async () => {
    server = await startTestApi(
      '--allow-anonymous-access',
      '--rate-limit-unauthenticated-per-second=0.001',
      '--rate-limit-unauthenticated-burst=2',
    );
    expect(await statuses(3, '/v2/images', {})).toEqual([200, 200, 429]);
  });

  it('are counted by the address that a trusted proxy tells', async () => {
    server = await startTestApi(
      '--rate-limit-unauthenticated-per-second=0.001',
      '--rate-limit-unauthenticated-burst=1',
      '--trusted-proxies=127.0.0.1',
      '--oslo-middleware-enable-proxy-headers-parsing=true',
    );
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    expect(await statuses(2, '/v2/images', from('192.0.2.7'))).toEqual([401, 429]);
    expect(await statuses(1, '/v2/images', from('192.0.2.8'))).toEqual([401]);
  });

  it('are counted by project, image data apart', async () => {
    await start('requests-per-second=0.001', 'requests-burst=3');
    const { id } = (await (await create('p')).json()) as { id: string };
    const file = `/v2/images/${id}/file`;
    const put = { method: 'PUT', headers: { ...tokenOf('p'), ...OCTETS }, body: 'data' };
    expect((await ask(file, put)).status).toBe(204);
    const mine = { headers: tokenOf('p') };
    expect(await statuses(3, `/v2/images/${id}`, mine)).toEqual([200, 200, 429]);
    expect(await statuses(3, file, mine)).toEqual([200, 200, 200]);
    expect(await statuses(3, `/v1/images/${id}`, mine)).toEqual([200, 200, 200]);
    expect((await ask('/v2/images', { headers: tokenOf('q') })).status).toBe(200);
  });

  it('OSSN-0057, OSSN-0076: are counted by project where they create images', async () => {
    await start('creates-per-second=0.001', 'creates-burst=2');
    expect([(await create('p')).status, (await create('p')).status]).toEqual([201, 201]);
    const refused = await create('p');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([
      429,
      expect.stringMatching(/^(1000|99\d)$/),
    ]);
    const v1 = await ask('/v1/images', { method: 'POST', headers: tokenOf('p') });
    expect(v1.status).toBe(429);
    expect((await create('q')).status).toBe(201);
    expect((await ask('/v2/images', { headers: tokenOf('p') })).status).toBe(200);
  });

  it('are all served unless a limit is set', async () => {
    await start();
    expect(await statuses(60, '/v2/images', {})).toEqual(Array(60).fill(401));
  });
});

it('a refused request is told to whoever counts them', async () => {
  const refused: RateLimit[] = [];
  const unlimited = { perSecond: 0, burst: 1 };
  const app = express();
  app.use(
    rateLimits({
      unauthenticated: { perSecond: 0.001, burst: 1 },
      requests: unlimited,
      creates: unlimited,
      onRefusal: (limit) => refused.push(limit),
    }).beforeAuthentication,
  );
  app.use((_req, res) => {
    res.status(401).end();
  });
  app.use(
    errorMiddleware({
      logger: silentLogger,
      statusOf: HTTP_STATUS,
      render: (_req, res, status) => res.status(status).end(),
    }),
  );
  expect((await request(app).get('/')).status).toBe(401);
  expect(refused).toEqual([]);
  expect((await request(app).get('/')).status).toBe(429);
  expect(refused).toEqual(['unauthenticated']);
});
