import { once } from 'node:events';
import net from 'node:net';
import { DATABASES, Deployment, eventually, imageOf } from './support/deployment';

jest.setTimeout(120_000);

const TOKEN = 'X-Auth-Token: alice:project-a:member';
const RAW_FORMATS = 'X-Image-Meta-Disk-Format: raw\r\nX-Image-Meta-Container-Format: bare';
const OCTETS = 'Content-Type: application/octet-stream';

describe.each(DATABASES)('bad input on %s', (database) => {
  let deployment: Deployment;
  let port: number;

  beforeAll(async () => {
    deployment = await Deployment.start({ database, flavor: 'fakeauth' });
    port = Number(new URL(deployment.apiUrl).port);
  });

  afterAll(async () => {
    await deployment.stop();
  });

  afterEach(async () => {
    // The service still works, and nothing is left behind once it has noticed what happened.
    await eventually(async () => {
      const list = await api('/v1/images');
      expect(await list.text()).toBe('{"images":[]}');
      expect(await deployment.filesInStore()).toEqual([]);
    });
    expect(deployment.logs()).not.toMatch(/unhandledRejection|uncaughtException/);
  });

  const api = (path: string, init: RequestInit = {}) =>
    fetch(`${deployment.apiUrl}${path}`, {
      ...init,
      headers: { 'x-auth-token': 'alice:project-a:member', ...(init.headers as object) },
    });

  /** Sends bytes as they are and returns the whole answer. */
  async function raw(lines: string[], body = '', end = false): Promise<string> {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    const text = `${[...lines, 'Host: h', 'Connection: close'].join('\r\n')}\r\n\r\n${body}`;
    if (end) socket.end(text, 'latin1');
    else socket.write(text, 'latin1');
    await once(socket, 'close');
    return answer;
  }

  const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

  it('with more than 1000 header fields changes nothing', async () => {
    const created = await api('/v1/images', {
      method: 'POST',
      headers: { 'x-image-meta-property-keep': 'me' },
    });
    const { id } = await imageOf(created);
    const many = Array.from({ length: 1500 }, (_, index) => `X-Image-Meta-Property-P${index}: v`);
    const answer = await raw([`PUT /v1/images/${id} HTTP/1.1`, ...many, TOKEN]);
    expect(statusOf(answer)).toBe(431);
    const head = await api(`/v1/images/${id}`, { method: 'HEAD' });
    expect(head.headers.get('x-image-meta-property-keep')).toBe('me');
    expect(head.headers.get('x-image-meta-property-p1')).toBeNull();
    await api(`/v1/images/${id}`, { method: 'DELETE' });
  });

  it.each([
    ['token', ['X-Auth-Token: a:b:member']],
    ['content type', [OCTETS, OCTETS]],
    ['range', ['Range: bytes=0-1', 'Range: bytes=0-1']],
    ['metadata field', ['X-Image-Meta-Name: a', 'x-image-meta-name: b']],
  ])('that gives a %s twice is 400', async (_what, extra) => {
    expect(statusOf(await raw(['POST /v1/images HTTP/1.1', TOKEN, ...extra]))).toBe(400);
  });

  it.each([
    ['a body cut short', ['Content-Length: 1000'], 'only this'],
    ['chunks that end early', ['Transfer-Encoding: chunked'], '5\r\nbytes\r\n'],
    ['a chunk size that is none', ['Transfer-Encoding: chunked'], '5\r\nbytes\r\nxyz\r\n'],
  ])('%s stores nothing', async (_what, framing, body) => {
    await raw(['POST /v1/images HTTP/1.1', TOKEN, OCTETS, RAW_FORMATS, ...framing], body, true);
  });

  it.each([
    ['..%2f..%2f..%2fetc%2fpasswd', 404],
    ['%2e%2e', 404],
    ['%252e%252e%252f', 404],
    ['%00', 404],
    ['%zz', 400],
    ['%c0%ae%c0%ae', 400],
    ['a'.repeat(300), 404],
    ["' OR '1'='1", 404],
    ['__proto__', 404],
    ['constructor', 404],
  ])('as the image id %s is answered %d', async (id, status) => {
    for (const method of ['GET', 'HEAD', 'DELETE', 'PUT']) {
      const answer = await raw([
        `${method} /v1/images/${id.replaceAll(' ', '%20')} HTTP/1.1`,
        TOKEN,
      ]);
      expect([method, statusOf(answer)]).toEqual([method, status]);
    }
  });

  it.each([
    ["Robert'); DROP TABLE images;--", 'x-image-meta-name'],
    ['a\\"b\\\\c', 'x-image-meta-property-quoted'],
    ['${jndi:ldap://x}', 'x-image-meta-property-template'],
    ['\u00e9\u4e2d\u6587 \u202e', 'x-image-meta-name'],
  ])('stores %j as it is', async (text, header) => {
    const value = Buffer.from(text).toString('latin1');
    const answer = await raw(['POST /v1/images HTTP/1.1', TOKEN, `${header}: ${value}`]);
    expect(statusOf(answer)).toBe(201);
    const { image } = JSON.parse(
      Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1').toString(),
    );
    expect([image.name, ...Object.values(image.properties)]).toContain(text);
    await api(`/v1/images/${image.id}`, { method: 'DELETE' });
  });

  it.each([
    ['bytes that are no UTF-8', 'X-Image-Meta-Name: \xff\xfe'],
    ['characters beyond the tables', 'X-Image-Meta-Name: \xf0\x9f\x98\x80'],
    ['a field that does not exist', 'X-Image-Meta-Colour: red'],
    ['a prototype as a property', 'X-Image-Meta-Property-__proto__: x'],
    ['an external source', 'X-Image-Meta-Location: file:///etc/passwd'],
    ['an empty source', 'X-Glance-Api-Copy-From:'],
  ])('%s are 400', async (_what, header) => {
    expect(statusOf(await raw(['POST /v1/images HTTP/1.1', TOKEN, header]))).toBe(400);
  });

  it('that is refused before its body is answered without reading the body', async () => {
    const answer = await raw([
      'POST /v1/images HTTP/1.1',
      TOKEN,
      OCTETS,
      'Content-Length: 1073741824',
    ]);
    expect(statusOf(answer)).toBe(400);
    expect(answer).toMatch(/^connection: close$/im);
  });

  it('that is refused never gets 100 Continue', async () => {
    const answer = await raw([
      'POST /v1/images HTTP/1.1',
      TOKEN,
      'Content-Type: text/plain',
      RAW_FORMATS,
      'Content-Length: 10',
      'Expect: 100-continue',
    ]);
    expect(statusOf(answer)).toBe(400);
    expect(answer).not.toContain('100 Continue');
  });

  it('cannot reach the registry without the service key', async () => {
    const url = `${deployment.registryUrls[0]}/v1/images`;
    const identity = Buffer.from(
      JSON.stringify({
        userId: 'x',
        projectId: 'x',
        roles: ['admin'],
        isAdmin: true,
        readOnly: false,
      }),
    ).toString('base64url');
    for (const headers of [
      {},
      { 'x-glance-identity': identity },
      { 'x-glance-identity': identity, 'x-glance-service-key': 'wrong' },
      { 'x-identity-status': 'Confirmed', 'x-roles': 'admin' },
    ] as Record<string, string>[]) {
      expect((await fetch(url, { headers })).status).toBe(401);
    }
  });

  it('never puts a secret into a log', () => {
    const logs = deployment.logs();
    expect(logs).not.toContain(deployment.serviceKey);
    const password = new URL(deployment.databaseUrl).password;
    if (password.length > 6) expect(logs).not.toContain(password);
  });
});
