import express from 'express';
import request from 'supertest';
import { clientView, clientViewMiddleware, parseForwarded, type ClientView } from './client-view';
import { TrustedProxies } from './trusted-proxies';

const TRUSTED = ['127.0.0.1', '10.0.0.0/8', '2001:db8::/64'];

/** What an application sees of a request that comes from 127.0.0.1 with these headers. */
async function viewOf(
  headers: Record<string, string>,
  options: { trusted?: string[]; parseHeaders?: boolean; protocolHeader?: string } = {},
): Promise<ClientView> {
  const app = express();
  app.use(
    clientViewMiddleware({
      trustedProxies: new TrustedProxies(options.trusted ?? TRUSTED),
      parseHeaders: options.parseHeaders ?? true,
      protocolHeader: options.protocolHeader,
    }),
  );
  app.get('/', (req, res) => {
    res.json(clientView(req));
  });
  const answer = await request(app)
    .get('/')
    .set({ host: 'inner:9292', ...headers });
  return answer.body as ClientView;
}

const PLAIN = { address: '127.0.0.1', protocol: 'http', host: 'inner:9292', prefix: '' };

describe('what a trusted proxy says of its client', () => {
  it.each([
    ['nothing', {}, {}],
    ['an address', { 'x-forwarded-for': '192.0.2.7' }, { address: '192.0.2.7' }],
    [
      'all of it',
      {
        'x-forwarded-for': '192.0.2.7',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'glance.example',
        'x-forwarded-prefix': '/image/',
      },
      { address: '192.0.2.7', protocol: 'https', host: 'glance.example', prefix: '/image' },
    ],
    [
      'more than it can know: what stands before the first trusted proxy is the word of the client',
      { 'x-forwarded-for': '198.51.100.1, 192.0.2.7, 10.1.1.1' },
      { address: '192.0.2.7' },
    ],
    [
      'lists that belong together',
      {
        'x-forwarded-for': '198.51.100.1, 192.0.2.7, 10.1.1.1',
        'x-forwarded-proto': 'http, https, http',
        'x-forwarded-host': 'forged.example, glance.example, inner.example',
      },
      { address: '192.0.2.7', protocol: 'https', host: 'glance.example' },
    ],
    [
      'a protocol to which clients added one',
      { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'http, https' },
      { address: '192.0.2.7', protocol: 'https' },
    ],
    [
      'in the standard form',
      { forwarded: 'for="[2001:db8:1::7]:4711";proto=HTTPS;host="glance.example:8443"' },
      { address: '2001:db8:1::7', protocol: 'https', host: 'glance.example:8443' },
    ],
    [
      'in the standard form, with a part that the client forged',
      {
        forwarded:
          'for=198.51.100.1;host=forged.example, for=192.0.2.7;host=glance.example, for="[2001:db8::1]"',
      },
      { address: '192.0.2.7', host: 'glance.example' },
    ],
    [
      'in the older form, beside the standard one that came from the client',
      { 'x-forwarded-for': '192.0.2.7', forwarded: 'for=198.51.100.1;host=forged.example' },
      { address: '192.0.2.7' },
    ],
    [
      'what is no address, host, protocol or path',
      {
        'x-forwarded-for': 'unknown',
        'x-forwarded-proto': 'gopher',
        'x-forwarded-host': 'a"><b',
        'x-forwarded-prefix': '//evil.example',
      },
      {},
    ],
    ['what is not well formed', { forwarded: 'for=192.0.2.7;;host' }, {}],
  ] as [string, Record<string, string>, Partial<ClientView>][])(
    '%s',
    async (_what, headers, view) => {
      expect(await viewOf(headers)).toEqual({ ...PLAIN, ...view });
    },
  );
});

const FORGED = {
  'x-forwarded-for': '192.0.2.7',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'forged.example',
  'x-forwarded-prefix': '/forged',
  forwarded: 'for=192.0.2.7;proto=https;host=forged.example',
};

it('believes nobody else', async () => {
  expect(await viewOf(FORGED, { trusted: [], protocolHeader: 'x-forwarded-proto' })).toEqual(PLAIN);
  expect(await viewOf(FORGED, { trusted: ['10.0.0.0/8'] })).toEqual(PLAIN);
});

it('believes trusted proxies only what it is told to', async () => {
  expect(await viewOf(FORGED, { parseHeaders: false })).toEqual(PLAIN);
  const tls = { parseHeaders: false, protocolHeader: 'x-forwarded-proto' };
  expect(await viewOf(FORGED, tls)).toEqual({ ...PLAIN, protocol: 'https' });
});

it.each([
  ['for=a', [{ for: 'a' }]],
  ['For="a\\"b" ; PROTO=http', [{ for: 'a"b', proto: 'http' }]],
  ['for=a,for=b', [{ for: 'a' }, { for: 'b' }]],
  ['by=x;for=a;secret=_1', [{ for: 'a' }]],
  ['', []],
  ['for="a', []],
  ['for', []],
  ['for=a b=c', []],
  [`for=${'a'.repeat(5000)}`, []],
])('reads %s', (text, hops) => {
  expect(parseForwarded(text)).toEqual(hops);
});

describe('the list of trusted proxies', () => {
  it('knows addresses, networks and IPv4 in IPv6', () => {
    const proxies = new TrustedProxies(['192.0.2.7', '10.0.0.0/8', '2001:db8::/64']);
    const known = ['192.0.2.7', '::ffff:192.0.2.7', '10.255.0.1', '2001:db8::9'];
    const unknown = ['192.0.2.8', '11.0.0.1', '2001:db8:0:1::1', 'localhost', '', undefined];
    expect(known.map((address) => proxies.has(address))).toEqual(known.map(() => true));
    expect(unknown.map((address) => proxies.has(address))).toEqual(unknown.map(() => false));
  });

  it.each(['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', 'fe80::1%eth0'])(
    'refuses %s',
    (entry) => {
      expect(() => new TrustedProxies([entry])).toThrow(`trusted_proxies: "${entry}"`);
    },
  );
});
