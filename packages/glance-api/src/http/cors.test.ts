import { startTestApi, type TestApi } from '../testing/test-api';

const PAGE = 'https://horizon.example';
const TOKEN = { 'x-auth-token': 'u:p:member' };

describe('pages of other origins', () => {
  let server: TestApi;

  afterEach(async () => {
    await server.close();
  });

  const start = async (...flags: string[]): Promise<void> => {
    server = await startTestApi(...flags);
  };
  const ask = async (method: string, headers: Record<string, string>, path = '/v2/images') => {
    const answer = await fetch(`${server.url}${path}`, { method, headers });
    await answer.arrayBuffer();
    const cors = [...answer.headers].filter(([name]) => name.startsWith('access-control-'));
    const vary = answer.headers.get('vary') ?? '';
    return { status: answer.status, vary, headers: Object.fromEntries(cors) };
  };
  const preflight = (headers: Record<string, string>) =>
    ask('OPTIONS', { origin: PAGE, 'access-control-request-method': 'GET', ...headers });

  describe('of which some are allowed', () => {
    beforeEach(() => start(`--cors-allowed-origin=https://a.example,${PAGE}`));

    it('may ask first, before they have a token', async () => {
      const wanted = 'X-Auth-Token, content-type';
      expect(await preflight({ 'access-control-request-headers': wanted })).toEqual({
        status: 200,
        vary: 'Origin',
        headers: {
          'access-control-allow-origin': PAGE,
          'access-control-allow-credentials': 'true',
          'access-control-allow-methods': 'GET',
          'access-control-allow-headers': 'X-Auth-Token,content-type',
          'access-control-max-age': '3600',
        },
      });
    });

    it('may then read the answer, and also what was wrong', async () => {
      const allowed = {
        'access-control-allow-origin': PAGE,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers':
          'X-Image-Meta-Checksum,X-Auth-Token,X-Subject-Token,X-Service-Token,X-OpenStack-Request-ID',
      };
      const answer = await ask('GET', { ...TOKEN, origin: PAGE });
      expect(answer).toEqual({ status: 200, vary: 'Origin', headers: allowed });
      const tooLongId = { 'x-openstack-request-id': 'r'.repeat(100) };
      for (const [status, headers] of [
        [401, {}],
        [431, tooLongId],
      ] as [number, Record<string, string>][]) {
        const refused = await ask('GET', { ...headers, origin: PAGE });
        expect(refused).toMatchObject({ status, headers: allowed });
        expect(refused.vary).toMatch(/Origin/);
      }
    });

    it.each([
      ['an origin that is not', { origin: 'https://evil.example' }],
      ['an origin that only looks like one', { origin: `${PAGE}.evil.example` }],
      ['no origin', { origin: 'null' }],
      ['a method', { 'access-control-request-method': 'TRACE' }],
      ['a header', { 'access-control-request-headers': 'X-Auth-Token, X-Other' }],
    ])('learn nothing about %s', async (_what, headers) => {
      expect(await preflight(headers as Record<string, string>)).toEqual({
        status: 200,
        vary: 'Origin',
        headers: {},
      });
    });

    it('get the answer that everybody gets, which their browser keeps from them', async () => {
      const answer = await ask('GET', { ...TOKEN, origin: 'https://evil.example' });
      expect(answer).toEqual({ status: 200, vary: 'Origin', headers: {} });
      expect((await ask('GET', TOKEN)).vary).toBe('Origin');
    });
  });

  it('may be allowed all, without credentials', async () => {
    await start('--cors-allowed-origin=*', '--cors-allow-credentials=false', '--cors-max-age=0');
    expect((await preflight({})).headers).toEqual({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET',
    });
  });

  it('are not allowed anything unless it is said', async () => {
    await start();
    expect(await preflight({})).toEqual({ status: 200, vary: '', headers: {} });
    expect((await ask('GET', { ...TOKEN, origin: PAGE })).headers).toEqual({});
  });
});
