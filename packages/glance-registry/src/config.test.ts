import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { TEST_CERT, TEST_KEY } from '@glance/registry-client/testing';
import { loadConfig, readServiceKeys } from '@glance/service-kit';
import { REGISTRY_OPTIONS, checkRegistryConfig, registryWarnings } from './config';

describe('the configuration of glance-registry', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-registry-'));
    for (const [name, pem] of [
      ['cert', TEST_CERT],
      ['key', TEST_KEY],
      ['ca', TEST_CERT],
    ] as const) {
      await writeFile(path.join(directory, `${name}.pem`), pem);
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
    return {
      keys: readServiceKeys(config.service_auth),
      warnings: registryWarnings(config),
    };
  }

  const file = (name: string): string => path.join(directory, name);

  it.each([16, 24, 32])('encrypts locations with a key of %i bytes', (length) => {
    expect(() => start('--metadata-encryption-key', 'k'.repeat(length))).not.toThrow();
  });

  it.each(['short', 'k'.repeat(17), 'k'.repeat(33), 'é'.repeat(16).slice(1)])(
    'does not start with a metadata_encryption_key of no length that AES knows: %s',
    (key) => {
      expect(() => start('--metadata-encryption-key', key)).toThrow(
        /metadata_encryption_key has \d+ bytes: it must have 16, 24 or 32/,
      );
    },
  );

  const DRIVER = ['--oslo-messaging-notifications-driver'];
  it.each([
    [[...DRIVER, 'pigeon'], /driver = pigeon: must be one of messaging, messagingv2, log, noop/],
    [[...DRIVER, 'messagingv2'], /needs a broker: set transport_url there or in \[DEFAULT\]/],
    [[...DRIVER, 'messagingv2', '--transport-url', 'kafka://mq'], /transport_url cannot be used/],
    [['--webhook-url', 'https://hook.example/'], /needs one of secret and secret_file/],
    [['--webhook-url', 'ftp://hook.example/'], /must be an http or https URL/],
    [['--webhook-url', 'https://hook.example/', '--webhook-secret', 'short'], /at least 16/],
  ])('does not start with events that it cannot send: %j', (flags, message) => {
    expect(() => start(...flags)).toThrow(message);
  });

  it.each([
    [[...DRIVER, 'noop']],
    [[...DRIVER, 'log']],
    [[...DRIVER, 'messaging', '--transport-url', 'rabbit://user:password@mq:5672/glance']],
    [['--webhook-url', 'https://hook.example/', '--webhook-secret', 'k'.repeat(16)]],
  ])('starts with events that it can send: %j', (flags) => {
    expect(() => start(...flags)).not.toThrow();
  });

  it('listens on loopback and needs no key there', () => {
    expect(REGISTRY_OPTIONS.DEFAULT.bind_host.default).toBe('127.0.0.1');
    expect(REGISTRY_OPTIONS.DEFAULT.bind_port.default).toBe(9191);
    expect(start()).toEqual({ keys: [], warnings: [] });
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
    expect(start('--bind-host', '0.0.0.0', ...key).keys).toEqual(['k'.repeat(40)]);
  });

  it('says that a key beyond loopback travels in clear without TLS', () => {
    const key = ['--service-auth-key-file', file('service.key')];
    const tls = ['--cert-file', file('cert.pem'), '--key-file', file('key.pem')];
    expect(start(...key).warnings).toEqual([]);
    expect(start(...key, '--bind-host', '0.0.0.0', ...tls).warnings).toEqual([]);
    expect(start(...key, '--bind-host', '0.0.0.0').warnings).toEqual([
      expect.stringMatching(/TRAVELS IN CLEAR.*cert_file/),
    ]);
  });

  it('listens anywhere with client certificates', () => {
    const tls = ['--cert-file', file('cert.pem'), '--key-file', file('key.pem')];
    const ca = ['--ca-file', file('ca.pem')];
    expect(start('--bind-host', '0.0.0.0', ...tls, ...ca)).toEqual({ keys: [], warnings: [] });
  });

  it('is refused with names of clients and no certificates to find them in', () => {
    expect(() => start('--service-auth-client-names', 'glance-api')).toThrow(/ca_file/);
  });

  it('is refused with a short key', () => {
    expect(() => start('--service-auth-key', 'short')).toThrow(/32 characters/);
    expect(() => start('--service-auth-key', `${'k'.repeat(40)},short`)).toThrow(/32 characters/);
  });

  it('takes two keys of an option or a file, and no more', async () => {
    const [a, b, c] = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)];
    expect(start('--service-auth-key', `${a}, ${b}`).keys).toEqual([a, b]);
    await writeFile(file('two.keys'), `${a}\n\n ${b}\n`);
    expect(start('--service-auth-key-file', file('two.keys')).keys).toEqual([a, b]);
    expect(() => start('--service-auth-key', `${a},${b},${c}`)).toThrow(/at most 2 keys/);
    expect(() => start('--service-auth-key', `${a},${a}`)).toThrow(/twice/);
    expect(() => start('--service-auth-key', `${a},${a}`)).not.toThrow(a);
  });

  it('is refused with an empty file of keys, and with TLS files that are none', async () => {
    await writeFile(file('empty'), '\n');
    expect(() => start('--service-auth-key-file', file('empty'))).toThrow(/holds no key/);
    const tls = (cert: string, key: string) => () =>
      start('--cert-file', file(cert), '--key-file', file(key));
    expect(tls('empty', 'key.pem')).toThrow(/cert_file = .*empty.*no certificate/);
    expect(tls('cert.pem', 'empty')).toThrow(/key_file = .*empty.*no private key/);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(file('other.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    expect(tls('cert.pem', 'other.pem')).toThrow(/key_file = .*other.pem.*not the key/);
  });

  it('is refused without a database, and for one of another kind without its password', () => {
    expect(() => start('--database-connection', '')).toThrow(/connection is not set/);
    const foreign = ['--database-connection', 'postgresql://u:topsecret@h/d'];
    expect(() => start(...foreign)).toThrow(/connection cannot be used/);
    expect(() => start(...foreign)).not.toThrow(/topsecret/);
  });
});
