import { differently, request, type Step } from '../support/side-by-side';

const ROOT = '/v2/metadefs/namespaces';
type By = Step['by'];
type Query = readonly string[];

const get = (path: string, by: By = 'admin') => request('GET', path, undefined, { by });
const post = (path: string, body?: unknown, by: By = 'admin') =>
  request('POST', path, body, { by });
const put = (path: string, body?: unknown, by: By = 'admin') => request('PUT', path, body, { by });
const remove = (path: string, by: By = 'admin') => request('DELETE', path, undefined, { by });

const DEFINITION = { title: 'A title', type: 'string' };
const FULL = {
  ...{ title: 'Full', description: 'All of it', type: 'array', operators: ['<in>'] },
  ...{ default: 100, minimum: 1.5, maximum: 7, minLength: 1, maxLength: 9, pattern: '^a' },
  ...{ enum: ['a', 'b'], items: { type: 'string', enum: ['x'] }, minItems: 0, maxItems: 3 },
  ...{ uniqueItems: true, additionalItems: false, readonly: true },
};
const WHOLE = {
  namespace: 'OS::Whole',
  display_name: 'Whole',
  description: 'Everything at once',
  visibility: 'public',
  resource_type_associations: [
    { name: 'OS::Glance::Image', prefix: 'hw_' },
    { name: 'OS::Nova::Server', properties_target: 'metadata' },
    { name: 'Plain' },
  ],
  properties: { first: DEFINITION, full: FULL },
  objects: [
    { name: 'Grouped', description: 'A group', required: ['one'], properties: { one: DEFINITION } },
    { name: 'Empty' },
  ],
  tags: [{ name: 'a' }, { name: 'c' }, { name: 'b' }],
};
const FAILURE = 'upstream fails at it';
const KINDS = ['objects', 'properties', 'tags', 'resource_types'] as const;

/** Namespaces, one after another as they are listed. */
export const namespaces: Step[] = [
  get(ROOT),
  get('/v2/metadefs/resource_types'),
  post(ROOT, WHOLE),
  post(ROOT, WHOLE),
  post(ROOT, { namespace: 'Alone' }),
  ...differently(
    'a URL has no blanks',
    { location: `${ROOT}/with%20space` },
    post(ROOT, { namespace: 'with space', visibility: 'public', owner: 'alice' }),
  ),
  post(ROOT, { namespace: 'hers', owner: 'alice', display_name: 'Hers' }),
  post(ROOT, { namespace: 'closed', owner: 'bob', protected: true }),
  post(ROOT, { namespace: 'refused' }, 'alice'),
  post(ROOT, { namespace: 'refused' }, 'anonymous'),
  ...(['admin', 'alice', 'bob', 'reader', 'anonymous'] as const).flatMap((by) => [
    get(ROOT, by),
    get('/v2/metadefs/resource_types', by),
    ...['OS::Whole', 'Alone', 'with%20space', 'hers', 'closed', 'missing'].map((name) =>
      get(`${ROOT}/${name}`, by),
    ),
  ]),
  ...(
    [
      ['visibility=public'],
      ['visibility=private'],
      ['visibility=shared'],
      ['resource_types=OS::Glance::Image'],
      ['resource_types=Other,OS::Nova::Server'],
      ['resource_types=Other'],
      ['sort_key=namespace', 'sort_dir=asc'],
      ['sort_key=display_name', 'sort_dir=desc'],
      ['sort_dir=up'],
      ['limit=2', 'sort_key=namespace', 'sort_dir=asc'],
      ['limit=2', 'sort_key=namespace', 'sort_dir=asc', 'marker=closed'],
      ['limit=100', 'sort_key=namespace', 'sort_dir=asc', 'marker=closed'],
      ['limit=-1'],
      ['limit=0'],
      ['marker=missing'],
      ['colour=red', 'sort_key=namespace', 'sort_dir=asc'],
    ] satisfies Query[]
  ).map((query) => get(`${ROOT}?${query.join('&')}`)),
  get(`${ROOT}/OS::Whole?resource_type=OS::Glance::Image`),
  get(`${ROOT}/OS::Whole?resource_type=OS::Nova::Server`),
  get(`${ROOT}/OS::Whole?resource_type=Other`),
  put(`${ROOT}/Alone`, { namespace: 'Alone', description: 'changed', visibility: 'public' }),
  get(`${ROOT}/Alone`),
  put(`${ROOT}/Alone`, { namespace: 'Renamed', protected: true }),
  get(`${ROOT}/Alone`),
  get(`${ROOT}/Renamed`),
  put(`${ROOT}/Renamed`, { namespace: 'OS::Whole' }),
  put(`${ROOT}/Renamed`, { namespace: 'Renamed', tags: [{ name: 'not used' }] }),
  get(`${ROOT}/Renamed`),
  put(`${ROOT}/Renamed`, { display_name: 'no name' }),
  put(`${ROOT}/missing`, { namespace: 'missing' }),
  put(`${ROOT}/hers`, { namespace: 'hers' }, 'alice'),
  put(`${ROOT}/hers`, { namespace: 'hers' }, 'bob'),
  remove(`${ROOT}/hers`, 'alice'),
  remove(`${ROOT}/hers`, 'bob'),
  remove(`${ROOT}/closed`),
  remove(`${ROOT}/Renamed`),
  remove(`${ROOT}/Renamed`),
  remove(`${ROOT}/missing`),
];

/** What a namespace is refused for. */
export const namespaceBodies: Step[] = [
  ...differently(FAILURE, { status: 400 }, post(ROOT, [])),
  ...[
    undefined,
    {},
    { namespace: 1 },
    { namespace: 'n'.repeat(81) },
    { namespace: 'n', display_name: 'd'.repeat(81) },
    { namespace: 'n', description: 'd'.repeat(501) },
    { namespace: 'n', visibility: 'shared' },
    { namespace: 'n', protected: 'yes' },
    { namespace: 'n', owner: 7 },
    { namespace: 'n', colour: 'red' },
    { namespace: 'n', self: '/x' },
    { namespace: 'n', schema: '/x' },
    { namespace: 'n', created_at: '2020-01-01T00:00:00Z' },
    { namespace: 'n', properties: [] },
    { namespace: 'n', properties: { p: { title: 'no type' } } },
    { namespace: 'n', properties: { p: { type: 'string' } } },
    { namespace: 'n', properties: { p: { title: 't', type: 'text' } } },
    { namespace: 'n', properties: { p: { ...DEFINITION, minLength: -1 } } },
    { namespace: 'n', properties: { p: { ...DEFINITION, required: ['a', 'a'] } } },
    { namespace: 'n', objects: [{ name: 'o', properties: { p: {} } }] },
    { namespace: 'n', objects: {} },
    { namespace: 'n', tags: ['t'] },
    { namespace: 'n\u{1f600}' },
  ].map((body) => post(ROOT, body)),
  get(`${ROOT}/n`),
];

/** What a namespace holds, item by item. */
export const items: Step[] = [
  post(ROOT, { namespace: 'Holder', owner: 'alice' }),
  post(ROOT, { namespace: 'Guarded', protected: true, visibility: 'public' }),
  ...['Holder', 'Guarded', 'missing'].flatMap((namespace) => {
    const base = `${ROOT}/${namespace}`;
    return [
      ...KINDS.map((kind) => get(`${base}/${kind}`)),
      post(`${base}/properties`, { name: 'full', ...FULL }),
      post(`${base}/properties`, { name: 'plain', ...DEFINITION, default: true }),
      post(`${base}/properties`, { name: 'plain', ...DEFINITION }),
      post(`${base}/objects`, {
        ...{ name: 'group', description: 'd', required: ['one'], properties: { one: FULL } },
      }),
      post(`${base}/objects`, { name: 'bare' }),
      post(`${base}/objects`, { name: 'bare' }),
      post(`${base}/tags/one`),
      post(`${base}/tags/one`),
      post(`${base}/tags/two`, {}),
      post(`${base}/resource_types`, { name: 'OS::Glance::Image', prefix: 'hw_' }),
      post(`${base}/resource_types`, { name: 'OS::Glance::Image' }),
      post(`${base}/resource_types`, { name: 'New::Type', properties_target: 'image' }),
      get('/v2/metadefs/resource_types'),
      ...KINDS.flatMap((kind) =>
        (['admin', 'alice', 'bob'] as const).map((by) => get(`${base}/${kind}`, by)),
      ),
      get(`${base}/properties/plain`),
      get(`${base}/properties/full`),
      get(`${base}/properties/none`),
      get(`${base}/properties/hw_plain?resource_type=OS::Glance::Image`),
      get(`${base}/properties/plain?resource_type=OS::Glance::Image`),
      get(`${base}/properties/plain?resource_type=New::Type`),
      get(`${base}/properties/plain?resource_type=Other`),
      get(`${base}/objects/group`),
      get(`${base}/objects/bare`),
      get(`${base}/objects/none`),
      get(`${base}/tags/one`),
      get(`${base}/tags/none`),
      get(base),
      put(`${base}/properties/plain`, { name: 'renamed', ...DEFINITION }),
      get(`${base}/properties/plain`),
      put(`${base}/properties/renamed`, { name: 'full', ...DEFINITION }),
      put(`${base}/properties/none`, { name: 'none', ...DEFINITION }),
      put(`${base}/objects/bare`, { name: 'filled', properties: { p: DEFINITION } }),
      put(`${base}/objects/filled`, { name: 'group' }),
      put(`${base}/objects/none`, { name: 'none' }),
      put(`${base}/tags/one`, { name: 'uno' }),
      put(`${base}/tags/none`, { name: 'none' }),
      ...(['alice', 'bob'] as const).flatMap((by) => [
        put(`${base}/tags/uno`, { name: 'hers' }, by),
        post(`${base}/objects`, { name: 'hers' }, by),
        post(`${base}/tags/hers`, undefined, by),
        remove(`${base}/properties/full`, by),
        remove(`${base}/resource_types/New::Type`, by),
      ]),
      remove(`${base}/properties/renamed`),
      remove(`${base}/properties/renamed`),
      remove(`${base}/objects/filled`),
      remove(`${base}/objects/filled`),
      remove(`${base}/tags/uno`),
      remove(`${base}/tags/uno`),
      remove(`${base}/resource_types/New::Type`),
      remove(`${base}/resource_types/New::Type`),
      get('/v2/metadefs/resource_types'),
      get(base),
      ...(['properties', 'objects', 'tags'] as const).flatMap((kind) => [
        remove(`${base}/${kind}`),
        get(`${base}/${kind}`),
      ]),
      get(base),
    ];
  }),
  remove(`${ROOT}/Holder`),
  get(`${ROOT}/Holder/tags`),
];

/** Many tags at once, and pages of them. */
export const tags: Step[] = [
  post(ROOT, { namespace: 'Tagged' }),
  post(`${ROOT}/Tagged/tags`, { tags: [{ name: 'c' }, { name: 'a' }, { name: 'b' }] }),
  ...(
    [
      ['sort_key=name', 'sort_dir=asc'],
      ['sort_key=name', 'sort_dir=desc', 'limit=2'],
      ['sort_key=name', 'sort_dir=asc', 'limit=1', 'marker=a'],
      ['marker=none'],
      ['limit=-1'],
      ['sort_dir=up'],
    ] satisfies Query[]
  ).map((query) => get(`${ROOT}/Tagged/tags?${query.join('&')}`)),
  post(`${ROOT}/Tagged/tags`, { tags: [{ name: 'x' }, { name: 'x' }] }),
  get(`${ROOT}/Tagged/tags`),
  post(`${ROOT}/Tagged/tags`, { tags: [] }),
  get(`${ROOT}/Tagged/tags`),
  post(`${ROOT}/Tagged/tags`, { tags: [{ name: 'y' }] }),
  get(`${ROOT}/Tagged/tags`),
  ...['true', 'yes', 'no'].map((append, index) =>
    request(
      'POST',
      `${ROOT}/Tagged/tags`,
      { tags: [{ name: `z${index}` }] },
      {
        by: 'admin',
        headers: { 'x-openstack-append': append },
      },
    ),
  ),
  get(`${ROOT}/Tagged/tags`),
  request(
    'POST',
    `${ROOT}/Tagged/tags`,
    { tags: [{ name: 'new' }, { name: 'z2' }] },
    {
      by: 'admin',
      headers: { 'x-openstack-append': 'true' },
    },
  ),
  get(`${ROOT}/Tagged/tags`),
  ...[undefined, { tags: 'x' }, { tags: [{}] }, { tags: [{ name: 'a', colour: 'red' }] }].map(
    (body) => post(`${ROOT}/Tagged/tags`, body),
  ),
  post(`${ROOT}/Tagged/tags/${'t'.repeat(81)}`),
  put(`${ROOT}/Tagged/tags/y`, { name: 't'.repeat(81) }),
  put(`${ROOT}/Tagged/tags/y`, { name: 'y', created_at: 'now' }),
  remove(`${ROOT}/Tagged`),
];

/** What items are refused for. */
export const itemBodies: Step[] = [
  post(ROOT, { namespace: 'Strict' }),
  ...differently(
    FAILURE,
    { status: 400 },
    post(`${ROOT}/Strict/properties`, []),
    post(`${ROOT}/Strict/properties`, { name: 'p', ...DEFINITION, enum: [1, 2] }),
    post(`${ROOT}/Strict/objects`, []),
    post(`${ROOT}/Strict/resource_types`, []),
    post(`${ROOT}/Strict/tags`, []),
    post(`${ROOT}/Strict/tags`, {}),
  ),
  ...[
    undefined,
    {},
    { ...DEFINITION },
    { name: 'p' },
    { name: 'p'.repeat(81), ...DEFINITION },
    { name: 'p', ...DEFINITION, colour: 'red' },
    { name: 'p', ...DEFINITION, enum: 'a' },
    { name: 'p', ...DEFINITION, readonly: 'yes' },
    { name: 'p', ...DEFINITION, created_at: 'now' },
    { name: 'p', ...DEFINITION, items: { type: 'text' } },
    { name: 'p', ...DEFINITION, confidential: true },
  ].map((body) => post(`${ROOT}/Strict/properties`, body)),
  ...[
    undefined,
    {},
    { name: 7 },
    { name: 'o'.repeat(81) },
    { name: 'o', colour: 'red' },
    { name: 'o', self: '/x' },
    { name: 'o', properties: { p: { title: 't' } } },
    { name: 'o', properties: { p: { ...DEFINITION, colour: 'red' } } },
    { name: 'o', required: ['a', 'a'] },
  ].map((body) => post(`${ROOT}/Strict/objects`, body)),
  ...[
    undefined,
    {},
    { name: 'r'.repeat(81) },
    { name: 'r', prefix: 'p'.repeat(81) },
    { name: 'r', colour: 'red' },
    { name: 'r', updated_at: 'now' },
  ].map((body) => post(`${ROOT}/Strict/resource_types`, body)),
  get(`${ROOT}/Strict`),
  ...['limit=0', 'limit=-1', 'limit=1', 'sort_dir=up', 'visibility=shared', 'visibility=x'].map(
    (query) => get(`${ROOT}/Strict/objects?${query}`),
  ),
];

/** Methods and bodies that the paths have not, and the schemas. */
export const protocol: Step[] = [
  ...['', '/Strict', ...KINDS.flatMap((kind) => [`/Strict/${kind}`, `/Strict/${kind}/x`])].flatMap(
    (path) =>
      ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) =>
        request(method, `${ROOT}${path}`, undefined, { by: 'bob' }),
      ),
  ),
  ...['/Strict', '/Strict/objects/x', '/Strict/tags/x'].flatMap((path) =>
    ['GET', 'DELETE'].map((method) => request(method, `${ROOT}${path}`, {}, { by: 'alice' })),
  ),
  request('GET', ROOT, {}),
  request('GET', `${ROOT}/Strict/properties`, {}),
  ...differently(FAILURE, { status: 404 }, request('DELETE', `${ROOT}/Strict/properties`, {})),
  request('GET', '/v2/metadefs'),
  request('GET', '/v2/metadefs/resource_types', {}),
  request('POST', '/v2/metadefs/resource_types', {}),
  ...[
    ...['namespace', 'namespaces', 'object', 'objects', 'property', 'properties'],
    ...['tag', 'tags', 'resource_type', 'resource_types', 'nothing'],
  ].map((name) => request('GET', `/v2/schemas/metadefs/${name}`)),
];
