import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ImageRecord } from '@glance/common';
import request from 'supertest';
import { PUBLIC_OPERATIONS } from './openapi/openapi-document';
import { METADEF_SCHEMAS } from './v2/schemas/metadef-schemas';
import { startTestApi, type TestApi } from './testing/test-api';

/**
 * The authorization matrix of security sheet §10: every operation of the OpenAPI document, asked by
 * every kind of caller about every kind of image. What is expected follows from the rules of api-v2
 * sheet §6 and §13.5 and api-v1 sheet §6 to §8, which the tables below are.
 */

/** By token. Images are project a's; shared ones are shared with g. */
const CALLERS = {
  anonymous: undefined,
  reader: 'rita:a:reader',
  member: 'alice:a:member',
  guest: 'gus:g:member',
  stranger: 'bob:b:member',
  admin: 'root:ops:admin',
  service: 'nova:a:service',
} as const;
type CallerName = keyof typeof CALLERS;

/** What sets an image apart from an active and private one of project a. */
const IMAGES = {
  private: {},
  pending: { visibility: 'shared' },
  accepted: { visibility: 'shared' },
  rejected: { visibility: 'shared' },
  community: { visibility: 'community' },
  public: { visibility: 'public' },
  hidden: { visibility: 'public', hidden: true },
  deactivated: { visibility: 'public', status: 'deactivated' },
  protected: { visibility: 'public', protected: true },
} as const satisfies Record<string, Partial<ImageRecord>>;
type ImageName = keyof typeof IMAGES;

const isShared = (image: ImageName): boolean =>
  'visibility' in IMAGES[image] && IMAGES[image].visibility === 'shared';
const isOpen = (image: ImageName): boolean => image !== 'private' && !isShared(image);

/** The registry shows him the image, whatever his roles; memberships count before they are accepted. */
function isShown(caller: CallerName, image: ImageName): boolean {
  if (caller === 'stranger') return isOpen(image);
  if (caller === 'guest') return isOpen(image) || isShared(image);
  return true;
}

const has = (caller: CallerName, role: 'reader' | 'member'): boolean =>
  caller !== 'service' && (role === 'reader' || caller !== 'reader');
const isOwner = (caller: CallerName): boolean => caller === 'member' || caller === 'admin';

/** Who may, of those to whom the image is shown. */
const RULES = {
  read: (caller) => has(caller, 'reader'),
  download: (caller) => has(caller, 'member'),
  change: isOwner,
  administer: (caller) => caller === 'admin',
  serve: (caller) => caller === 'service' || caller === 'admin',
  /** POST …/locations: services, and members with their own. */
  locate: (caller) => caller === 'service' || isOwner(caller),
  seeMembers: (caller, image) =>
    has(caller, 'reader') && (caller !== 'guest' || isShared(image)) && caller !== 'stranger',
  own: (caller) => has(caller, 'reader') && caller !== 'guest' && caller !== 'stranger',
  answer: (caller, image) => caller === 'admin' || (caller === 'guest' && isShared(image)),
} as const satisfies Record<string, (caller: CallerName, image: ImageName) => boolean>;

interface Row {
  rule: keyof typeof RULES;
  /** Of who may; a function where that depends on the image or on who it is. */
  success: number | ((image: ImageName, caller: CallerName) => number);
  /** The answer where the rule refuses and the image is shown: 403 unless said. */
  refusal?: number | ((image: ImageName) => number);
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  /** The image is one without data. */
  queued?: boolean;
  /** In v1: a role that is asked for before the image is looked for. */
  role?: 'reader' | 'member';
}

const DATA = { 'content-type': 'application/octet-stream' };
const PATCH = { 'content-type': 'application/openstack-images-v2.1-json-patch' };
const FORM = { 'content-type': 'multipart/form-data; boundary=x' };
const FILE =
  '--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\nContent-Type: application/octet-stream\r\n\r\nd\r\n--x--\r\n';

const ofShared =
  (status: number) =>
  (image: ImageName): number =>
    isShared(image) ? status : 403;

/** A deactivated image takes no data, and who may send it is told why. */
const upload = { rule: 'change', queued: true, headers: DATA, body: 'd' } as const;
const uploaded = (image: ImageName): number => (image === 'deactivated' ? 409 : 204);

/** v1 says "forbidden" of what everybody sees, else that there is no such image. */
const forbiddenIfOpen = (image: ImageName): number => (isOpen(image) ? 403 : 404);

/** Every operation about one image, `METHOD PATH`. */
const IMAGE_OPERATIONS: Readonly<Record<string, Row>> = {
  'get /v2/images/{id}': { rule: 'read', success: 200 },
  'patch /v2/images/{id}': {
    rule: 'change',
    success: 200,
    headers: PATCH,
    body: JSON.stringify([{ op: 'replace', path: '/name', value: 'new' }]),
  },
  'delete /v2/images/{id}': {
    rule: 'change',
    success: (image) => (image === 'protected' ? 403 : 204),
  },
  'get /v2/images/{id}/file': {
    rule: 'download',
    success: (image, caller) => (image === 'deactivated' && caller !== 'admin' ? 403 : 200),
  },
  'put /v2/images/{id}/file': { ...upload, success: uploaded },
  'post /v2/images/{id}/file': { ...upload, success: uploaded, headers: FORM, body: FILE },
  'get /v2/images/{id}/locations': { rule: 'serve', success: 200 },
  // Active images take none: only who may is told so.
  'post /v2/images/{id}/locations': {
    rule: 'locate',
    success: 409,
    body: { url: 'http://192.0.2.1/disk' },
  },
  'post /v2/images/{id}/actions/deactivate': { rule: 'change', success: 204 },
  'post /v2/images/{id}/actions/reactivate': { rule: 'change', success: 204 },
  'put /v2/images/{id}/tags/{tag}': { rule: 'change', success: 204 },
  'delete /v2/images/{id}/tags/{tag}': { rule: 'change', success: 204 },
  'get /v2/images/{id}/members': { rule: 'seeMembers', success: ofShared(200) },
  'post /v2/images/{id}/members': {
    rule: 'change',
    success: ofShared(200),
    body: { member: 'other' },
  },
  'get /v2/images/{id}/members/{member}': {
    rule: 'seeMembers',
    success: (image) => (isShared(image) ? 200 : 404),
    refusal: 404,
  },
  'put /v2/images/{id}/members/{member}': {
    rule: 'answer',
    success: ofShared(200),
    body: { status: 'accepted' },
  },
  'delete /v2/images/{id}/members/{member}': { rule: 'change', success: ofShared(204) },
  'get /v2/images/{id}/tasks': { rule: 'read', success: 200 },
  'get /v2/images/{id}/timeline': { rule: 'own', success: 200 },
  // Active images take none: only who may import is told so.
  'put /v2/images/{id}/stage': { rule: 'change', success: 409, headers: DATA, body: 'd' },
  'post /v2/images/{id}/import': {
    rule: 'change',
    success: 409,
    body: { method: { name: 'glance-direct' } },
  },
  'put /v2/cache/{id}': {
    rule: 'administer',
    success: (image) => (image === 'deactivated' ? 400 : 202),
  },
  'delete /v2/cache/{id}': { rule: 'administer', success: 204 },

  'head /v1/images/{id}': { rule: 'read', role: 'reader', success: 200 },
  'get /v1/images/{id}': {
    rule: 'download',
    role: 'member',
    success: (image) => (image === 'deactivated' ? 403 : 200),
  },
  'put /v1/images/{id}': {
    rule: 'change',
    role: 'member',
    success: 200,
    refusal: forbiddenIfOpen,
    headers: { 'x-image-meta-name': 'new' },
  },
  'delete /v1/images/{id}': {
    rule: 'change',
    role: 'member',
    success: (image) => (image === 'protected' ? 403 : 200),
    refusal: forbiddenIfOpen,
  },
  // Whoever sees an image may ask, and is shown the rows that are his to see.
  'get /v1/images/{id}/members': { rule: 'read', role: 'reader', success: 200 },
  'put /v1/images/{id}/members': {
    rule: 'change',
    role: 'member',
    success: 204,
    refusal: 404,
    body: { memberships: [{ member_id: 'other' }] },
  },
  'put /v1/images/{id}/members/{member}': {
    rule: 'change',
    role: 'member',
    success: 204,
    refusal: 404,
  },
  'delete /v1/images/{id}/members/{member}': {
    rule: 'change',
    role: 'member',
    success: (image) => (isShared(image) ? 204 : 404),
    refusal: 404,
  },
};

function olderCacheRows(version: string) {
  const operations = [
    ...['get cached_images', 'delete cached_images', 'delete cached_images/{id}'],
    ...['get queued_images', 'delete queued_images'],
    ...['put queued_images/{id}', 'delete queued_images/{id}'],
  ];
  const row = { admin: 200, others: 403 };
  return Object.fromEntries(
    operations.map((each) => [each.replace(' ', ` /${version}/`), row] as const),
  );
}

/** Of a namespace that is not there; metadef-rights.test.ts asks about those that are. */
function metadefRows() {
  const rows: Record<string, Partial<Record<CallerName | 'others', number>>> = {
    'get /v2/metadefs/resource_types': { service: 403, others: 200 },
    'get /v2/metadefs/namespaces': { service: 403, others: 200 },
  };
  for (const operation of Object.keys(METADEF_SCHEMAS)) {
    rows[`get /v2/schemas/${operation}`] = { others: 200 };
  }
  const within = ['objects', 'properties', 'tags', 'resource_types'].flatMap((kind) => [
    `/${kind}`,
    `/${kind}/{name}`,
  ]);
  for (const place of ['', ...within]) {
    const path = `/v2/metadefs/namespaces/{namespace}${place}`;
    for (const method of Object.keys(PUBLIC_OPERATIONS[path] ?? {})) {
      // Bodies are looked at first, and there is none; that of one tag is in its path.
      const wantsBody = method === 'put' || (method === 'post' && !place.startsWith('/tags/'));
      rows[`${method} ${path}`] = { others: wantsBody ? 400 : 404 };
    }
  }
  return { ...rows, 'post /v2/metadefs/namespaces': { others: 400 } };
}

/** What each caller but the anonymous one is answered where no image is asked about. */
const OTHER_OPERATIONS: Readonly<Record<string, Partial<Record<CallerName | 'others', number>>>> = {
  'get /v2/images': { service: 403, others: 200 },
  'post /v2/images': { service: 403, reader: 403, others: 201 },
  'get /v2/schemas/image': { others: 200 },
  'get /v2/schemas/images': { others: 200 },
  'get /v2/schemas/member': { others: 200 },
  'get /v2/schemas/members': { others: 200 },
  'get /v2/schemas/task': { others: 200 },
  'get /v2/schemas/tasks': { others: 200 },
  'get /v2/tasks': { admin: 200, others: 403 },
  // Nothing is in the body.
  'post /v2/tasks': { admin: 400, others: 403 },
  'get /v2/tasks/{id}': { admin: 404, others: 403 },
  'get /v2/info/import': { others: 200 },
  'get /v2/info/usage': { others: 200 },
  'get /v2/info/stores': { others: 404 },
  'get /v2/info/stores/detail': { others: 404 },
  'delete /v2/stores/{store}/{id}': { others: 404 },
  'get /v2/cache': { admin: 200, others: 403 },
  'delete /v2/cache': { admin: 204, others: 403 },
  'post /v2/cache/clean': { admin: 200, others: 403 },
  'post /v2/cache/prune': { admin: 200, others: 403 },
  'get /v2/cache/nodes/{id}': { admin: 409, others: 403 },
  'get /v1/': { service: 403, others: 200 },
  'get /v1/images': { service: 403, others: 200 },
  'get /v1/images/detail': { service: 403, others: 200 },
  'post /v1/images': { service: 403, reader: 403, others: 201 },
  // No rule is asked; the answer has what is the caller's to see.
  'get /v1/shared-images/{member}': { others: 200 },
  ...metadefRows(),
  ...olderCacheRows('v1'),
  ...olderCacheRows('v2'),
};

/** These are for everybody. */
const OPEN_OPERATIONS = ['get /', 'get /versions'];

function expectedAnswer(row: Row, caller: CallerName, image: ImageName): number {
  if (caller === 'anonymous') return 401;
  if (row.role !== undefined && !has(caller, row.role)) return 403;
  if (!isShown(caller, image)) return 404;
  if (RULES[row.rule](caller, image)) {
    return typeof row.success === 'number' ? row.success : row.success(image, caller);
  }
  // Who may not see it either is told that there is none.
  const mayRead = has(caller, 'reader') || row.rule === 'administer';
  if (!mayRead) return 404;
  const { refusal = 403 } = row;
  return typeof refusal === 'number' ? refusal : refusal(image);
}

describe('the authorization matrix', () => {
  let server: TestApi;
  /** Nothing may come out of the cache that would not come out of the store. */
  let cacheDirectory: string;

  beforeAll(async () => {
    cacheDirectory = await mkdtemp(path.join(os.tmpdir(), 'glance-cache-'));
    server = await startTestApi(
      '--paste-deploy-flavor=fakeauth+cachemanagement',
      `--image-cache-dir=${cacheDirectory}`,
    );
  });

  afterAll(async () => {
    await server.close();
    await rm(cacheDirectory, { recursive: true });
  });

  const as = (caller: CallerName) => {
    const agent = request.agent(server.url);
    const token = CALLERS[caller];
    return token === undefined ? agent : agent.set('X-Auth-Token', token);
  };

  async function created(kind: ImageName, queued: boolean): Promise<string> {
    const body = {
      disk_format: 'raw',
      container_format: 'bare',
      tags: ['t'],
      visibility: 'shared',
    };
    const owner = as('member');
    const { id } = (await owner.post('/v2/images').send(body).expect(201)).body;
    if (!queued) await owner.put(`/v2/images/${id}/file`).set(DATA).send('data').expect(204);
    if (isShared(kind)) {
      await owner.post(`/v2/images/${id}/members`).send({ member: 'g' }).expect(200);
      const member = `/v2/images/${id}/members/g`;
      await as('guest').put(member).send({ status: kind }).expect(200);
    }
    server.registry.overwrite(id, { visibility: 'private', ...IMAGES[kind] });
    return id;
  }

  /** Everything there is to know about an image. */
  async function stateOf(id: string): Promise<string> {
    const identity = { userId: null, projectId: 'ops', roles: ['admin'], isAdmin: true };
    const context = { identity: { ...identity, readOnly: false }, requestId: 'req-matrix' };
    const image = await server.registry.getImage(id, context);
    return JSON.stringify([image, await server.registry.listMembers(id, context)]);
  }

  const ask = (operation: string, caller: CallerName, id: string, row?: Row) => {
    const [method, path = ''] = operation.split(' ');
    const url = path
      .replace('{id}', id)
      .replace('{member}', 'g')
      .replace('{tag}', 't')
      .replace('{store}', 'memory');
    const agent = as(caller);
    const call = agent[method as 'get'](url).set(row?.headers ?? {});
    return row?.body === undefined ? call : call.send(row.body as object);
  };

  it('has a row for every operation that there is', () => {
    const documented = Object.entries(PUBLIC_OPERATIONS).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    const rows = [...Object.keys(IMAGE_OPERATIONS), ...Object.keys(OTHER_OPERATIONS)];
    expect([...rows, ...OPEN_OPERATIONS].sort()).toEqual(documented.sort());
  });

  it.each(Object.entries(IMAGE_OPERATIONS))('%s', async (operation, row) => {
    const expected: string[] = [];
    const answers: string[] = [];
    for (const kind of Object.keys(IMAGES) as ImageName[]) {
      let id: string | undefined;
      for (const caller of Object.keys(CALLERS) as CallerName[]) {
        id ??= await created(kind, row.queued === true);
        const before = await stateOf(id);
        const { status } = await ask(operation, caller, id, row);
        answers.push(`${caller}, ${kind}: ${status}`);
        expected.push(`${caller}, ${kind}: ${expectedAnswer(row, caller, kind)}`);
        if (status >= 300) expect(await stateOf(id)).toBe(before);
        else id = undefined;
      }
    }
    expect(answers).toEqual(expected);
  });

  it.each(Object.entries(OTHER_OPERATIONS))('%s', async (operation, row) => {
    for (const caller of Object.keys(CALLERS) as CallerName[]) {
      const body = operation === 'post /v2/images' ? { body: {} } : {};
      const id = randomUUID();
      const { status } = await ask(operation, caller, id, { rule: 'read', success: 200, ...body });
      const expected = caller === 'anonymous' ? 401 : (row[caller] ?? row.others);
      expect([caller, status]).toEqual([caller, expected]);
    }
  });

  it('lists what each caller may see and wants to see', async () => {
    const ids = new Map<string, ImageName>();
    for (const kind of Object.keys(IMAGES) as ImageName[])
      ids.set(await created(kind, false), kind);
    const listed = async (caller: CallerName, url: string): Promise<ImageName[]> => {
      const { body } = await as(caller).get(url).expect(200);
      return (body.images as { id: string }[])
        .flatMap(({ id }) => ids.get(id) ?? [])
        .sort((a, b) => Object.keys(IMAGES).indexOf(a) - Object.keys(IMAGES).indexOf(b));
    };
    const all = Object.keys(IMAGES) as ImageName[];
    const but = (...names: ImageName[]) => all.filter((name) => !names.includes(name));
    const open: ImageName[] = ['public', 'deactivated', 'protected'];
    const v2 = '/v2/images?limit=1000';
    for (const caller of ['member', 'reader'] as const) {
      expect(await listed(caller, v2)).toEqual(but('hidden'));
      expect(await listed(caller, '/v1/images?limit=1000')).toEqual(all);
    }
    expect(await listed('guest', v2)).toEqual(['accepted', ...open]);
    expect(await listed('guest', `${v2}&member_status=pending`)).toEqual(['pending', ...open]);
    expect(await listed('stranger', v2)).toEqual(open);
    expect(await listed('stranger', `${v2}&visibility=community`)).toEqual(['community']);
    expect(await listed('stranger', `${v2}&os_hidden=true`)).toEqual(['hidden']);
    expect(await listed('stranger', `${v2}&visibility=private`)).toEqual([]);
    expect(await listed('stranger', `${v2}&visibility=all`)).toEqual(['community', ...open]);
    expect(await listed('admin', v2)).toEqual(but('community', 'hidden'));
    expect(await listed('stranger', '/v1/images?limit=1000')).toEqual([
      'public',
      'hidden',
      'deactivated',
      'protected',
    ]);
  });
});
