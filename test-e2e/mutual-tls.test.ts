import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Certificates } from './support/certificates';
import { Deployment, eventually, stopService } from './support/deployment';

jest.setTimeout(120_000);

describe('mutual TLS between api and registry', () => {
  let certificates: Certificates;
  let deployment: Deployment | undefined;

  beforeAll(async () => {
    certificates = await Certificates.create();
    await certificates.authority('ca');
    await certificates.authority('other-ca');
    await certificates.certificate('registry', 'ca', 'IP:127.0.0.1');
    await certificates.certificate('api', 'ca', 'DNS:glance-api,URI:spiffe://cloud/glance-api');
    await certificates.certificate('nova', 'ca', 'DNS:nova-api');
    await certificates.certificate('stranger', 'other-ca', 'DNS:glance-api');
  });

  afterAll(async () => {
    await certificates.remove();
  });

  afterEach(async () => {
    await deployment?.stop();
    deployment = undefined;
  });

  async function start(client: string, ...names: string[]): Promise<Deployment> {
    return await Deployment.start({
      database: 'sqlite',
      registryProtocol: 'https',
      registry: {
        DEFAULT: [
          `cert_file = ${certificates.file('registry.crt')}`,
          `key_file = ${certificates.file('registry.key')}`,
          `ca_file = ${certificates.file('ca.crt')}`,
        ],
        service_auth: names.length === 0 ? [] : [`client_names = ${names.join(',')}`],
      },
      api: {
        DEFAULT: [
          'registry_client_protocol = https',
          `registry_client_ca_file = ${certificates.file('ca.crt')}`,
          `registry_client_cert_file = ${certificates.file(`${client}.crt`)}`,
          `registry_client_key_file = ${certificates.file(`${client}.key`)}`,
        ],
      },
    });
  }

  const list = async (): Promise<Response> => await fetch(`${deployment!.apiUrl}/v1/images`);

  it('lets an api with a certificate of the authority work', async () => {
    deployment = await start('api');
    expect(await (await list()).json()).toEqual({ images: [] });
    // Which shows its own certificate; only the service itself can tell whether it is ready.
    for (const route of ['livez', 'readyz']) {
      expect(await deployment.healthcheck('registry', route)).toEqual({
        code: 0,
        out: '',
        err: '',
      });
    }
    // Shown another one it lives, and does not say more.
    const { port } = new URL(deployment.registryUrls[0]!);
    const file = path.join(deployment.directory, 'stranger.conf');
    const lines = [`bind_port = ${port}`, `ca_file = ${certificates.file('ca.crt')}`];
    for (const kind of ['cert', 'key']) {
      lines.push(
        `${kind}_file = ${certificates.file(`stranger.${kind === 'cert' ? 'crt' : 'key'}`)}`,
      );
    }
    await writeFile(file, ['[DEFAULT]', ...lines, ''].join('\n'));
    expect(await deployment.healthcheck('registry', 'livez', file)).toMatchObject({ code: 0 });
    const unknown = await deployment.healthcheck('registry', 'readyz', file);
    expect([unknown.code, unknown.err]).toEqual([
      1,
      expect.stringContaining('is not one that ca_file lets call'),
    ]);

    await stopService(deployment.registries[0]!);
    const { code, err } = await deployment.healthcheck('registry', 'readyz');
    expect([code, err]).toEqual([1, expect.stringMatching(/https:.*\/readyz: .*ECONNREFUSED/)]);
  });

  it('shuts out an api whose certificate another authority signed', async () => {
    deployment = await start('stranger');
    expect((await list()).status).toBe(503);
    expect((await fetch(`${deployment.apiUrl}/readyz`)).status).toBe(503);
  });

  it.each(['glance-api', 'Glance-API', 'spiffe://cloud/glance-api'])(
    'lets an api work whose certificate has the name %s',
    async (name) => {
      deployment = await start('api', 'somebody-else', name);
      // Several connections: a resumed TLS session has the names, too.
      const answers = await Promise.all(Array.from({ length: 8 }, list));
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    },
  );

  it('shuts out a certificate of the authority with another name, and logs that', async () => {
    deployment = await start('api', 'glance-api');
    const base = await readFile(path.join(deployment.directory, 'api-0.conf'), 'utf8');
    const nova = await deployment.addService(
      'glance-api',
      base.replaceAll(certificates.file('api'), certificates.file('nova')),
    );
    expect(await nova.exited).toBe(2);
    expect(nova.log()).toMatch(/Cannot start: .*refused this service.*client_names/);
    expect(deployment.registries[0]!.log()).toMatch(/client_names.* names=nova-api/);
    expect((await list()).status).toBe(200);
  });

  it('takes up a renewed client certificate of the api, and a renewed authority', async () => {
    await certificates.authority('next-ca');
    await certificates.certificate('next-registry', 'next-ca', 'IP:127.0.0.1');
    await certificates.certificate('renewed', 'ca', 'DNS:glance-api');
    await certificates.certificate('next-renewed', 'next-ca', 'DNS:glance-api');
    deployment = await start('renewed');
    expect((await list()).status).toBe(200);
    await certificates.replace('registry', 'next-registry');
    await certificates.replace('renewed', 'next-renewed');
    await certificates.replace('ca', 'next-ca');
    for (const service of [deployment.registries[0]!, deployment.apis[0]!]) {
      service.child.kill('SIGHUP');
      await eventually(async () => {
        expect(service.log()).toMatch(/SIGHUP: read again: /);
      });
    }
    expect((await list()).status).toBe(200);
    // The connection that was there before would also have done: make new ones.
    const answers = await Promise.all(Array.from({ length: 8 }, list));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
  });
});
