import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Deployment } from './support/deployment';

jest.setTimeout(120_000);

const run = promisify(execFile);

describe('mutual TLS between api and registry', () => {
  let directory: string;
  let deployment: Deployment | undefined;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-tls-'));
    await authority('ca');
    await authority('other-ca');
    await certificate('registry', 'ca', 'subjectAltName=IP:127.0.0.1');
    await certificate('api', 'ca', 'subjectAltName=DNS:glance-api');
    await certificate('stranger', 'other-ca', 'subjectAltName=DNS:glance-api');
  });

  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  afterEach(async () => {
    await deployment?.stop();
    deployment = undefined;
  });

  const file = (name: string): string => path.join(directory, name);

  async function openssl(...args: string[]): Promise<void> {
    await run('openssl', args, { cwd: directory });
  }

  async function authority(name: string): Promise<void> {
    await openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.crt`],
    );
  }

  async function certificate(name: string, ca: string, extension: string): Promise<void> {
    await openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', `/CN=${name}`, '-addext', extension, '-keyout', `${name}.key`],
      ...['-out', `${name}.csr`],
    );
    await openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`],
      ...['-copy_extensions', 'copy', '-days', '2', '-out', `${name}.crt`],
    );
  }

  async function start(client: string): Promise<Deployment> {
    return await Deployment.start({
      database: 'sqlite',
      registryProtocol: 'https',
      registry: {
        DEFAULT: [
          `cert_file = ${file('registry.crt')}`,
          `key_file = ${file('registry.key')}`,
          `ca_file = ${file('ca.crt')}`,
        ],
      },
      api: {
        DEFAULT: [
          'registry_client_protocol = https',
          `registry_client_ca_file = ${file('ca.crt')}`,
          `registry_client_cert_file = ${file(`${client}.crt`)}`,
          `registry_client_key_file = ${file(`${client}.key`)}`,
        ],
      },
    });
  }

  it('lets an api with a certificate of the authority work', async () => {
    deployment = await start('api');
    const answer = await fetch(`${deployment.apiUrl}/v1/images`);
    expect(await answer.json()).toEqual({ images: [] });
  });

  it('shuts out an api whose certificate another authority signed', async () => {
    deployment = await start('stranger');
    const answer = await fetch(`${deployment.apiUrl}/v1/images`);
    expect(answer.status).toBe(503);
    expect((await fetch(`${deployment.apiUrl}/readyz`)).status).toBe(503);
  });
});
