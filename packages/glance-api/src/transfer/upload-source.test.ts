import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { DomainError } from '@glance/common';
import { TRANSFER_MEMORY_BYTES } from '@glance/stores';
import { HashPool } from './hash-pool';
import { SLAB_BYTES } from './slab-ring';
import { RequestBody } from './request-body';
import { UploadSource, type UploadExpectations } from './upload-source';

const LIMITS = { idleMs: 60_000, minimumRate: 0, minimumRateGraceMs: 60_000 };
const ANYTHING: UploadExpectations = {
  maxBytes: Number.MAX_SAFE_INTEGER,
  tooLargeMessage: 'too large',
  sizeBytes: undefined,
  md5: undefined,
};

describe('UploadSource', () => {
  const pool = new HashPool(2);
  const servers: http.Server[] = [];

  afterAll(async () => {
    await pool.close();
  });

  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  /** A server that reads one request through a source and tells what came of it. */
  async function receive(
    expected: Partial<UploadExpectations> = {},
    limits: Partial<typeof LIMITS> = {},
    onChunk: (chunk: Uint8Array) => Promise<void> | void = () => undefined,
  ): Promise<{ port: number; outcome: Promise<{ source: UploadSource; error: unknown }> }> {
    let settle: (result: { source: UploadSource; error: unknown }) => void;
    const outcome = new Promise<{ source: UploadSource; error: unknown }>((resolve) => {
      settle = resolve;
    });
    const server = http.createServer((req, res) => {
      const source = new UploadSource(new RequestBody(req, { ...LIMITS, ...limits }), pool, {
        ...ANYTHING,
        ...expected,
      });
      void (async () => {
        let error: unknown;
        try {
          for await (const chunk of source) await onChunk(chunk);
        } catch (thrown) {
          error = thrown;
        }
        res.end();
        settle({ source, error });
      })();
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { port: (server.address() as AddressInfo).port, outcome };
  }

  async function post(port: number, data: Buffer, chunked = false): Promise<void> {
    const request = http.request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      headers: chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': data.length },
    });
    request.on('error', () => undefined);
    request.end(data);
    await new Promise((resolve) => request.once('close', resolve));
  }

  it.each([0, 1, 65_536, SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1, 5_000_000])(
    'passes %d bytes on unchanged and knows their digests',
    async (size) => {
      const data = randomBytes(size);
      const received = createHash('md5');
      const { port, outcome } = await receive({ sizeBytes: size }, {}, (chunk) => {
        received.update(chunk);
      });
      await post(port, data, true);
      const { source, error } = await outcome;
      expect(error).toBeUndefined();
      const md5 = createHash('md5').update(data).digest('hex');
      expect(received.digest('hex')).toBe(md5);
      expect(source.digests).toEqual({
        sizeBytes: size,
        md5,
        hashAlgorithm: 'sha512',
        hashValue: createHash('sha512').update(data).digest('hex'),
        virtualSizeBytes: null,
      });
    },
  );

  it('keeps many transfers apart on few threads', async () => {
    const sizes = Array.from({ length: 12 }, (_, index) => 700_000 + index * 31);
    await Promise.all(
      sizes.map(async (size) => {
        const data = randomBytes(size);
        const { port, outcome } = await receive();
        await post(port, data);
        const { source } = await outcome;
        expect(source.digests.md5).toBe(createHash('md5').update(data).digest('hex'));
      }),
    );
  });

  it('does not read ahead of a slow store by more than its few buffers', async () => {
    const ring = TRANSFER_MEMORY_BYTES;
    let taken = 0;
    let ringIsFull: () => void = () => undefined;
    const full = new Promise<void>((resolve) => (ringIsFull = resolve));
    const { port, outcome } = await receive(
      {
        admit: (total) => {
          taken = total;
          if (total > ring) ringIsFull();
          return undefined;
        },
      },
      {},
      // The first chunk stays in the store until the rest of the ring is full.
      () => full,
    );
    const takenWhileWaiting = full.then(() => taken);
    await post(port, Buffer.alloc(20_000_000));
    expect((await outcome).source.bytesReceived).toBe(20_000_000);
    expect(await takenWhileWaiting).toBeLessThan(ring + 2 * SLAB_BYTES);
  });

  it.each([
    ['more than announced', { sizeBytes: 10 }, 'data_mismatch'],
    ['less than announced', { sizeBytes: 1_000_000 }, 'data_mismatch'],
    ['other bytes than announced', { md5: '0'.repeat(32) }, 'data_mismatch'],
    ['more than the cap', { maxBytes: 99_999 }, 'too_large'],
    [
      'more than is admitted',
      { admit: () => Promise.reject(new DomainError('quota_exceeded', 'full')) },
      'quota_exceeded',
    ],
  ])('fails on %s', async (_what, expected, code) => {
    const { port, outcome } = await receive(expected);
    await post(port, randomBytes(100_000));
    expect((await outcome).error).toMatchObject({ code });
  });

  it.each([
    ['a length that is not reached', 'Content-Length: 100\r\n\r\nabc'],
    ['chunks without the last one', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
    ['a chunk that is cut', 'Transfer-Encoding: chunked\r\n\r\nff\r\nabc'],
    ['a chunk size that is none', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n'],
  ])('never takes %s for a whole body', async (_what, tail) => {
    const { port, outcome } = await receive();
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end(`POST / HTTP/1.1\r\nHost: h\r\n${tail}`);
    expect((await outcome).error).toMatchObject({ code: 'client_gone' });
  });

  it('notices a client that was gone before the first read', async () => {
    let received: (error: unknown) => void;
    const outcome = new Promise<unknown>((resolve) => (received = resolve));
    const server = http.createServer((req) => {
      req.once('close', () => {
        void (async () => {
          try {
            const source = new UploadSource(new RequestBody(req, LIMITS), pool, ANYTHING);
            await source[Symbol.asyncIterator]().next();
          } catch (error) {
            received(error);
          }
        })();
      });
      req.on('error', () => undefined);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.end('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc');
    expect(await outcome).toMatchObject({ code: 'client_gone' });
  });

  it('gives up a client that sends nothing', async () => {
    const { port, outcome } = await receive({}, { idleMs: 50 });
    const socket = net.connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc');
    const { error } = await outcome;
    socket.destroy();
    expect(error).toMatchObject({ code: 'client_too_slow' });
  });

  it('gives up a client that trickles', async () => {
    const { port, outcome } = await receive(
      {},
      { idleMs: 5_000, minimumRate: 1_000_000, minimumRateGraceMs: 100 },
    );
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n');
    const trickle = setInterval(() => socket.write('x'), 10);
    const { error } = await outcome;
    clearInterval(trickle);
    socket.destroy();
    expect(error).toMatchObject({
      code: 'client_too_slow',
      message: expect.stringContaining('bytes per second'),
    });
  });

  it('ends when it is aborted, wherever it waits', async () => {
    const reason = new DomainError('upload_fenced', 'taken away');
    const server = http.createServer((req, res) => {
      const source = new UploadSource(new RequestBody(req, LIMITS), pool, ANYTHING);
      void (async () => {
        const iterator = source[Symbol.asyncIterator]();
        const next = iterator.next();
        source.abort(reason);
        await expect(next).rejects.toBe(reason);
        res.end('aborted');
      })();
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const request = http.request({ port, host: '127.0.0.1', method: 'POST' });
    request.on('error', () => undefined);
    request.write('some');
    const [response] = await new Promise<[http.IncomingMessage]>((resolve) =>
      request.once('response', (each) => resolve([each])),
    );
    expect(response.statusCode).toBe(200);
    request.destroy();
  });
});
