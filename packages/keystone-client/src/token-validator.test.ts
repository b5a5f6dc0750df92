import { KeystoneError } from './keystone-error';
import { KeystoneSession, type KeystoneSessionOptions } from './keystone-session';
import { FakeKeystone } from './testing';
import { TokenValidator, type TokenValidatorOptions } from './token-validator';

const DOMAIN = { name: 'Default' };

describe('the token validator', () => {
  let keystone: FakeKeystone;
  const sessions: KeystoneSession[] = [];

  beforeEach(async () => {
    keystone = await FakeKeystone.start();
  });

  afterEach(async () => {
    for (const session of sessions.splice(0)) session.close();
    await keystone.stop();
  });

  function session(options: Partial<KeystoneSessionOptions> = {}): KeystoneSession {
    const made = new KeystoneSession({
      ...keystone.access,
      ...options,
    });
    sessions.push(made);
    return made;
  }

  const validator = (
    options: Partial<TokenValidatorOptions> = {},
    ofSession: Partial<KeystoneSessionOptions> = {},
  ) => new TokenValidator(session(ofSession), { cacheSeconds: 300, ...options });

  const kindOf = (question: Promise<unknown>) =>
    question.then(
      () => 'answered',
      (error: unknown) => (error as KeystoneError).kind,
    );

  it('tells whose a token is', async () => {
    const accessRules = [{ service: 'image', method: 'GET', path: '/v2/images' }];
    keystone.addToken('t', { user: 'u', project: 'p', roles: ['Member'], accessRules });
    expect(await validator().validate('t', { requestId: 'req-1' })).toEqual({
      userId: 'u',
      userDomainId: 'default',
      scope: 'project',
      projectId: 'p',
      projectDomainId: 'default',
      roles: ['Member'],
      isAdminProject: true,
      expiresAt: expect.any(Number) as number,
      accessRules,
    });
    expect(keystone.lastLogin).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'glance', domain: DOMAIN, password: 'secret' } },
        },
        scope: { project: { name: 'service', domain: DOMAIN } },
      },
    });
  });

  it.each([
    [{ scope: 'system' }, 'system'],
    [{ scope: 'domain' }, 'domain'],
    [{ project: null }, 'none'],
  ] as const)('knows what a token is for: %j', async (token, scope) => {
    keystone.addToken('t', token);
    expect(await validator().validate('t')).toMatchObject({ scope, projectId: null });
  });

  it('asks once for what is asked at the same time, and remembers it', async () => {
    keystone.addToken('t');
    const tokens = validator();
    await Promise.all(Array.from({ length: 20 }, () => tokens.validate('t')));
    await tokens.validate('t');
    expect(keystone.requests).toEqual(['/v3/auth/tokens?nocatalog=1']);
    expect(keystone.logins).toBe(1);
    const forgetful = validator({ cacheSeconds: 0 });
    await forgetful.validate('t');
    await forgetful.validate('t');
    expect(keystone.requests).toHaveLength(3);
  });

  it('remembers a token that is none, and never more than it may', async () => {
    const tokens = validator({ cacheSize: 2 });
    expect(await tokens.validate('none')).toBeUndefined();
    expect(await tokens.validate('none')).toBeUndefined();
    expect(keystone.requests).toHaveLength(1);
    for (const other of ['b', 'c']) await tokens.validate(other);
    await tokens.validate('none');
    expect(keystone.requests).toHaveLength(4);
  });

  it.each(['', 'with blank', 'ünicode', 'x'.repeat(20_000), 'line\nbreak'])(
    'asks nobody about what no token looks like',
    async (token) => {
      expect(await validator().validate(token)).toBeUndefined();
      expect(keystone.requests).toEqual([]);
    },
  );

  it('does not believe a remembered token longer than it lives', async () => {
    keystone.addToken('t', { lifeMs: 400 });
    const tokens = validator();
    expect(await tokens.validate('t')).toBeDefined();
    while (await tokens.validate('t')) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(keystone.requests).toHaveLength(1);
  });

  it('takes a token that has ended only when asked to', async () => {
    keystone.addToken('t', { lifeMs: -1000 });
    const tokens = validator();
    expect(await tokens.validate('t', { allowExpired: true })).toBeDefined();
    expect(await tokens.validate('t')).toBeUndefined();
    expect(await tokens.validate('t', { allowExpired: true })).toBeDefined();
    expect(keystone.requests).toHaveLength(2);
  });

  it('logs in again when Keystone has revoked its own token, and before it ends', async () => {
    const tokens = validator({ cacheSeconds: 0 });
    keystone.addToken('t');
    await tokens.validate('t');
    keystone.revokeServiceToken();
    expect(await tokens.validate('t')).toBeDefined();
    expect(keystone.logins).toBe(2);
    keystone.serviceTokenLifeMs = 1;
    keystone.revokeServiceToken();
    await tokens.validate('t');
    await tokens.validate('t');
    expect(keystone.logins).toBeGreaterThan(3);
  });

  it('says that Keystone is not there, and never that a token is wrong', async () => {
    keystone.addToken('t');
    const tokens = validator({}, { timeoutMs: 200 });
    for (const status of [500, 503, 429]) {
      keystone.failWith = status;
      expect(await kindOf(tokens.validate('t'))).toBe('unavailable');
    }
    keystone.failWith = undefined;
    keystone.hangs = true;
    expect(await kindOf(tokens.validate('t'))).toBe('unavailable');
    keystone.hangs = false;
    expect(await kindOf(tokens.validate('t'))).toBe('answered');
    await keystone.stop();
    expect(await kindOf(tokens.validate('other'))).toBe('unavailable');
    // What is remembered still holds.
    expect(await kindOf(tokens.validate('t'))).toBe('answered');
    keystone = await FakeKeystone.start();
  });

  it('tells the operator that its own user is refused, and does not hammer on', async () => {
    const refusals: string[] = [];
    const tokens = validator({}, { onRefusal: (message) => refusals.push(message) });
    keystone.password = 'changed';
    expect(await kindOf(tokens.validate('a'))).toBe('credentials_refused');
    expect(await kindOf(tokens.validate('b'))).toBe('credentials_refused');
    expect(keystone.logins).toBe(1);
    expect(refusals).toEqual([expect.stringContaining('does not accept the user of this service')]);
    expect(refusals[0]).not.toContain('secret');
  });

  it('takes no other answer for one of Keystone', async () => {
    keystone.routes.set('/auth/tokens', () => ({ status: 200, body: { token: {} } }));
    expect(await kindOf(validator().validate('t'))).toBe('unexpected');
    keystone.routes.set('/auth/tokens', () => ({ status: 302, body: {} }));
    expect(await kindOf(validator().validate('t'))).toBe('unexpected');
    keystone.routes.set('/auth/tokens', () => ({ status: 403, body: {} }));
    expect(await kindOf(validator().validate('t'))).toBe('forbidden');
  });

  it('logs in with an application credential', async () => {
    keystone.addToken('t');
    const credential = { id: 'c', secret: 'secret' };
    const tokens = validator({}, { credentials: { by: 'application_credential', credential } });
    expect(await tokens.validate('t')).toBeDefined();
    expect(keystone.lastLogin).toEqual({
      auth: {
        identity: { methods: ['application_credential'], application_credential: credential },
      },
    });
  });

  it.each([
    ['nonsense', 'no http or https URL'],
    ['ftp://host/v3', 'no http or https URL'],
    ['http://user:pw@host/v3', 'must not hold credentials'],
    ['http://host/v2.0', 'API v2.0'],
  ])('refuses the URL %s', (authUrl, text) => {
    expect(() => session({ authUrl })).toThrow(text);
  });

  it.each(['/v3', '/v3/', '', '/'])('finds the API at a URL that ends in "%s"', async (end) => {
    keystone.addToken('t');
    const authUrl = keystone.url.replace('/v3', end);
    expect(await validator({}, { authUrl }).validate('t')).toBeDefined();
  });
});
