import { differently, request, type Step } from '../support/side-by-side';

type Caller = Step['by'];
const MANGLED = '§1.1 ⚠: paths are UTF-8';
const MEMBERS = '/v2/images/{lent}/members';
const show = (member: string, by: Caller = 'alice'): Step =>
  request('GET', `${MEMBERS}/${member}`, undefined, { by });
const index = (by: Caller = 'alice'): Step => request('GET', MEMBERS, undefined, { by });
const invite = (body: unknown, by: Caller = 'alice'): Step =>
  request('POST', MEMBERS, body, { by });
const reply = (member: string, body: unknown, by: Caller = 'bob'): Step =>
  request('PUT', `${MEMBERS}/${member}`, body, { by });
const drop = (member: string, by: Caller = 'alice'): Step =>
  request('DELETE', `${MEMBERS}/${member}`, undefined, { by });
const EVERYBODY = ['alice', 'reader', 'bob', 'carol', 'admin', 'unscoped', 'anonymous'] as const;

const narrowed = (visibility: string): Step =>
  request(
    'PATCH',
    '/v2/images/{lent}',
    [{ op: 'replace', path: '/visibility', value: visibility }],
    {
      headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
    },
  );

/** The life of memberships (api-v2 sheet §7). */
export const members: Step[] = [
  request('POST', '/v2/images', { name: 'lent' }, { saves: 'lent' }),
  index(),
  invite(undefined),
  invite('{'),
  invite([]),
  invite(['bob']),
  invite({}),
  invite({ member: '' }),
  invite({ member: null }),
  invite({ member: 'x\u{1F600}' }),
  invite({ project: 'bob' }),
  invite({ member: 'bob' }, 'reader'),
  invite({ member: 'bob' }, 'bob'),
  invite({ member: 'bob' }),
  invite({ member: 'bob' }),
  invite({ member: 'bob', status: 'accepted' }),
  invite({ member: 'dora', status: 'accepted', more: 1 }),
  invite({ member: 'alice' }),
  invite({ member: 'projét', more: 1 }),
  ...EVERYBODY.flatMap((by) => [index(by), show('bob', by), show('dora', by), show('nobody', by)]),
  ...differently(MANGLED, { status: 200 }, show('proj%C3%A9t')),
  reply('bob', undefined),
  reply('bob', '{'),
  reply('bob', []),
  reply('bob', {}),
  reply('bob', { status: 'maybe' }),
  reply('bob', { status: null }),
  reply('bob', { status: '' }),
  ...EVERYBODY.filter((by) => by !== 'bob').map((by) => reply('bob', { status: 'rejected' }, by)),
  reply('dora', { status: 'accepted' }),
  reply('nobody', { status: 'accepted' }, 'admin'),
  ...['accepted', 'accepted', 'rejected', 'pending', 'accepted'].flatMap((status) => [
    reply('bob', { status, more: 1 }),
    show('bob', 'bob'),
    request('GET', '/v2/images/{lent}', undefined, { by: 'bob' }),
  ]),
  drop('bob', 'bob'),
  drop('bob', 'reader'),
  drop('bob', 'carol'),
  drop('nobody'),
  request('DELETE', `${MEMBERS}/dora`, {}),
  drop('dora'),
  drop('dora'),
  show('dora'),
  invite({ member: 'dora' }),
  show('dora'),
  request('GET', MEMBERS, {}),
  request('GET', `${MEMBERS}/bob`, {}),
  ...['private', 'community'].flatMap((visibility) => [
    narrowed(visibility),
    index(),
    index('bob'),
    invite({ member: 'eve' }),
    show('bob'),
    show('bob', 'bob'),
    reply('bob', { status: 'pending' }),
    drop('bob'),
    drop('bob', 'admin'),
  ]),
  narrowed('shared'),
  index(),
  ...Array.from({ length: 12 }, (_, n) => invite({ member: `member ${n}` })),
  invite({ member: 'bob' }),
  request('GET', '/v2/images/no-such-image/members'),
  request('POST', '/v2/images/no-such-image/members', { member: 'bob' }),
  request('GET', '/v2/images/no-such-image/members/bob'),
  request('PUT', '/v2/images/no-such-image/members/bob', { status: 'accepted' }),
  request('DELETE', '/v2/images/no-such-image/members/bob'),
];

const tag = (method: string, name: string, by: Caller = 'alice'): Step =>
  request(method, `/v2/images/{tagged}/tags/${name}`, undefined, { by });
const tagged = request('GET', '/v2/images/{tagged}');

/** Tags one by one (api-v2 sheet 1.2). */
export const tags: Step[] = [
  request('POST', '/v2/images', { name: 'tagged' }, { saves: 'tagged' }),
  ...['one', 'one', 'gabe%40example.com', 'with%20blank', 'a:b', 'UPPER'].map((name) =>
    tag('PUT', name),
  ),
  tagged,
  tag('PUT', 't'.repeat(255)),
  tag('PUT', 't'.repeat(256)),
  tag('PUT', 'a%2Fb'),
  tag('PUT', ''),
  tag('DELETE', 'missing'),
  tag('DELETE', 'gabe%40example.com'),
  tag('DELETE', 'gabe%40example.com'),
  tag('DELETE', 'upper'),
  ...differently(MANGLED, { status: 400 }, tag('PUT', '%F0%9F%98%80')),
  ...differently(MANGLED, { status: 404 }, tag('DELETE', '%F0%9F%98%80')),
  tag('PUT', 'one', 'bob'),
  tag('PUT', 'two', 'admin'),
  request('PUT', '/v2/images/{tagged}/tags/three', {}),
  request('PUT', '/v2/images/{tagged}/tags/three', undefined, {
    headers: { 'content-type': 'application/octet-stream' },
  }),
  request('DELETE', '/v2/images/{tagged}/tags/three', {}),
  tagged,
  ...Array.from({ length: 6 }, (_, n) => tag('PUT', `more${n}`)),
  tag('PUT', 'one'),
  tagged,
  tag('DELETE', 'more0'),
  tag('PUT', '%E2%82%AC'),
  tag('PUT', '%E2%82%AC'),
  tag('DELETE', '%E2%82%AC'),
  tagged,
  request('PUT', '/v2/images/no-such-image/tags/x'),
  request('DELETE', '/v2/images/no-such-image/tags/x'),
];
