import { differently, request, type Step } from '../support/side-by-side';

type Options = Parameters<typeof request>[3];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'PURGE'];
const ACCEPTS = [
  '*/*',
  'application/json',
  'application/json, */*',
  'application/json, text/html',
  'text/html;q=0.5, application/json',
  'text/html',
  'text/plain',
  'image/png',
  'text/*',
  'application/*',
  '',
];

const image = request('POST', '/v2/images', { name: 'somewhere' }, { saves: 'there' });

/** Each with the methods that it has. */
const PATHS: Record<string, string[]> = {
  '/v2/images': ['GET', 'POST'],
  '/v2/images/{there}': ['GET', 'PATCH', 'DELETE'],
  '/v2/images/{there}/file': ['GET', 'PUT'],
  '/v2/images/{there}/members': ['GET', 'POST'],
  '/v2/images/{there}/members/bob': ['GET', 'PUT', 'DELETE'],
  '/v2/images/{there}/tags/t': ['PUT', 'DELETE'],
  '/v2/images/{there}/actions/deactivate': ['POST'],
  '/v2/images/{there}/actions/reactivate': ['POST'],
  '/v2/schemas/image': ['GET'],
  '/v2/schemas/images': ['GET'],
  '/v2/schemas/member': ['GET'],
  '/v2/schemas/members': ['GET'],
  '/v2/info/import': ['GET'],
  '/v2/info/stores': ['GET'],
  '/v2/info/stores/detail': ['GET'],
  '/v2/stores/x/{there}': ['DELETE'],
  '/v2/cache': ['GET', 'DELETE'],
  '/v2/cache/{there}': ['DELETE', 'PUT'],
};

/** Wrong methods and paths that are not there (api-v2 sheet 1.1). */
export const routes: Step[] = [
  image,
  ...Object.entries(PATHS).flatMap(([path, has]) =>
    METHODS.filter((method) => !has.includes(method)).map((method) => request(method, path)),
  ),
  ...[
    '/v2',
    '/v2/',
    '/v2/images/',
    '/v2/images/{there}/',
    '/v2/images/{there}.json',
    '/v2/images/{there}/nothing',
    '/v2/images/{there}/file/',
    '/v2/images/{there}/actions',
    '/v2/images/{there}/actions/explode',
    '/v2/images/{there}/tags',
    '/v2/images/{there}/tags/a%2Fb',
    '/v2/images/{there}/members/',
    '/v2/schemas',
    '/v2/schemas/nothing',
    '/v2/schemas/image/x',
    '/v2/info',
    '/v2/nothing',
    '/v2/Images',
    '//v2/images/{there}',
    '/v2//images/{there}',
    '/v2.0/images/{there}',
    '/v2.5/images/{there}',
    '/v2.9/images/{there}',
    '/v2///images?limit=0',
    '/v2/images//{there}',
    '/v2//',
    '//v2',
    '/v2/images/%2e%2e/{there}',
    '/v2/images/caf%C3%A9',
  ].map((path) => request('GET', path)),
  ...differently(
    '§1.1: no query may be undecodable',
    { status: 400 },
    request('GET', '/v2/images/{there}?x=%FF'),
  ),
  ...METHODS.map((method) => request(method, '/v2/nothing')),
  ...['/v2/images', '/v2/images/{there}', '/v2/nothing', '/v2/images/no-such-image'].map((path) =>
    request('OPTIONS', path),
  ),
  request('GET', '/v2/nothing', undefined, { by: 'anonymous' }),
  request('GET', '/v2/images/{there}', undefined, { by: 'anonymous' }),
  request('GET', '/v2/images/{there}', undefined, {
    by: 'anonymous',
    headers: { 'x-identity-status': 'Invalid' },
  }),
  request('PUT', '/v2/images/{there}/stage', 'data', {
    headers: { 'content-type': 'application/octet-stream' },
  }),
  request('GET', '/v2/images/{there}/tasks'),
  request('GET', '/v2/images/no-such-image/tasks'),
  request('GET', '/v2/images/{there}/tasks', undefined, { by: 'bob' }),
  request('POST', '/v2/images/{there}/tasks'),
  request('GET', '/v2/images/{there}/tasks', {}),
  request('POST', '/v2/images', { name: 'again' }, { headers: { 'content-type': 'a/b; c=d' } }),
  ...['/v2/cache', '/v2/cache/{there}'].flatMap((path) =>
    (['alice', 'admin'] as const).map((by) => request('DELETE', path, undefined, { by })),
  ),
  ...(['alice', 'admin'] as const).flatMap((by) => [
    request('GET', '/v2/cache', undefined, { by }),
    request('PUT', '/v2/cache/{there}', undefined, { by }),
    request('PUT', '/v2/cache/no-such-image', undefined, { by }),
    request('DELETE', '/v2/stores/x/{there}', undefined, { by }),
    ...differently(
      '§10.5 ⚠: 404',
      { status: 404 },
      request('DELETE', '/v2/cache/no-such-image', undefined, { by }),
    ),
  ]),
  // Of a deletion only a length tells that there is a body.
  request('DELETE', '/v2/images/{there}', 'body', { chunked: true }),
];

/** Error bodies in the form that is asked for (api-v2 sheet 16.3). */
export const errorBodies: Step[] = [
  image,
  ...[undefined, ...ACCEPTS].flatMap((accept) => {
    const options: Options = { headers: accept === undefined ? {} : { accept } };
    return [
      request('GET', '/v2/images/no-such-image', undefined, options),
      request('GET', '/v2/nothing', undefined, options),
      request('GET', '/v2/images?limit=x', undefined, options),
      request('POST', '/v2/images', { self: 'x' }, options),
      request('POST', '/v2/images', { location: 'x' }, options),
      request('PUT', '/v2/images', undefined, options),
      request('HEAD', '/v2/images', undefined, options),
      request('PATCH', '/v2/images/{there}', [], options),
      request('PATCH', '/v2/images/{there}', [{ op: 'remove', path: '/x' }], {
        headers: {
          ...options.headers,
          'content-type': 'application/openstack-images-v2.1-json-patch',
        },
      }),
      request(
        'POST',
        '/v2/images',
        { tags: Array.from({ length: 20 }, (_, n) => `t${n}`) },
        options,
      ),
      request('GET', '/v2/images', undefined, { ...options, by: 'anonymous' }),
      request('GET', '/v2/images/{there}', undefined, options),
    ];
  }),
];

const RANGES = '§2.1: the schema says what numbers are refused anyway';
const rangesOf = (schema: string): Record<string, unknown> =>
  Object.fromEntries(
    ['min_ram', 'min_disk'].flatMap((name) => [
      [`${schema}.properties.${name}.minimum`, 0],
      [`${schema}.properties.${name}.maximum`, 2147483647],
    ]),
  );

/** What the service says about itself (api-v2 sheet §10, §11, §12). */
export const discovery: Step[] = [
  ...differently(RANGES, rangesOf('body'), request('GET', '/v2/schemas/image')),
  ...differently(
    RANGES,
    rangesOf('body.properties.images.items'),
    request('GET', '/v2/schemas/images'),
  ),
  request('GET', '/v2/schemas/member'),
  request('GET', '/v2/schemas/members'),
  request('GET', '/v2/schemas/image', {}),
  request('GET', '/v2/schemas/image', undefined, { by: 'anonymous' }),
  ...differently(
    RANGES,
    rangesOf('body'),
    request('GET', '/v2/schemas/image', undefined, { by: 'unscoped' }),
  ),
  request('GET', '/v2/info/import'),
  request('GET', '/v2/info/stores'),
  request('GET', '/v2/info/stores/detail'),
  request('GET', '/v2/info/stores/detail', undefined, { by: 'admin' }),
  request('GET', '/v2/info/usage'),
  request('HEAD', '/'),
  ...differently(
    '§12: newer upstream has locations (v2.17)',
    {
      'body.versions.v2.15.status': 'SUPPORTED',
      'body.versions.v2.17': {
        id: 'v2.17',
        status: 'CURRENT',
        links: [{ rel: 'self', href: '/v2/' }],
      },
    },
    ...['/', '/versions', '/versions/', '/v10', '/va.1/images', '/v2.19/images', '/v3'].flatMap(
      (path) => ['GET', 'POST', 'DELETE'].map((method) => request(method, path)),
    ),
    request('GET', '/', undefined, { by: 'anonymous' }),
    request('GET', '/', undefined, { headers: { accept: 'text/html' } }),
    request('GET', '/images?limit=0', undefined, {
      headers: { accept: 'application/vnd.openstack.images-v77' },
    }),
  ),
  request('GET', '/images?limit=0', undefined, {
    headers: { accept: 'application/vnd.openstack.images-v2' },
  }),
  request('GET', '/images?limit=0', undefined, {
    headers: { accept: 'application/vnd.openstack.images-v2.3' },
  }),
  request('GET', '/v2/images', undefined, {
    headers: { accept: 'application/vnd.openstack.images-v2' },
  }),
];
