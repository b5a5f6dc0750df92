import { differently, request, type Step } from '../support/side-by-side';

const OCTETS = { headers: { 'content-type': 'application/octet-stream' } };
const RAW = { disk_format: 'raw', container_format: 'bare' };
const importIt = (image: string, body: unknown, by: Step['by'] = 'alice'): Step =>
  request('POST', `/v2/images/{${image}}/import`, body, { by });
const web = (uri: string) => ({ method: { name: 'web-download', uri } });
const direct = { method: { name: 'glance-direct' } };

/** Staging and imports, as far as the answer does not wait for what comes of them. */
export const imports: Step[] = [
  request('POST', '/v2/images', { ...RAW, name: 'to import' }, { saves: 'one' }),
  request('POST', '/v2/images', { name: 'no formats' }, { saves: 'bare' }),
  request('POST', '/v2/images', { ...RAW, name: 'with data' }, { saves: 'full' }),
  request('PUT', '/v2/images/{full}/file', 'data', OCTETS),
  importIt('one', {}),
  ...differently('a list is no import', { status: 400 }, importIt('one', [])),
  importIt('one', { method: {} }),
  importIt('one', { method: { name: 'telepathy' } }),
  importIt('one', { ...direct, all_stores: 'yes' }),
  importIt('one', { ...direct, all_stores_must_succeed: 1 }),
  importIt('one', direct),
  importIt('one', { method: { name: 'copy-image' } }, 'admin'),
  importIt('one', direct, 'bob'),
  importIt('full', direct),
  importIt('full', web('http://example.org/disk')),
  ...['http://example.org:22/disk', 'ftp://example.org/disk', 'example.org', ''].map((uri) =>
    importIt('one', web(uri)),
  ),
  importIt('bare', web('http://example.org/disk')),
  request('POST', '/v2/images/{one}/import'),
  request('PUT', '/v2/images/{one}/import', {}),
  request('GET', '/v2/images/{one}/stage'),
  request('PUT', '/v2/images/{one}/stage', 'data', { headers: { 'content-type': 'text/plain' } }),
  request('PUT', '/v2/images/{one}/stage', 'data', { ...OCTETS, by: 'bob' }),
  request('PUT', '/v2/images/{one}/stage', 'data', { ...OCTETS, by: 'reader' }),
  request('PUT', '/v2/images/{full}/stage', 'data', OCTETS),
  request('PUT', '/v2/images/{bare}/stage', 'data', OCTETS),
  request('GET', '/v2/images/{bare}'),
  request('GET', '/v2/images/{bare}/file'),
  request('PUT', '/v2/images/{bare}/stage', 'data', OCTETS),
  request('PUT', '/v2/images/{bare}/file', 'data', OCTETS),
  importIt('bare', direct),
  importIt('bare', web('http://example.org/disk')),
  request('DELETE', '/v2/images/{bare}'),
  request('GET', '/v2/images/{bare}'),
  ...(['alice', 'admin', 'anonymous'] as const).flatMap((by) => [
    request('GET', '/v2/tasks', undefined, { by }),
    request('GET', '/v2/tasks?status=done', undefined, { by }),
    request('GET', '/v2/tasks?limit=x', undefined, { by }),
    request('GET', '/v2/tasks?sort_key=nothing', undefined, { by }),
    request('GET', '/v2/tasks?marker=nothing', undefined, { by }),
    request('GET', '/v2/tasks/no-such-task', undefined, { by }),
    request('DELETE', '/v2/tasks/no-such-task', undefined, { by }),
  ]),
];
