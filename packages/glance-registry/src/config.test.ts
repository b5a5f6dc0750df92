import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { loadConfig } from '@glance/service-kit';
import { REGISTRY_OPTIONS, checkRegistryConfig, toRegistrySettings } from './config';

describe('the configuration of glance-registry', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-registry-'));
    for (const name of ['cert', 'key', 'ca']) {
      await writeFile(path.join(directory, `${name}.pem`), `a ${name}`);
    }
    await writeFile(path.join(directory, 'service.key'), `${'k'.repeat(40)}\n`);
  });

  afterAll(() => rm(directory, { recursive: true }));

  function start(...argv: string[]) {
    const { config } = loadConfig(REGISTRY_OPTIONS, {
      program: 'glance-registry',
      argv: ['--database-connection', 'sqlite:////tmp/x.sqlite', ...argv],
      env: {},
    });
    checkRegistryConfig(config);
    return toRegistrySettings(config);
  }

  const file = (name: string): string => path.join(directory, name);

  it('listens on loopback and needs no key there', () => {
    expect(REGISTRY_OPTIONS.DEFAULT.bind_host.default).toBe('127.0.0.1');
    expect(REGISTRY_OPTIONS.DEFAULT.bind_port.default).toBe(9191);
    expect(start().serviceKey).toBeUndefined();
  });

  it.each(['0.0.0.0', '::', '192.0.2.7', 'registry.example'])(
    'is refused for the address %s without a key',
    (host) => {
      expect(() => start('--bind-host', host)).toThrow(/service_auth/);
      const tls = ['--cert-file', file('cert.pem'), '--key-file', file('key.pem')];
      // A server certificate tells nobody who calls.
      expect(() => start('--bind-host', host, ...tls)).toThrow(/service_auth/);
    },
  );

  it('listens anywhere with a key', () => {
    const key = ['--service-auth-key-file', file('service.key')];
    expect(start('--bind-host', '0.0.0.0', ...key).serviceKey).toBe('k'.repeat(40));
  });

  it('listens anywhere with client certificates', () => {
    const tls = ['--cert-file', file('cert.pem'), '--key-file', file('key.pem')];
    const settings = start('--bind-host', '0.0.0.0', ...tls, '--ca-file', file('ca.pem'));
    expect(settings.serviceKey).toBeUndefined();
  });

  it('is refused with a short key', () => {
    expect(() => start('--service-auth-key', 'short')).toThrow(/32 characters/);
  });

  it('is refused without a database, and for one of another kind without its password', () => {
    expect(() => start('--database-connection', '')).toThrow(/connection is not set/);
    const foreign = ['--database-connection', 'postgresql://u:topsecret@h/d'];
    expect(() => start(...foreign)).toThrow(/connection cannot be used/);
    expect(() => start(...foreign)).not.toThrow(/topsecret/);
  });
});
