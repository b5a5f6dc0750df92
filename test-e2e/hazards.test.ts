import { once } from 'node:events';
import { readFile, readdir, readlink } from 'node:fs/promises';
import net from 'node:net';
import { DATABASES, Deployment, eventually, freePorts } from './support/deployment';
import { plantSecret } from './support/leak-gate';
import { head, sendRaw, type RawAnswer } from './support/raw-http';
import { smuggledInBodies, smuggledRequests } from './support/smuggled-requests';
import { executeSql } from './support/sql';
import { tokenClient } from './support/token-client';

jest.setTimeout(120_000);

/** Limits, parsing, what Node has in store, and what logs tell (security sheet §5 and §8). */

const A = 'alice:project-a:member';
const B = 'bob:project-b:member';
const READER = 'rita:project-a:reader';
const ADMIN = 'root:ops:admin';
const FORMATS = { disk_format: 'raw', container_format: 'bare' };
const PATCH = 'application/openstack-images-v2.1-json-patch';
const OCTETS = 'application/octet-stream';
const TOKEN = `X-Auth-Token: ${A}`;
const MEBIBYTE = 1024 * 1024;

let deployment: Deployment;

beforeAll(async () => {
  deployment = await Deployment.start({
    database: DATABASES.at(-1)!,
    flavor: 'fakeauth',
    api: { DEFAULT: ['workers = 2', 'use_json = true'] },
    registry: { DEFAULT: ['use_json = true'] },
  });
});

afterAll(async () => {
  await deployment.stop();
});

const { send, statusOf } = tokenClient(() => deployment);

const raw = (line: string, ...headers: string[]): Promise<RawAnswer> =>
  sendRaw(deployment.apiUrl, head(`${line} HTTP/1.1`, ...headers));

const post = (body: string, token = A): Promise<number> =>
  statusOf(token, '/v2/images', { method: 'POST', body });

const patch = (id: string, body: string): Promise<number> =>
  statusOf(A, `/v2/images/${id}`, { method: 'PATCH', headers: { 'content-type': PATCH }, body });

async function create(fields: object = {}, token = A): Promise<string> {
  const body = JSON.stringify({ ...FORMATS, ...fields });
  const answer = await send(token, '/v2/images', { method: 'POST', body });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}

const upload = (token: string, id: string, body: string, headers = {}): Promise<number> =>
  statusOf(token, `/v2/images/${id}/file`, {
    method: 'PUT',
    headers: { 'content-type': OCTETS, ...headers },
    body,
  });

async function show(id: string): Promise<Record<string, unknown>> {
  return (await (await send(A, `/v2/images/${id}`)).json()) as Record<string, unknown>;
}

describe('requests', () => {
  it('header truncation: of headers that are too many none counts', async () => {
    const id = await create({ keep: 'me' });
    const many = Array.from({ length: 1500 }, (_, index) => `X-Image-Meta-Property-P${index}: v`);
    for (const headers of [
      [TOKEN, ...many],
      [...many, TOKEN],
    ]) {
      expect((await raw(`PUT /v1/images/${id}`, ...headers)).statuses).toEqual([431]);
    }
    const image = await show(id);
    expect(image['keep']).toBe('me');
    expect(Object.keys(image)).not.toContain('p1');
  });

  it('header size: as much as is allowed and no more', async () => {
    const filled = (bytes: number) =>
      raw('GET /v2/images', TOKEN, `X-Filling: ${'x'.repeat(bytes)}`);
    expect((await filled(60_000)).statuses).toEqual([200]);
    expect(await filled(66_000)).toMatchObject({ statuses: [431], closed: true });
    const uri = (bytes: number) =>
      raw(`GET ${'/v2/images?name='.padEnd(bytes, 'x')}`, TOKEN).then(({ statuses }) => statuses);
    expect(await uri(8192)).toEqual([200]);
    expect(await uri(8193)).toEqual([414]);
    const path = await raw(`GET ${'/v1/images/'.padEnd(9000, 'x')}`, TOKEN);
    expect(path.statuses).toEqual([414]);
  });

  it('header size: names and values of properties fit their columns', async () => {
    const property = (name: string, value: string) =>
      post(JSON.stringify({ ...FORMATS, [name]: value }));
    expect(await property('n'.repeat(255), 'v')).toBe(201);
    expect(await property('n'.repeat(256), 'v')).toBe(400);
    expect(await property('☃'.repeat(255), 'v')).toBe(201);
    expect(await property('n', 'v'.repeat(65_535))).toBe(201);
    expect(await property('n', 'v'.repeat(65_536))).toBe(400);
    expect(await property('n', '☃'.repeat(21_845))).toBe(201);
    expect(await property('n', '☃'.repeat(21_846))).toBe(400);
    for (const odd of ['a\0b', 'smile 😀']) {
      expect(await property('n', odd)).toBe(400);
      expect(await property(odd, 'v')).toBe(400);
    }
    const v1 = async (length: number) =>
      (await raw('POST /v1/images', TOKEN, `X-Image-Meta-Property-${'n'.repeat(length)}: v`))
        .statuses;
    expect(await v1(255)).toEqual([201]);
    expect(await v1(256)).toEqual([400]);
  });

  it('header out: what is stored neither breaks an answer nor adds to it', async () => {
    const forged = 'a\r\nX-Forged: y';
    const names = ['☃', '☃'.repeat(255), 'A b:c'];
    const id = await create({ ...Object.fromEntries(names.map((name) => [name, 'v'])), big: 'x' });
    // Stored past every check.
    await executeSql(
      deployment,
      `UPDATE image_properties SET name = '${forged}' WHERE image_id = '${id}' AND name = 'A b:c'`,
    );
    await executeSql(
      deployment,
      `UPDATE image_properties SET value = '${`${forged}☃`.repeat(500)}'
       WHERE image_id = '${id}' AND name = 'big'`,
    );
    await executeSql(deployment, `UPDATE images SET name = '${forged}' WHERE id = '${id}'`);
    const { text, statuses } = await raw(`HEAD /v1/images/${id}`, TOKEN);
    expect(statuses).toEqual([200]);
    expect(text).not.toMatch(/^X-Forged/im);
    expect(text.match(/^x-image-meta-property-/gim)).toHaveLength(4);
    expect(text.match(/^x-image-meta-name: /gim)).toHaveLength(1);
    expect((await show(id))['name']).toBe(forged);
  });

  it.each([
    ['X-Auth-Token', B],
    ['X-Service-Token', 'x'],
    ['Content-Length', '0'],
    ['Host', 'h'],
    ['Content-Type', OCTETS],
    ['Range', 'bytes=0-0'],
    ['Content-Range', 'bytes 0-0/1'],
    ['X-Openstack-Request-Id', 'req-1'],
  ])('header in: %s is given once', async (name, value) => {
    const line = `${name}: ${value}`;
    const own = name === 'X-Auth-Token' ? [] : [TOKEN];
    const answer = await raw('GET /v2/images', ...own, line, line.toLowerCase());
    expect(answer).toMatchObject({ statuses: [400], closed: true });
  });

  it('header in: names that objects have mean nothing', async () => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString']) {
      expect((await raw('GET /v2/images', TOKEN, `${name}: x`)).statuses).toEqual([200]);
    }
    const property = 'X-Image-Meta-Property-__proto__: x';
    expect((await raw('POST /v1/images', TOKEN, property)).statuses).toEqual([400]);
  });

  it.each(smuggledRequests(A))('smuggling: %s is refused', async (_what, request) => {
    const answer = await sendRaw(deployment.apiUrl, request);
    expect(answer).toMatchObject({ statuses: [400], closed: true });
  });

  it.each(smuggledInBodies(A))('smuggling: %s ends the connection', async (_what, request) => {
    const answer = await sendRaw(deployment.apiUrl, request);
    expect(answer.closed).toBe(true);
    expect(answer.statuses.filter((status) => status !== 400)).toEqual([]);
  });

  it('ReDoS: whatever reads a header or a query is done with what is made to be hard', async () => {
    const pieces = [
      ...['a', ' ', '1', '-', ',', ';', '"', '\\"', '%25', '{', '=', '.', '/', 'é'],
      ...['a/b;q=', 'for="', '[::', '0-', 'in:', 'a://'],
    ];
    const headers = [
      ...['accept', 'accept-language', 'authorization', 'content-encoding', 'content-range'],
      ...['content-type', 'forwarded', 'host', 'if-none-match', 'origin', 'range'],
      ...['access-control-request-method', 'access-control-request-headers', 'x-forwarded-for'],
      ...['x-forwarded-host', 'x-forwarded-prefix', 'x-openstack-request-id', 'x-service-token'],
      ...['x-image-meta-size', 'x-image-meta-created_at', 'x-image-meta-id', 'x-image-meta-name'],
      ...['x-image-meta-is_public', 'x-glance-api-copy-from', 'x-image-meta-location'],
      'x-image-meta-property-x',
    ];
    const filters = [
      ...['name', 'id', 'status', 'tag', 'sort', 'sort_key', 'limit', 'marker', 'size_min'],
      ...['created_at', 'updated_at', 'changes-since', 'visibility', 'owner', 'x', 'protected'],
    ];
    const id = await create();
    expect(await upload(A, id, '0123456789')).toBe(204);
    for (const piece of pieces) {
      const long = (bytes: number) => Buffer.from(piece.repeat(bytes / piece.length), 'utf8');
      const latin1 = (bytes: number) => `x${long(bytes).toString('latin1')}x`;
      const requests = [
        ...headers.map((name) => {
          const line = name.startsWith('x-image-meta')
            ? 'POST /v1/images'
            : `GET /v2/images/${id}/file`;
          return head(`${line} HTTP/1.1`, TOKEN, `${name}: ${latin1(16_384)}`);
        }),
        ...filters.flatMap((name) =>
          ['/v1/images', '/v2/images'].map((list) => {
            const value = encodeURIComponent(piece.repeat(2500 / piece.length)).slice(0, 7500);
            return head(`GET ${list}?${name}=${value} HTTP/1.1`, TOKEN);
          }),
        ),
      ];
      const answers = await Promise.all(requests.map((each) => sendRaw(deployment.apiUrl, each)));
      const bad = answers.flatMap(({ statuses: [status = 0], text }, index) =>
        status >= 200 && status < 500
          ? []
          : [`${text.slice(0, 100)} for ${requests[index]?.slice(0, 200)}`],
      );
      expect(bad).toEqual([]);
    }
  });
});

describe('JSON', () => {
  it('JSON size/depth: as much as is allowed and no more', async () => {
    const sized = (bytes: number) => {
      const start = '{"disk_format":"raw","name":"x"';
      return `${start}${' '.repeat(bytes - start.length - 1)}}`;
    };
    expect(await post(sized(MEBIBYTE))).toBe(201);
    expect(await post(sized(MEBIBYTE + 1))).toBe(413);
    // A size that nobody has said is counted.
    const chunks = async function* () {
      for (let sent = 0; sent < 20; sent += 1) yield Buffer.alloc(65_536, ' ');
    };
    const body = chunks() as unknown as NonNullable<RequestInit['body']>;
    expect(await statusOf(A, '/v2/images', { method: 'POST', body, duplex: 'half' })).toBe(413);
    const nested = (depth: number) => `{"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    const text = async (json: string) =>
      (await send(A, '/v2/images', { method: 'POST', body: json })).text();
    expect(await text(nested(25))).not.toContain('nested deeper');
    expect(await text(nested(26))).toContain('nested deeper than 25 levels');
    expect(await post('['.repeat(200_000))).toBe(400);
    const keys = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`k${index}`, '']));
    expect(await text(JSON.stringify(keys))).toContain('more than 1000 names');
  });

  it('duplicate/odd keys: a name that is given twice says nothing', async () => {
    const id = await create({ name: 'first' });
    expect(await post('{"name":"a","name":"b"}')).toBe(400);
    expect(await post(String.raw`{"visibility":"private","visib\u0069lity":"shared"}`)).toBe(400);
    expect(await patch(id, '[{"op":"replace","path":"/name","path":"/owner","value":"x"}]')).toBe(
      400,
    );
    const member = '{"member":"project-b","member":"project-c"}';
    const route = `/v2/images/${id}/members`;
    expect(await statusOf(A, route, { method: 'POST', body: member })).toBe(400);
    expect((await show(id))['name']).toBe('first');
  });

  it('duplicate/odd keys: names of prototypes are refused, and change nothing', async () => {
    const id = await create();
    for (const body of [
      '{"__proto__":{"polluted":"yes"}}',
      '{"__proto__":"x"}',
      '{"constructor":{"prototype":{"polluted":"yes"}}}',
      '{"prototype":"x"}',
    ]) {
      expect(await post(body)).toBe(400);
    }
    for (const path of ['/__proto__/x', '/constructor/prototype/x', '/__proto__', '/constructor']) {
      const value = '{"polluted":"yes"}';
      expect(await patch(id, `[{"op":"add","path":"${path}","value":${value}}]`)).toBe(400);
    }
    for (const query of ['__proto__=x', '__proto__[polluted]=yes', 'constructor[prototype][a]=b']) {
      expect([200, 400]).toContain(await statusOf(A, `/v2/images?${query}`));
    }
    expect(await show(await create())).not.toHaveProperty('polluted');
    expect(JSON.stringify(await show(id))).not.toContain('polluted');
  });

  it('reserved names: no property passes for what the service says', async () => {
    const id = await create();
    const names = [
      ...['os_glance_x', 'location', 'deleted', 'deleted_at', 'self', 'file', 'schema', 'stores'],
      'direct_url',
    ];
    for (const name of names) {
      const status = [
        await post(JSON.stringify({ [name]: 'x' })),
        await patch(id, JSON.stringify([{ op: 'add', path: `/${name}`, value: 'x' }])),
        (await raw('POST /v1/images', TOKEN, `X-Image-Meta-Property-${name}: x`)).statuses[0],
        (await raw(`PUT /v1/images/${id}`, TOKEN, `X-Image-Meta-Property-${name}: x`)).statuses[0],
      ];
      expect({ name, status }).toEqual({ name, status: [403, 403, 403, 403] });
    }
    const locations = 'X-Image-Meta-Property-Locations: x';
    expect((await raw('POST /v1/images', TOKEN, locations)).statuses).toEqual([403]);
    // As upstream's API v1 may have stored it.
    const forged = await create({ mark: 'rbd://elsewhere' });
    await executeSql(
      deployment,
      `UPDATE image_properties SET name = 'direct_url' WHERE image_id = '${forged}'`,
    );
    expect(JSON.stringify(await show(forged))).not.toContain('elsewhere');
  });
});

describe('data', () => {
  it('content encodings: nothing is decoded', async () => {
    const id = await create();
    for (const encoding of ['gzip', 'deflate', 'br', 'x', 'gzip, identity']) {
      const headers = { 'content-encoding': encoding };
      expect(await upload(A, id, 'x', headers)).toBe(415);
      const body = '{"name":"x"}';
      expect(await statusOf(A, '/v2/images', { method: 'POST', headers, body })).toBe(415);
      const v1 = {
        ...headers,
        'content-type': OCTETS,
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      };
      expect(await statusOf(A, '/v1/images', { method: 'POST', headers: v1, body })).toBe(415);
    }
    expect((await show(id))['status']).toBe('queued');
    expect(await upload(A, id, 'x', { 'content-encoding': 'identity' })).toBe(204);
  });

  it('multipart, forms: a form of many parts is refused', async () => {
    const id = await create();
    const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n';
    const body = `${part.repeat(10_000)}--b--\r\n`;
    const type = 'multipart/form-data; boundary=b';
    expect(await upload(A, id, body, { 'content-type': type })).toBe(400);
    expect((await show(id))['status']).toBe('queued');
    const headers = { 'content-type': type };
    expect(await statusOf(A, '/v2/images', { method: 'POST', headers, body: part })).toBe(400);
  });

  it('range: one at the most, and within the data', async () => {
    const id = await create();
    expect(await upload(A, id, '0123456789')).toBe(204);
    for (const [range, status, data] of [
      ['bytes=0-0', 206, '0'],
      ['bytes=9-', 206, '9'],
      ['bytes=-2', 206, '89'],
      ['bytes=8-100', 206, '89'],
      ['bytes=-100', 206, '0123456789'],
      [`bytes=0-${'9'.repeat(400)}`, 206, '0123456789'],
      ['bytes=10-', 416, undefined],
      ['bytes=10-20', 416, undefined],
      ['bytes=3-2', 416, undefined],
      ['bytes=-', 416, undefined],
      ['bytes=a-b', 416, undefined],
      ['bytes=+1-2', 416, undefined],
      ['bytes=0x1-2', 416, undefined],
      ['bytes=1e0-2', 416, undefined],
      ['lines=0-1', 416, undefined],
      ['bytes=0-0,1-1', 400, undefined],
      [`bytes=${'0-0,'.repeat(1000)}1-1`, 400, undefined],
    ] as const) {
      const answer = await send(A, `/v2/images/${id}/file`, { headers: { range } });
      expect({ range, status: answer.status }).toEqual({ range, status });
      expect(answer.headers.get('content-type')).not.toContain('multipart');
      const text = await answer.text();
      if (data !== undefined) expect(text).toBe(data);
      else expect(text).not.toContain('0123456789');
    }
  });

  it('early answer: who may not send is told so before any byte', async () => {
    const id = await create({ visibility: 'private' });
    const put = (...headers: string[]) =>
      raw(
        `PUT /v2/images/${id}/file`,
        ...headers,
        `Content-Type: ${OCTETS}`,
        'Content-Length: 1073741824',
      );
    const refusals: [number, ...string[]][] = [
      [403, `X-Auth-Token: ${READER}`],
      [404, `X-Auth-Token: ${B}`],
      [401],
      [401, 'X-Auth-Token: none'],
    ];
    const asked = [[], ['Expect: 100-continue']].flatMap((more) =>
      refusals.map(async ([status, ...headers]) => {
        const answer = await put(...headers, ...more);
        expect(answer.statuses).toEqual([status]);
        expect(answer.text).toMatch(/^connection: close\r$/im);
      }),
    );
    await Promise.all(asked);
    expect((await show(id))['status']).toBe('queued');
  });

  it('existence: an image that is hidden is one that is not there', async () => {
    const hidden = await create({ visibility: 'private' });
    expect(await upload(A, hidden, 'x')).toBe(204);
    const none = hidden.replace(/^.{8}/, '00000000');
    const routes: [string, string, RequestInit?][] = [
      ...['', '/file', '/members', '/members/project-b', '/locations'].map(
        (rest): [string, string] => ['GET', rest],
      ),
      ['HEAD', '/file'],
      ['DELETE', ''],
      ['DELETE', '/tags/x'],
      ['DELETE', '/members/project-a'],
      ['PUT', '/tags/x'],
      ['PUT', '/file', { headers: { 'content-type': OCTETS }, body: 'x' }],
      ['PUT', '/members/project-b', { body: '{"status":"accepted"}' }],
      ['POST', '/members', { body: '{"member":"project-b"}' }],
      ['POST', '/actions/deactivate'],
      ['PATCH', '', { headers: { 'content-type': PATCH }, body: '[]' }],
    ];
    const answerFor = async (route: string, id: string, method: string, init: RequestInit = {}) => {
      const answer = await send(B, route, { ...init, method });
      return `${answer.status} ${(await answer.text()).replaceAll(id, 'ID')}`;
    };
    for (const version of ['v1', 'v2']) {
      for (const [method, rest, init] of routes) {
        const [seen, missing] = await Promise.all(
          [hidden, none].map((id) =>
            answerFor(`/${version}/images/${id}${rest}`, id, method, init),
          ),
        );
        expect({ method, version, rest, seen }).toEqual({ method, version, rest, seen: missing });
        expect(seen).not.toMatch(/^2/);
      }
    }
  });
});

describe('an operator', () => {
  /** Lines of a program's log. */
  const lines = (program: 'glance-api' | 'glance-registry'): Record<string, unknown>[] =>
    (program === 'glance-api' ? deployment.apis : deployment.registries)
      .flatMap((each) => each.log().split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('audit log: finds who did what on which image, and what was refused', async () => {
    let count = 0;
    const expected: object[] = [];
    const audited = async (
      token: string,
      status: number,
      method: string,
      route: string,
      init: RequestInit = {},
      more: object = {},
    ): Promise<Response> => {
      const request = `req-audit-${(count += 1)}`;
      const headers = { ...(init.headers as object), 'x-openstack-request-id': request };
      const answer = await send(token, route, { ...init, method, headers });
      expect({ route, status: answer.status }).toEqual({ route, status });
      const [user, project] = token.split(':');
      expected.push({
        request_id: request,
        message: `"${method} ${route}"`,
        status: String(status),
        client: '127.0.0.1',
        ...(status === 401 ? {} : { user, project }),
        ...more,
      });
      return answer;
    };
    const id = '6a0b4b1e-6f0e-4b0e-9f39-0a1d2c3b4e5f';
    const body = JSON.stringify({ ...FORMATS, id });
    await audited(A, 201, 'POST', '/v2/images', { body }, { image: id });
    await audited(B, 409, 'POST', '/v2/images', { body }, { image: id });
    const made = await audited(A, 201, 'POST', '/v1/images');
    const { image } = (await made.json()) as { image: { id: string } };
    Object.assign(expected.at(-1)!, { image: image.id });
    const data = { headers: { 'content-type': OCTETS }, body: 'x' };
    await audited(A, 204, 'PUT', `/v2/images/${id}/file`, data, { image: id });
    await audited(A, 204, 'PUT', `/v2/images/${id}/tags/t`, {}, { image: id });
    const published = {
      headers: { 'content-type': PATCH },
      body: '[{"op":"replace","path":"/visibility","value":"public"}]',
    };
    await audited(A, 403, 'PATCH', `/v2/images/${id}`, published, { image: id });
    await audited(ADMIN, 200, 'PATCH', `/v2/images/${id}`, published, { image: id, admin: 'true' });
    await audited('none', 401, 'DELETE', `/v2/images/${id}`, {}, { image: id });
    await audited(B, 403, 'DELETE', `/v2/images/${id}`, {}, { image: id });
    await audited(A, 204, 'DELETE', `/v2/images/${id}`, {}, { image: id });
    await eventually(async () => {
      const logged = lines('glance-api').filter(({ message }) => String(message).startsWith('"'));
      for (const each of expected) expect(logged).toContainEqual(expect.objectContaining(each));
    });
    // What the registry did for them has the same request id and the same names.
    expect(lines('glance-registry')).toContainEqual(
      expect.objectContaining({
        request_id: 'req-audit-1',
        user: 'alice',
        project: 'project-a',
        image: id,
      }),
    );
  });

  it('log: has no warning of Node.js when many transfers run at once', async () => {
    const id = await create();
    expect(await upload(A, id, 'x'.repeat(16 * MEBIBYTE))).toBe(204);
    const { hostname, port } = new URL(deployment.apiUrl);
    const readers = Array.from({ length: 40 }, () => net.connect(Number(port), hostname));
    try {
      await Promise.all(
        readers.map((reader) => {
          reader.write(head(`GET /v2/images/${id}/file HTTP/1.1`, TOKEN));
          return once(reader, 'readable');
        }),
      );
      expect(deployment.logs()).not.toContain('MaxListenersExceededWarning');
    } finally {
      for (const reader of readers) reader.destroy();
    }
  });

  it('audit log: reads lines that no client has written', async () => {
    const forged = encodeURIComponent('eve\n{"message""forged"}\u001b[2J\u2028:p:member');
    await raw('GET /v2/images/%0a{"a":1}%1b[2J', `X-Auth-Token: ${forged}`);
    await raw('GET /v2/images?name=%0aforged', `X-Auth-Token: ${forged}`);
    await eventually(async () => {
      expect(lines('glance-api').some(({ user }) => String(user).startsWith('eve'))).toBe(true);
    });
    expect(lines('glance-api').filter(({ message }) => message === 'forged')).toEqual([]);
    // eslint-disable-next-line no-control-regex -- what must not be there
    expect(deployment.logs()).not.toMatch(/\u001b/);
  });

  it('config: sees no secret in arguments, environments or messages about options', async () => {
    const password = plantSecret('the password of a connection that cannot be read');
    const key = plantSecret('a key with a mistake');
    const broken = await deployment.addService(
      'glance-registry',
      `[database]\nconnection = oracle://glance:${password}@h/d\n[service_auth]\nkey = ${key}\n`,
    );
    expect(await broken.exited).not.toBe(0);
    expect(broken.log()).toContain('connection');
    expect(broken.log()).not.toContain(password);
    expect(broken.log()).not.toContain(key);
    const pids = await processesOf(deployment);
    // Two workers beside those that were started.
    expect(pids.length).toBe(4);
    for (const pid of pids) {
      for (const file of ['cmdline', 'environ']) {
        const text = await readFile(`/proc/${pid}/${file}`, 'utf8');
        expect(text).not.toContain(deployment.serviceKey);
        expect(text).not.toContain(deployment.databaseUrl);
      }
    }
  });

  it('debug: finds one port for each service, and nothing else that listens', async () => {
    const ports = new Set<number>();
    for (const pid of await processesOf(deployment)) {
      for (const port of await listeningPorts(pid)) ports.add(port);
    }
    const expected = [...deployment.apiUrls, ...deployment.registryUrls].map((url) =>
      Number(new URL(url).port),
    );
    expect([...ports].sort()).toEqual(expected.sort());
    for (const path of ['/metrics', '/debug', '/json/list', '/heapdump', '/env']) {
      // Versions of the API are what unknown paths show.
      expect([300, 401, 404]).toContain((await fetch(`${deployment.apiUrl}${path}`)).status);
    }
  });

  it('bind: starts no registry that everybody reaches and nobody has to prove anything to', async () => {
    const [port] = await freePorts(1);
    const open = await deployment.addService(
      'glance-registry',
      `[DEFAULT]\nbind_host = 0.0.0.0\nbind_port = ${port}\n[database]\nconnection = sqlite://\n`,
    );
    expect(await open.exited).not.toBe(0);
    expect(open.log()).toMatch(/service_auth/);
  });
});

/** The processes of the services, workers too. */
async function processesOf({ apis, registries }: Deployment): Promise<number[]> {
  const started = [...apis, ...registries].map(({ child }) => child.pid ?? 0);
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(
    all.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      return Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1] ?? 0);
    }),
  );
  return [...started, ...all.filter((_, index) => started.includes(parents[index] ?? 0))];
}

/** TCP ports that a process listens at. */
async function listeningPorts(pid: number): Promise<number[]> {
  const files = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(
    files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')),
  );
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')),
  );
  return tables
    .flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)))
    .filter(
      ([, , , state, , , , , , inode]) => state === '0A' && links.includes(`socket:[${inode}]`),
    )
    .map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16));
}
