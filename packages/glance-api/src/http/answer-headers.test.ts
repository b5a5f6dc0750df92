import { startTestApi, type TestApi } from '../testing/test-api';

const MEMBER = { 'x-auth-token': 'u:p:member' };
const OCTETS = { 'content-type': 'application/octet-stream' };
const NOWHERE = '11111111-1111-4111-8111-111111111111';

/** Method, path, expected status, headers, body; `ID` is an image with data, `QUEUED` one without. */
type Row = [string, string, number, Record<string, string>?, (string | undefined)?];

const ROUTES: Row[] = [
  ['GET', '/livez', 200],
  ['GET', '/healthcheck', 200],
  ['GET', '/versions', 200],
  ['GET', '/', 300],
  ['GET', '/v2', 302],
  ['OPTIONS', '/v2/images', 200],
  ['GET', '/v1/images', 200, MEMBER],
  ['GET', '/v1/images/detail', 200, MEMBER],
  ['HEAD', '/v1/images/ID', 200, MEMBER],
  ['GET', '/v1/images/ID', 200, MEMBER],
  ['GET', '/v1/images/ID/members', 200, MEMBER],
  ['GET', '/v2/images', 200, MEMBER],
  ['GET', '/v2/images/ID', 200, MEMBER],
  ['GET', '/v2/images/ID/file', 200, MEMBER],
  ['GET', '/v2/images/ID/file', 206, { ...MEMBER, range: 'bytes=0-1' }],
  ['GET', '/v2/images/QUEUED/file', 204, MEMBER],
  ['GET', '/v2/schemas/image', 200, MEMBER],
  ['PUT', '/v2/images/ID/tags/x', 204, MEMBER],
];

const REFUSALS: Row[] = [
  ['GET', '/v1/images', 401],
  ['GET', '/v2/images', 401],
  ['GET', '/v2/images?limit=x', 400, MEMBER],
  ['GET', '/v1/images?limit=x', 400, MEMBER],
  [
    'POST',
    '/v2/images',
    403,
    { ...MEMBER, 'content-type': 'application/json' },
    '{"visibility":"public"}',
  ],
  ['GET', `/v1/images/${NOWHERE}`, 404, MEMBER],
  ['GET', `/v2/images/${NOWHERE}`, 404, MEMBER],
  ['GET', '/v2/nothing', 404, MEMBER],
  ['POST', '/v1/images/ID', 405, MEMBER],
  ['DELETE', '/v2/images', 405, MEMBER],
  ['PUT', '/v2/images/ID/file', 409, { ...MEMBER, ...OCTETS }, 'data'],
  ['PUT', '/v2/images/QUEUED/file', 413, { ...MEMBER, ...OCTETS }, 'far too much'],
  ['PUT', '/v2/images/QUEUED/file', 415, { ...MEMBER, 'content-type': 'text/plain' }, 'x'],
  ['GET', '/v2/images/ID/file', 416, { ...MEMBER, range: 'bytes=99-' }],
  ['GET', '/v2/images', 431, { ...MEMBER, 'x-openstack-request-id': 'r'.repeat(100) }],
  ['LINK', '/v1/nothing', 501, MEMBER],
];

describe('every answer', () => {
  let server: TestApi;
  let id: string;
  let queued: string;

  beforeAll(async () => {
    server = await startTestApi(
      '--image-size-cap=10',
      '--trusted-proxies=127.0.0.1',
      '--oslo-middleware-enable-proxy-headers-parsing=true',
    );
    const create = async (): Promise<string> => {
      const answer = await fetch(`${server.url}/v2/images`, {
        method: 'POST',
        headers: { ...MEMBER, 'content-type': 'application/json' },
        body: '{"name": "a.html", "disk_format": "raw", "container_format": "bare"}',
      });
      return ((await answer.json()) as { id: string }).id;
    };
    id = await create();
    queued = await create();
    await fetch(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { ...MEMBER, ...OCTETS },
      body: 'data',
    });
  });

  afterAll(async () => {
    await server.close();
  });

  const ask = async ([method, path, , headers = {}, body]: Row): Promise<Response> =>
    await fetch(`${server.url}${path.replace('ID', id).replace('QUEUED', queued)}`, {
      method,
      headers,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    });

  it.each([...ROUTES, ...REFUSALS])('%s %s %i', async (...row) => {
    const answer = await ask(row);
    await answer.arrayBuffer();
    const header = (name: string) => answer.headers.get(name);
    expect({
      status: answer.status,
      sniff: header('x-content-type-options'),
      cache: header('cache-control'),
      csp: header('content-security-policy'),
      hsts: header('strict-transport-security'),
      server: header('server'),
      poweredBy: header('x-powered-by'),
      allowsOrigin: header('access-control-allow-origin'),
    }).toEqual({
      status: row[2],
      sniff: 'nosniff',
      cache: 'no-store',
      csp: "default-src 'none'",
      hsts: null,
      server: null,
      poweredBy: null,
      allowsOrigin: null,
    });
    const isData = row[2] < 300 && row[2] !== 204 && /\/file$|^\/v1\/images\/ID$/.test(row[1]);
    expect(header('content-disposition')).toBe(
      isData && row[0] === 'GET' ? `attachment; filename="${id}"` : null,
    );
  });

  it.each([...ROUTES, ...REFUSALS])('%s %s %i, by https', async (...row) => {
    const [method, path, status, headers, body] = row;
    const seen = { ...headers, 'x-forwarded-proto': 'https' };
    const answer = await ask([method, path, status, seen, body]);
    await answer.arrayBuffer();
    expect(answer.headers.get('strict-transport-security')).toBe('max-age=31536000');
  });
});
