import { LimitReader, KeystoneSession } from '@glance/keystone-client';
import { FakeKeystone } from '@glance/keystone-client/testing';
import { FakeRegistry } from '@glance/registry-client/testing';
import { silentLogger } from '@glance/service-kit';
import { KeystoneLimits } from './keystone-limits';

const ENDPOINT = { id: 'e1', service_id: 's1', region_id: 'here' };

describe('what the log says when limits are not known', () => {
  let keystone: FakeKeystone;
  let session: KeystoneSession;
  let limits: KeystoneLimits;
  let errors: string[];

  beforeEach(async () => {
    keystone = await FakeKeystone.start();
    const answer = (body: unknown) => () => ({ status: 200, body });
    keystone.routes.set('/endpoints/e1', answer({ endpoint: ENDPOINT }));
    keystone.routes.set('/registered_limits', answer({ registered_limits: [] }));
    keystone.routes.set('/limits', answer({ limits: [] }));
    session = new KeystoneSession({
      ...keystone.access,
      tries: 1,
    });
    errors = [];
    limits = new KeystoneLimits({
      reader: new LimitReader(session, { endpoint: { id: 'e1' }, cacheSeconds: 60 }),
      registry: new FakeRegistry(),
      logger: { ...silentLogger, error: (message) => errors.push(message) },
    });
  });

  afterEach(async () => {
    session.close();
    await keystone.stop();
  });

  it('takes for 0 what is not registered', async () => {
    expect(await limits.limitsOf('p')).toEqual({
      imageSizeTotalBytes: 0,
      imageStageTotalBytes: 0,
      imageCountTotal: 0,
      imageCountUploading: 0,
    });
    expect(await limits.limitsOf(null)).toBeUndefined();
    expect(errors).toEqual([]);
  });

  it.each([
    ['identity_unavailable', 'Keystone is away', () => (keystone.failWith = 503)],
    ['identity_refused', 'the user or its password is wrong', () => (keystone.password = 'other')],
    ['identity_refused', '--system all reader', forbid('/limits')],
    ['identity_refused', 'must name one endpoint', forget('/endpoints/e1')],
    ['identity_refused', 'auth_url must be', () => (keystone.failWith = 418)],
  ])('names the remedy: %s, %s', async (code, text, spoil) => {
    spoil();
    await expect(limits.limitsOf('p')).rejects.toMatchObject({ code });
    expect(errors).toEqual([expect.stringContaining(text)]);
    expect(errors[0]).not.toContain('secret');
  });

  it('asks again after a failure', async () => {
    keystone.failWith = 503;
    await expect(limits.limitsOf('p')).rejects.toMatchObject({ code: 'identity_unavailable' });
    keystone.failWith = undefined;
    expect(await limits.limitsOf('p')).toBeDefined();
  });

  function forbid(path: string) {
    return () => keystone.routes.set(path, () => ({ status: 403, body: {} }));
  }

  function forget(path: string) {
    return () => keystone.routes.delete(path);
  }
});
