import express from 'express';
import request from 'supertest';
import type { ErrorCode } from '@glance/common';
import { silentLogger } from '../logger';
import { errorMiddleware } from './error-middleware';
import { headerLimitsMiddleware } from './header-limits';
import { jsonBody } from './json-body';
import { requestIdMiddleware } from './request-id';

const STATUS = new Proxy({} as Record<ErrorCode, number>, {
  get: (_target, code) =>
    ({ too_large: 413, headers_too_large: 431, internal: 500 })[String(code)] ?? 400,
});

function app() {
  const server = express();
  server.use(requestIdMiddleware(64));
  server.use(headerLimitsMiddleware());
  server.post('/', ...jsonBody({ maxBytes: 1024, maxDepth: 5 }), (req, res) => {
    res.json({ got: (req.body as unknown) ?? null });
  });
  server.get('/broken', () => {
    throw new Error('secret inner text at /srv/app.js');
  });
  server.use(
    errorMiddleware({
      logger: silentLogger,
      statusOf: STATUS,
      render: (_req, res, status, error) => {
        res.status(status).json({ code: error.code, message: error.message });
      },
    }),
  );
  return server;
}

const post = (body: string) =>
  request(app()).post('/').set('content-type', 'application/json').send(body);

describe('a JSON body', () => {
  it('is decoded, whatever its names', async () => {
    const answer = await post('{"__proto__": {"a": 1}, "b": [1]}').expect(200);
    expect(answer.text).toBe('{"got":{"__proto__":{"a":1},"b":[1]}}');
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  it('may be missing', async () => {
    expect((await request(app()).post('/').expect(200)).body).toEqual({ got: null });
  });

  it.each([
    ['no JSON', '{"a":', 400, 'Malformed JSON'],
    ['deep nesting', `${'['.repeat(6)}${']'.repeat(6)}`, 400, 'nested deeper than 5'],
    ['too many bytes', `"${'x'.repeat(2000)}"`, 413, 'too large'],
  ])('with %s is refused', async (_what, body, status, text) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expect(answer.body.message).toContain(text);
  });

  it('nested beyond any stack is refused and the process lives', async () => {
    const server = express();
    server.post('/', jsonBody({ maxBytes: 1_000_000, maxDepth: 25 }));
    server.use(
      errorMiddleware({
        logger: silentLogger,
        statusOf: STATUS,
        render: (_req, res, status) => res.status(status).end(),
      }),
    );
    await request(server).post('/').send('['.repeat(200_000)).expect(400);
  });

  it('does not count brackets inside strings', async () => {
    await post(JSON.stringify({ a: '[[[[[[[[ \\" ]' })).expect(200);
  });
});

describe('errors nobody foresaw', () => {
  it('are 500 without inner text, with a request id', async () => {
    const answer = await request(app()).get('/broken').expect(500);
    expect(answer.text).not.toContain('secret');
    expect(answer.text).not.toContain('.js');
    expect(answer.headers['x-openstack-request-id']).toMatch(/^req-/);
  });
});

describe('a request id', () => {
  it('is taken from the caller, unless it is too long or not visible', async () => {
    const send = (id: string) => request(app()).post('/').set('x-openstack-request-id', id);
    expect((await send('req-mine').expect(200)).headers['x-openstack-request-id']).toBe('req-mine');
    expect((await send('two words')).headers['x-openstack-request-id']).toMatch(/^req-[0-9a-f-]+$/);
    await send('x'.repeat(65)).expect(431);
  });
});
