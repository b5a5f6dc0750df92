import { loadConfig } from '@glance/service-kit';
import { API_OPTIONS } from './config';
import { apiWarnings, checkApiConfig } from './safe-exposure';

function configOf(...argv: string[]) {
  return loadConfig(API_OPTIONS, { program: 'glance-api', argv, env: {} }).config;
}

const check = (...argv: string[]) => {
  return () => {
    checkApiConfig(configOf(...argv));
  };
};

const PROXY_AUTH = '--paste-deploy-flavor=trusted-auth';
const ORIGIN = '--cors-allowed-origin';

describe('glance-api does not start', () => {
  it.each([
    ['without authentication', [], /allow_unauthenticated_network/],
    ['with tokens that anybody can make', ['--paste-deploy-flavor=fakeauth'], /loopback/],
    ['believing the identity headers of everybody', [PROXY_AUTH], /set trusted_proxies.*ca_file/],
    ['with proxies that have no address', ['--trusted-proxies=proxy.example'], /proxy\.example/],
  ])('beyond loopback %s', (_what, argv, message) => {
    expect(check('--bind-host=0.0.0.0', ...argv)).toThrow(message);
  });

  it.each([
    ['all origins with credentials', [`${ORIGIN}=*`], /allow_credentials = false/],
    ['one of several that is all', [`${ORIGIN}=https://a.example,*`], /allow_credentials/],
    ['an origin that is none', [`${ORIGIN}=https://a.example/path`], /without a path/],
  ])('with CORS for %s', (_what, argv, message) => {
    expect(check('--bind-host=127.0.0.1', ...argv)).toThrow(message);
  });
});

it.each([
  [[PROXY_AUTH, '--bind-host=127.0.0.1']],
  [[PROXY_AUTH, '--bind-host=0.0.0.0', '--trusted-proxies=192.0.2.7,2001:db8::/64']],
  [[PROXY_AUTH, '--bind-host=0.0.0.0', '--ca-file=/ca.pem']],
  [['--bind-host=127.0.0.1', `${ORIGIN}=*`, '--cors-allow-credentials=false']],
  [['--bind-host=127.0.0.1', `${ORIGIN}=https://a.example,http://b.example:8080`]],
])('glance-api starts with %s', (argv) => {
  expect(check(...argv)).not.toThrow();
});

it('warns of what has no effect, and of a key that travels in clear', () => {
  const key = `--service-auth-key=${'k'.repeat(32)}`;
  expect(apiWarnings(configOf(key))).toEqual([]);
  expect(apiWarnings(configOf(key, '--registry-host=192.0.2.9'))).toEqual([
    expect.stringMatching(/TRAVELS IN CLEAR.*registry_client_protocol = https/),
  ]);
  expect(apiWarnings(configOf('--metadata-encryption-key=0123456789abcdef'))).toEqual([
    expect.stringMatching(/set it in glance-registry\.conf/),
  ]);
  const parsing = '--oslo-middleware-enable-proxy-headers-parsing=true';
  expect(apiWarnings(configOf(parsing))).toEqual([expect.stringMatching(/set trusted_proxies/)]);
  expect(apiWarnings(configOf(parsing, '--trusted-proxies=192.0.2.7'))).toEqual([]);
});
