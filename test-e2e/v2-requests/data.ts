import { differently, request, type Step } from '../support/side-by-side';

type Options = NonNullable<Parameters<typeof request>[3]>;
type Caller = Step['by'];
const NEWER_SIZE = '§8.1: newer upstream compares x-openstack-image-size';
const stream = 'application/octet-stream';
const up = (image: string, body: unknown, options: Options = {}): Step =>
  request('PUT', `/v2/images/{${image}}/file`, body, {
    ...options,
    headers: { 'content-type': stream, ...options.headers },
  });
const down = (image: string, headers: Record<string, string> = {}, by: Caller = 'alice'): Step =>
  request('GET', `/v2/images/{${image}}/file`, undefined, { headers, by });
const show = (image: string): Step => request('GET', `/v2/images/{${image}}`);
const made = (name: string, fields: object = {}): Step =>
  request(
    'POST',
    '/v2/images',
    { name, disk_format: 'raw', container_format: 'bare', ...fields },
    { saves: name },
  );

/** Uploads (api-v2 sheet 8.1). */
export const uploads: Step[] = [
  made('up'),
  down('up'),
  ...differently(
    '§8.3: an image without data is 204',
    { status: 204 },
    down('up', { range: 'bytes=0-1' }),
  ),
  ...['', 'application/json', 'application/octet-st', 'text/plain'].map((type) =>
    request('PUT', '/v2/images/{up}/file', 'abc', {
      headers: type === '' ? {} : { 'content-type': type },
    }),
  ),
  request('PUT', '/v2/images/no-such-image/file', 'abc', { headers: { 'content-type': 'a/b' } }),
  request('PUT', '/v2/images/no-such-image/file', 'abc', { headers: { 'content-type': stream } }),
  ...['foobar', '4', '2'].flatMap((size, n) => [
    made(`wrong-size-${n}`),
    ...differently(
      NEWER_SIZE,
      { status: 400 },
      up(`wrong-size-${n}`, 'abc', { headers: { 'x-openstack-image-size': size } }),
    ),
  ]),
  show('up'),
  up('up', 'abc', { by: 'bob' }),
  up('up', 'abc', { by: 'reader' }),
  up('up', 'abc', { headers: { 'content-type': `${stream}; a=b` } }),
  show('up'),
  up('up', 'def'),
  down('up'),
  made('sized'),
  up('sized', 'abcd', { headers: { 'x-openstack-image-size': '4' } }),
  show('sized'),
  made('chunked'),
  up('chunked', 'abc', { chunked: true }),
  show('chunked'),
  made('chunked-wrong'),
  ...differently(
    NEWER_SIZE,
    { status: 400 },
    up('chunked-wrong', 'abc', { chunked: true, headers: { 'x-openstack-image-size': '2' } }),
  ),
  made('empty'),
  up('empty', ''),
  show('empty'),
  down('empty'),
  down('empty', { range: 'bytes=0-' }),
  made('stored', { name: 'elsewhere' }),
  up('stored', 'abc', { headers: { 'x-image-meta-store': 'nowhere' } }),
  show('stored'),
  made('formless', { disk_format: null }),
  up('formless', 'abc'),
  show('formless'),
  made('bodyless', { container_format: null }),
  up('bodyless', 'abc'),
  made('claims-qcow2', { disk_format: 'qcow2', container_format: 'ovf' }),
  up('claims-qcow2', 'abc'),
  show('claims-qcow2'),
  made('no-qcow2', { disk_format: 'qcow2' }),
  ...differently('§8.1: upstream of today', { status: 415 }, up('no-qcow2', 'abc')),
  request('PATCH', '/v2/images/{up}', [{ op: 'replace', path: '/disk_format', value: 'iso' }], {
    headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
  }),
  request('PATCH', '/v2/images/{up}', [{ op: 'replace', path: '/name', value: 'active' }], {
    headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
  }),
];

/** Downloads, whole and in parts, of `abc` (api-v2 sheet 8.3). */
export const downloads: Step[] = [
  made('three'),
  up('three', 'abc'),
  request('GET', '/v2/images/{three}/file', {}),
  request('GET', '/v2/images/no-such-image/file'),
  down('three', {}, 'reader'),
  down('three', {}, 'bob'),
  down('three', {}, 'admin'),
  ...[
    'bytes=1-2',
    'bytes=1-',
    'bytes=1-3',
    'bytes=-2',
    'bytes=1-100',
    'bytes=0-',
    'bytes=0-2',
    'bytes=0-100',
    'bytes=0-0',
    'bytes=-3',
    'bytes=-4',
    'bytes=-100',
    'bytes=-0',
    'bytes=4-1',
    'bytes=4-',
    'bytes=3-',
    'bytes=1',
    'bytes=100',
    'bytes=',
    'bytes=a-b',
    'Bytes=1-2',
    'items=0-1',
    'nonsense',
    'bytes=0-0,-1',
    'bytes=0-0,2-2',
    'bytes=99999999999999999999-',
  ].map((range) => down('three', { range })),
  ...[
    'bytes 1-2/3',
    'bytes 1-2/*',
    'bytes 0-2/3',
    'bytes -3/3',
    'bytes 1-/3',
    'bytes 1-3/3',
    'bytes 1-4/3',
    'bytes 1-4/*',
    'bytes 1-2/9',
    'bytes 4-1/*',
    'bytes 4-8/*',
    'bytes 4-8/10',
    'bytes=1-2',
    'nonsense',
  ].map((range) => down('three', { 'content-range': range })),
  down('three', { range: 'bytes=0-0', 'content-range': 'bytes 1-2/3' }),
  down('three', { 'if-none-match': '*', 'accept-encoding': 'gzip' }),
  ...differently('§8.3: no range', { status: 416 }, down('three', { range: 'bytes= 1-2' })),
  ...differently('§8.3 ⚠: 416', { status: 416 }, down('three', { 'content-range': 'bytes */3' })),
  ...differently(
    '§8.3: newer upstream has `prefer`',
    { status: 400 },
    request('GET', '/v2/images/{three}/file?prefer=somewhere'),
  ),
  request('GET', '/v2/images/{three}/file?prefer=,,'),
];

const act = (image: string, action: string, by: Caller = 'alice', body?: unknown): Step =>
  request('POST', `/v2/images/{${image}}/actions/${action}`, body, { by });

/** Actions on images with data, and their deletion (api-v2 sheet 8.4, 8.5). */
export const actions: Step[] = [
  made('off'),
  act('off', 'deactivate'),
  act('off', 'reactivate'),
  up('off', 'abc'),
  act('off', 'reactivate'),
  act('off', 'deactivate', 'alice', {}),
  act('off', 'explode'),
  act('off', 'deactivate', 'reader'),
  act('off', 'deactivate', 'bob'),
  act('off', 'deactivate'),
  act('off', 'deactivate'),
  show('off'),
  down('off'),
  down('off', {}, 'admin'),
  down('off', { range: 'bytes=0-0' }),
  up('off', 'def'),
  act('off', 'reactivate'),
  down('off'),
  act('off', 'deactivate', 'admin'),
  request('DELETE', '/v2/images/{off}'),
  act('off', 'reactivate'),
  act('off', 'reactivate', 'admin'),
  request('GET', '/v2/images/{off}/file'),
  request('POST', '/v2/images/no-such-image/actions/deactivate'),
];
