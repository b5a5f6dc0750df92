import { randomBytes, randomUUID } from 'node:crypto';
import net from 'node:net';
import { check } from './support/checker';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { createV2, putFileV2 } from './support/v2-client';

jest.setTimeout(120_000);

const SIZE = 400_000;
/** What becomes of an image whose upload fails, by the API it came through. */
const FACES = [
  ['v1', 'killed'],
  ['v2', 'queued'],
] as const;

type Face = (typeof FACES)[number][0];
const V1_FORMATS = ['X-Image-Meta-Disk-Format: raw', 'X-Image-Meta-Container-Format: bare'];

/** What clients do to their sockets in the middle of an upload (reliability sheet §5). */
describe.each(DATABASES)('a client on %s that', (database) => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      // Long leases: what is cleaned up was cleaned up by the uploader itself.
      registry: { uploads: ['lease_seconds = 600'] },
      api: {
        transfer: ['idle_timeout = 1', 'minimum_rate = 1000000', 'minimum_rate_grace = 2'],
      },
    });
  });

  afterAll(async () => {
    await deployment.stop();
  });

  /** An upload by hand. @returns its socket and everything that is answered on it. */
  async function open(face: Face, headers: string[]) {
    const id = randomUUID();
    if (face === 'v2') expect(await createV2(deployment.apiUrl, id)).toBe(201);
    const { hostname, port } = new URL(deployment.apiUrl);
    const socket = net.connect(Number(port), hostname);
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const head = [
      face === 'v1' ? 'POST /v1/images HTTP/1.1' : `PUT /v2/images/${id}/file HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Content-Type: application/octet-stream',
      ...(face === 'v1' ? [`X-Image-Meta-Id: ${id}`, ...V1_FORMATS] : []),
      ...headers,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    return { id, socket, closed, answer: () => answer };
  }

  const statusOf = async (id: string) => {
    const head = await fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'HEAD' });
    return head.headers.get('x-image-meta-status');
  };

  const WITH_LENGTH = [`Content-Length: ${SIZE}`];
  const CHUNKED = ['Transfer-Encoding: chunked'];
  const chunk = (bytes: Buffer) =>
    Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);

  describe.each(FACES)('through %s', (face, failed) => {
    /** The image says that it failed, and nothing else is left; v2 takes the data again. */
    async function expectNothing(id: string): Promise<void> {
      await eventually(async () => expect(await statusOf(id)).toBe(failed));
      expect(await check(deployment, [], { settleMs: 5_000 })).toEqual([]);
      if (face === 'v1') return;
      expect(await putFileV2(deployment.apiUrl, id, randomBytes(SIZE))).toBe(204);
    }

    it.each([
      ['before the first byte', 0],
      ['after one byte', 1],
      ['in the middle', SIZE / 2],
      ['before the last byte', SIZE - 1],
    ])('resets the connection %s, leaves nothing', async (_, bytes) => {
      const { id, socket } = await open(face, WITH_LENGTH);
      socket.write(randomBytes(bytes));
      await eventually(async () => expect(await statusOf(id)).toBe('saving'));
      socket.resetAndDestroy();
      await expectNothing(id);
    });

    it.each([
      ['ends the connection in the middle of a body with a length', WITH_LENGTH, randomBytes(1000)],
      ['ends the connection without the last chunk', CHUNKED, chunk(randomBytes(1000))],
      ['ends the connection within a chunk', CHUNKED, chunk(randomBytes(1000)).subarray(0, 500)],
      ['ends the connection within the size of a chunk', CHUNKED, Buffer.from('3e')],
      ['sends a chunk size that is no number', CHUNKED, Buffer.from('zz\r\nabc\r\n')],
      [
        'sends more than a chunk was to hold',
        CHUNKED,
        Buffer.concat([chunk(randomBytes(100)), Buffer.from('2\r\nabcdef\r\n0\r\n\r\n')]),
      ],
    ])('%s, leaves nothing', async (_, headers, body) => {
      const { id, socket } = await open(face, headers);
      await eventually(async () => expect(await statusOf(id)).toBe('saving'));
      socket.end(body);
      await expectNothing(id);
    });

    it('sends nothing more is told so, and leaves nothing', async () => {
      const { id, socket, closed, answer } = await open(face, WITH_LENGTH);
      socket.write(randomBytes(SIZE / 2));
      await closed;
      expect(answer()).toMatch(/^HTTP\/1\.1 408 /);
      await expectNothing(id);
    });

    it('trickles is told so, and leaves nothing', async () => {
      const { id, socket, closed, answer } = await open(face, WITH_LENGTH);
      const timer = setInterval(() => socket.write(randomBytes(10)), 100);
      await closed;
      clearInterval(timer);
      expect(answer()).toMatch(/^HTTP\/1\.1 408 /);
      await expectNothing(id);
    });

    it('goes away after its last byte finds either nothing or the whole image', async () => {
      const uploads = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const upload = await open(face, WITH_LENGTH);
          upload.socket.write(randomBytes(SIZE), () => upload.socket.resetAndDestroy());
          return upload.id;
        }),
      );
      for (const id of uploads) {
        await eventually(async () =>
          expect([failed, 'active', null]).toContain(await statusOf(id)),
        );
      }
      expect(await check(deployment, [], { settleMs: 10_000 })).toEqual([]);
    });
  });
});
