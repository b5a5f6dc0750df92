import type { LookupAddress } from 'node:dns';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { describeError } from '@glance/common';
import { gzipSync } from 'node:zlib';
import { readAll } from '../../conformance';
import { BlobServer } from '../../../testing/blob-server';
import { loopbackDriver } from '../../../testing/loopback-driver';
import { readHttpOptions } from './http-options';
import { HttpDriver } from './http-driver';

const DATA = Buffer.from('the bytes of an image');

describe('the http store', () => {
  let server: BlobServer;
  let driver: HttpDriver;

  beforeEach(async () => {
    server = await BlobServer.start();
    driver = loopbackDriver(server.port);
  });

  afterEach(async () => {
    await server.close();
  });

  async function contentOf(url: string, store = driver): Promise<Buffer> {
    const { stream } = await store.get(url);
    return await readAll(stream);
  }

  async function refusalOf(attempt: Promise<unknown>): Promise<unknown> {
    return await attempt.then(
      () => 'no refusal',
      (error: unknown) => (error as { code?: unknown }).code,
    );
  }

  describe('reads', () => {
    it('what a server has, asking for it unencoded and for nothing else', async () => {
      const url = server.place(DATA, '/disk.raw?signature=a%2Fb');
      expect(await driver.sizeOf(url)).toBe(DATA.length);
      expect(await contentOf(url)).toEqual(DATA);
      expect(server.requests).toEqual([
        'HEAD /disk.raw?signature=a%2Fb',
        'GET /disk.raw?signature=a%2Fb',
      ]);
      for (const headers of server.headers) {
        expect(headers).toEqual({
          host: `127.0.0.1:${server.port}`,
          'user-agent': 'glance-image-service',
          accept: '*/*',
          'accept-encoding': 'identity',
          connection: 'close',
        });
      }
    });

    it('without the fragment that tells one location from another', async () => {
      const url = server.place(DATA, '/disk.raw');
      expect(await contentOf(`${url}#other`)).toEqual(DATA);
      expect(server.requests).toEqual(['GET /disk.raw']);
    });

    it('with the user and password of the location', async () => {
      const url = server.place(DATA, '/private').replace('//', '//us%40er:pass%3Aword@');
      expect(await contentOf(url)).toEqual(DATA);
      const [headers] = server.headers;
      const credentials = Buffer.from('us@er:pass:word').toString('base64');
      expect(headers?.['authorization']).toBe(`Basic ${credentials}`);
    });

    it.each([405, 501, 200])(
      'the size from GET where HEAD answers %i without it',
      async (status) => {
        const url = server.answer('/no-head', (req, res) => {
          if (req.method === 'HEAD') res.writeHead(status).end();
          else res.setHeader('Content-Length', DATA.length).end(DATA);
        });
        expect(await driver.sizeOf(url)).toBe(DATA.length);
      },
    );
  });

  describe('never ends cleanly', () => {
    it.each<[string, (socket: net.Socket) => void]>([
      ['closes', (socket) => socket.end()],
      ['resets', (socket) => socket.resetAndDestroy()],
    ])('when the source %s its connection before the end', async (_what, leave) => {
      const url = server.answer('/short', (_req, res) => {
        res.writeHead(200, { 'Content-Length': DATA.length + 1 });
        res.write(DATA, () => leave(res.socket!));
      });
      await expect(contentOf(url)).rejects.toMatchObject({ code: 'store_blob_corrupt' });
    });

    it('when the source falls silent', async () => {
      const patient = loopbackDriver(server.port, { idleMs: 50 });
      const url = server.answer('/stall', (_req, res) => {
        res.writeHead(200, { 'Content-Length': DATA.length + 1 });
        res.write(DATA);
      });
      await expect(contentOf(url, patient)).rejects.toMatchObject({ code: 'store_unavailable' });
    });

    it('with more than the source announced', async () => {
      const raw = net.createServer((socket) => {
        socket.on('error', () => undefined).once('close', () => raw.close());
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef'));
      });
      await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
      const { port } = raw.address() as AddressInfo;
      expect(await contentOf(`http://127.0.0.1:${port}/`, loopbackDriver(port))).toHaveLength(3);
    });
  });

  describe('does not take', () => {
    it.each<[string, http.RequestListener, string]>([
      [
        'data that is encoded',
        (_req, res) => {
          const body = gzipSync(DATA);
          res.writeHead(200, { 'Content-Length': body.length, 'Content-Encoding': 'gzip' });
          res.end(body);
        },
        'store_source_unusable',
      ],
      [
        'data of unknown length',
        (_req, res) => {
          res.write(DATA);
          res.end();
        },
        'store_source_unusable',
      ],
      [
        'a part for the whole',
        (_req, res) => res.writeHead(206, { 'Content-Length': DATA.length }).end(DATA),
        'store_source_unusable',
      ],
      ['no content', (_req, res) => res.writeHead(204).end(), 'store_source_unusable'],
      ['401', (_req, res) => res.writeHead(401).end('secret'), 'store_source_unusable'],
      ['403', (_req, res) => res.writeHead(403).end('secret'), 'store_source_unusable'],
      ['404', (_req, res) => res.writeHead(404).end('secret'), 'store_blob_missing'],
      ['410', (_req, res) => res.writeHead(410).end('secret'), 'store_blob_missing'],
      ['429', (_req, res) => res.writeHead(429).end('secret'), 'store_unavailable'],
      ['500', (_req, res) => res.writeHead(500).end('secret'), 'store_unavailable'],
      ['nonsense', (_req, res) => res.socket?.end('nonsense\r\n\r\n'), 'store_unavailable'],
    ])('%s', async (_what, handler, code) => {
      const url = server.answer('/odd', (req, res) => {
        if (req.method === 'HEAD') res.writeHead(405).end();
        else handler(req, res);
      });
      expect(await refusalOf(driver.get(url))).toBe(code);
      expect(await refusalOf(driver.sizeOf(url))).toBe(code);
    });

    it('an answer that never comes', async () => {
      const patient = loopbackDriver(server.port, { firstByteMs: 50 });
      const url = server.answer('/silent', () => undefined);
      expect(await refusalOf(patient.get(url))).toBe('store_unavailable');
    });
  });

  describe('follows redirects', () => {
    const redirectTo = (path: string, target: string, status = 302): string =>
      server.answer(path, (_req, res) => res.writeHead(status, { Location: target }).end());

    it.each([301, 302, 303, 307, 308])('of status %i, relative ones too', async (status) => {
      server.place(DATA, '/there');
      expect(await contentOf(redirectTo('/here', 'there', status))).toEqual(DATA);
      expect(await driver.sizeOf(server.urlOf('/here'))).toBe(DATA.length);
    });

    it('three times, not four', async () => {
      server.place(DATA, '/0');
      for (let hop = 1; hop <= 4; hop += 1) redirectTo(`/${hop}`, `/${hop - 1}`);
      expect(await contentOf(server.urlOf('/3'))).toEqual(DATA);
      expect(await refusalOf(driver.get(server.urlOf('/4')))).toBe('store_source_unusable');
    });

    it('CVE-2026-33540: and takes credentials along within one origin only', async () => {
      const other = await BlobServer.start();
      const both = loopbackDriver(server.port, {
        http_store_allowed_ports: [`${server.port},${other.port}`],
      });
      const target = other.place(DATA, '/target');
      redirectTo('/away', target);
      redirectTo('/near', '/away');
      const url = server.urlOf('/near').replace('//', '//user:password@');
      expect(await contentOf(url, both)).toEqual(DATA);
      expect(server.headers.map((each) => each['authorization'] !== undefined)).toEqual([
        true,
        true,
      ]);
      expect(other.headers.map((each) => each['authorization'])).toEqual([undefined]);
      await other.close();
    });

    it.each([
      'http://169.254.169.254/latest/meta-data/',
      'http://[::1]/',
      'http://[::ffff:10.0.0.1]/',
      'http://2130706433:22/',
      'http://user:password@127.0.0.1/',
      'file:///etc/passwd',
      'gopher://127.0.0.1/',
    ])('but not to %s', async (target) => {
      expect(await refusalOf(driver.get(redirectTo('/here', target)))).toBe('store_source_refused');
    });

    it('but not without a target', async () => {
      const url = server.answer('/here', (_req, res) => res.writeHead(302).end());
      expect(await refusalOf(driver.get(url))).toBe('store_source_unusable');
    });
  });

  describe('CVE-2026-35527: by default reaches nothing of this machine', () => {
    const strict = (resolve?: (host: string) => Promise<LookupAddress[]>): HttpDriver =>
      loopbackDriver(server.port, { http_store_allowed_networks: [] }, resolve);

    it.each([
      ...['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', '0', '[::1]', '[::]'],
      ...['[::ffff:127.0.0.1]', '[::7f00:1]', '[64:ff9b::7f00:1]', '１２７.0.0.1', '127。0。0。1'],
    ])('as http://%s', async (host) => {
      const url = `http://${host}:${server.port}/`;
      expect(await refusalOf(strict().get(url))).toBe('store_source_refused');
      expect(await refusalOf(strict().sizeOf(url))).toBe('store_source_refused');
      expect(server.requests).toEqual([]);
    });

    it('by a name of it', async () => {
      const url = `http://localhost:${server.port}/`;
      expect(await refusalOf(strict().get(url))).toBe('store_source_refused');
      expect(server.requests).toEqual([]);
    });

    it('by a name that has a public address too', async () => {
      const store = strict(() =>
        Promise.resolve([
          { address: '192.0.1.1', family: 4 },
          { address: '127.0.0.1', family: 4 },
        ]),
      );
      const url = `http://images.example:${server.port}/`;
      expect(await refusalOf(store.get(url))).toBe('store_source_refused');
      expect(server.requests).toEqual([]);
    });

    it('by a name that changes between the check and the connection', async () => {
      server.place(DATA, '/blob');
      const answers = ['127.0.0.1', '127.0.0.2'];
      const asked: string[] = [];
      const store = loopbackDriver(
        server.port,
        { http_store_allowed_networks: ['127.0.0.1/32'] },
        (host) => {
          asked.push(host);
          return Promise.resolve([{ address: answers.shift() ?? '', family: 4 }]);
        },
      );
      const url = `http://images.example:${server.port}/blob`;
      expect(await contentOf(url, store)).toEqual(DATA);
      expect(asked).toEqual(['images.example']);
      expect(await refusalOf(store.get(url))).toBe('store_source_refused');
    });

    it('at a port that is not allowed, though the network is', async () => {
      const store = loopbackDriver(1);
      expect(await refusalOf(store.get(server.place(DATA)))).toBe('store_source_refused');
      expect(server.requests).toEqual([]);
    });
  });

  it('shows credentials of a location neither in messages nor in their causes', async () => {
    const urls = [
      server.answer('/403', (_req, res) => res.writeHead(403).end()),
      server.answer('/500', (_req, res) => res.writeHead(500).end()),
      server.answer('/away', (_req, res) =>
        res.writeHead(302, { Location: 'http://10.0.0.1/?token=canary' }).end(),
      ),
      server.urlOf('/404'),
      `http://10.0.0.1:${server.port}/`,
      'http://127.0.0.1:1/',
      'http://%zz/',
      'http://127.0.0.1:1/#part',
    ];
    for (const url of urls) {
      const secret = url.replace('//', '//user:canary@').replace(/$/, '?signature=canary');
      for (const attempt of [driver.get(secret), driver.sizeOf(secret)]) {
        const error = await attempt.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(Error);
        expect(describeError(error)).not.toContain('canary');
      }
    }
  });

  it('names every option that is wrong', () => {
    const read = () =>
      readHttpOptions(
        {
          http_store_allowed_networks: ['10.0.0.0/8, nonsense'],
          http_store_denied_networks: ['1.2.3.4'],
          http_store_allowed_ports: ['8080', '70000'],
          https_ca_certificates_file: '/nonexistent/ca.pem',
        },
        { storeId: 'http', warn: () => undefined },
      );
    for (const name of [
      'http_store_allowed_networks: nonsense',
      'http_store_denied_networks: 1.2.3.4',
      'http_store_allowed_ports: 70000',
      'https_ca_certificates_file: ',
    ]) {
      expect(read).toThrow(name);
    }
  });

  it('says which of upstream’s options have no effect', () => {
    const warnings: string[] = [];
    readHttpOptions(
      { https_insecure: 'true', http_proxy_information: 'http:proxy:3128' },
      { storeId: 'http', warn: (message) => warnings.push(message) },
    );
    expect(warnings).toEqual([
      expect.stringContaining('https_insecure'),
      expect.stringContaining('http_proxy_information'),
    ]);
  });
});
