import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_CERT, TEST_KEY } from '@glance/registry-client/testing';
import request from 'supertest';
import { startTestApi } from '../testing/test-api';

const DATA = Buffer.from('the bytes of an image');

describe('data from an https server', () => {
  let source: https.Server;
  let directory: string;
  let reads = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'glance-https-'));
    await writeFile(join(directory, 'ca.pem'), TEST_CERT);
    // In its certificate: 127.0.0.1 and localhost.
    source = https.createServer({ cert: TEST_CERT, key: TEST_KEY }, (req, res) => {
      reads += 1;
      res.writeHead(200, { 'Content-Length': DATA.length });
      res.end(req.method === 'HEAD' ? undefined : DATA);
    });
    await new Promise<void>((resolve) => source.listen(0, '0.0.0.0', resolve));
  });

  afterAll(async () => {
    source.closeAllConnections();
    await new Promise((resolve) => source.close(resolve));
    await rm(directory, { recursive: true });
  });

  /** The status of an image with a location on that host. */
  async function statusOf(host: string, ...flags: string[]): Promise<number> {
    const { port } = source.address() as AddressInfo;
    const server = await startTestApi(
      '--glance-store-stores=memory,http',
      '--glance-store-http-store-allowed-networks=127.0.0.0/8',
      `--glance-store-http-store-allowed-ports=${port}`,
      ...flags,
    );
    try {
      const answer = await request(server.url)
        .post('/v1/images')
        .set({
          'x-auth-token': 'alice:project-a:member',
          'x-image-meta-disk_format': 'raw',
          'x-image-meta-container_format': 'bare',
          'x-image-meta-location': `https://${host}:${port}/disk.raw`,
        });
      return answer.status;
    } finally {
      await server.close();
    }
  }

  it('is read when its certificate is signed by the authority named', async () => {
    const ca = `--glance-store-https-ca-certificates-file=${join(directory, 'ca.pem')}`;
    expect(await statusOf('127.0.0.1', ca)).toBe(201);
    expect(reads).toBe(1);
  });

  it('OSSA-2013-018, OSSN-0033: is not asked for when its certificate is for another host', async () => {
    reads = 0;
    const ca = `--glance-store-https-ca-certificates-file=${join(directory, 'ca.pem')}`;
    expect(await statusOf('127.0.0.2', ca)).toBe(400);
    expect(reads).toBe(0);
  });

  it.each(['--glance-store-https-insecure=false', '--glance-store-https-insecure=true'])(
    'is not asked for when nobody known has signed its certificate (%s)',
    async (flag) => {
      reads = 0;
      expect(await statusOf('127.0.0.1', flag)).toBe(400);
      expect(reads).toBe(0);
    },
  );
});
