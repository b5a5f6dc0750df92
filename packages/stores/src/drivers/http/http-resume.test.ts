import type http from 'node:http';
import { patternBytes, readAll } from '../../conformance/pattern';
import { BlobServer } from '../../../testing/blob-server';
import { loopbackDriver } from '../../../testing/loopback-driver';

const DATA = patternBytes(300_000);
const BREAK_AT = 100_000;
const ETAG = '"v1"';
const OLD = 'Wed, 01 Jan 2025 00:00:00 GMT';

type Respond = (req: http.IncomingMessage, res: http.ServerResponse) => void;

describe('data of an http source that breaks off', () => {
  let server: BlobServer;

  beforeEach(async () => {
    server = await BlobServer.start();
  });

  afterEach(async () => {
    await server.close();
  });

  /** Sends what was asked for, but breaks off at the byte. */
  function breakOff(at: number, headers: http.OutgoingHttpHeaders): Respond {
    return (req, res) => {
      const from = Number(/^bytes=(\d+)-/.exec(req.headers.range ?? '')?.[1] ?? 0);
      send(res, from, headers, DATA.subarray(from, at), () => res.socket?.destroy());
    };
  }

  function rest(headers: http.OutgoingHttpHeaders, data = DATA): Respond {
    return (req, res) => {
      const from = Number(/^bytes=(\d+)-/.exec(req.headers.range ?? '')?.[1] ?? 0);
      send(res, from, headers, data.subarray(from), () => res.end(), data.length);
    };
  }

  function send(
    res: http.ServerResponse,
    from: number,
    headers: http.OutgoingHttpHeaders,
    body: Uint8Array,
    then: () => void,
    total = DATA.length,
  ): void {
    const range = from > 0 && { 'Content-Range': `bytes ${from}-${total - 1}/${total}` };
    res.writeHead(range ? 206 : 200, { 'Content-Length': total - from, ...range, ...headers });
    res.write(body, then);
  }

  /** One after the other; the last answers what comes after, too. */
  function answers(...responses: Respond[]): string {
    return server.answer('/blob', (req, res) => {
      const next = responses.length > 1 ? responses.shift() : responses[0];
      next?.(req, res);
    });
  }

  async function read(url: string, driver = loopbackDriver(server.port)): Promise<Buffer> {
    return await readAll((await driver.get(url)).stream);
  }

  const asked = () =>
    server.headers.map(({ range, 'if-range': ifRange }) => [range ?? 'all', ifRange ?? 'always']);

  it.each<[string, http.OutgoingHttpHeaders, string]>([
    ['its entity tag', { ETag: ETAG }, ETAG],
    ['its entity tag rather than its time', { ETag: ETAG, 'Last-Modified': OLD }, ETAG],
    ['the time of its last change', { 'Last-Modified': OLD }, OLD],
  ])('is resumed where %s proves that it is the same', async (_, headers, validator) => {
    const url = answers(
      breakOff(BREAK_AT, headers),
      breakOff(2 * BREAK_AT, headers),
      rest(headers),
    );
    expect((await read(url)).equals(DATA)).toBe(true);
    expect(asked()).toEqual([
      ['all', 'always'],
      [`bytes=${BREAK_AT}-299999`, validator],
      [`bytes=${2 * BREAK_AT}-299999`, validator],
    ]);
  });

  it('is resumed within a range', async () => {
    const url = answers(
      (_req, res) => {
        res.writeHead(206, {
          ETag: ETAG,
          'Content-Length': 200_000,
          'Content-Range': 'bytes 50000-249999/300000',
        });
        res.write(DATA.subarray(50_000, BREAK_AT), () => res.socket?.destroy());
      },
      (_req, res) => {
        res.writeHead(206, { ETag: ETAG, 'Content-Range': 'bytes 100000-249999/300000' });
        res.end(DATA.subarray(BREAK_AT, 250_000));
      },
    );
    const range = { offset: 50_000, length: 200_000 };
    const { stream, sizeBytes } = await loopbackDriver(server.port).get(url, { range });
    expect(sizeBytes).toBe(DATA.length);
    expect((await readAll(stream)).equals(DATA.subarray(50_000, 250_000))).toBe(true);
    expect(asked()).toEqual([
      ['bytes=50000-249999', 'always'],
      ['bytes=100000-249999', ETAG],
    ]);
  });

  it('is resumed from the whole, where the server knows no ranges', async () => {
    const whole: Respond = (_req, res) =>
      res.writeHead(200, { ETag: ETAG, 'Content-Length': DATA.length }).end(DATA);
    const url = answers(breakOff(BREAK_AT, { ETag: ETAG }), whole);
    expect((await read(url)).equals(DATA)).toBe(true);
  });

  it('is resumed when the source fell silent', async () => {
    const url = answers(
      (_req, res) => {
        send(res, 0, { ETag: ETAG }, DATA.subarray(0, BREAK_AT), () => undefined);
      },
      rest({ ETag: ETAG }),
    );
    const driver = loopbackDriver(server.port, { idleMs: 50 });
    expect((await read(url, driver)).equals(DATA)).toBe(true);
  });

  it('is resumed after the source was busy for a while', async () => {
    const busy: Respond = (_req, res) => res.writeHead(503, { 'Retry-After': '0' }).end();
    const down: Respond = (_req, res) => res.writeHead(500).end();
    const headers = { ETag: ETAG };
    const url = answers(breakOff(BREAK_AT, headers), busy, down, busy, rest(headers));
    expect((await read(url)).equals(DATA)).toBe(true);
  });

  const other = Buffer.from(DATA).reverse();
  it.each<[string, Respond, Respond]>([
    ['has another tag', breakOff(BREAK_AT, { ETag: ETAG }), rest({ ETag: '"v2"' }, other)],
    ['has no tag any more', breakOff(BREAK_AT, { ETag: ETAG }), rest({}, other)],
    ['has a weak tag', breakOff(BREAK_AT, { ETag: `W/${ETAG}` }), rest({ ETag: `W/${ETAG}` })],
    [
      'has another length',
      breakOff(BREAK_AT, { ETag: ETAG }),
      rest({ ETag: ETAG }, DATA.subarray(0, 299_999)),
    ],
    [
      'was changed',
      breakOff(BREAK_AT, { 'Last-Modified': OLD }),
      rest({ 'Last-Modified': 'Thu, 02 Jan 2025 00:00:00 GMT' }, other),
    ],
    [
      'is another whole',
      breakOff(BREAK_AT, { ETag: ETAG }),
      (_req, res) => res.writeHead(200, { ETag: '"v2"', 'Content-Length': 300_000 }).end(other),
    ],
    [
      'is another part',
      breakOff(BREAK_AT, { ETag: ETAG }),
      (_req, res) => send(res, 7, { ETag: ETAG }, DATA.subarray(7), () => res.end()),
    ],
    ['is gone', breakOff(BREAK_AT, { ETag: ETAG }), (_req, res) => res.writeHead(404).end()],
    [
      'was changed in the second in which it was asked for',
      breakOff(BREAK_AT, { 'Last-Modified': OLD, Date: OLD }),
      rest({ 'Last-Modified': OLD, Date: OLD }),
    ],
  ])('stays broken off when it %s', async (_, first, second) => {
    const { stream } = await loopbackDriver(server.port).get(answers(first, second));
    const received: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of stream) received.push(Buffer.from(chunk));
    })();
    await expect(reading).rejects.toMatchObject({ code: 'store_blob_corrupt' });
    const bytes = Buffer.concat(received);
    expect(bytes.equals(DATA.subarray(0, bytes.length))).toBe(true);
    expect(server.requests.length).toBeLessThanOrEqual(2);
  });

  it('stays broken off when it breaks again and again', async () => {
    const url = answers(breakOff(BREAK_AT, { ETag: ETAG }));
    await expect(read(url)).rejects.toMatchObject({ code: 'store_blob_corrupt' });
    expect(server.requests).toHaveLength(4);
  });

  it('CVE-2026-35527: is not resumed at an address that is not allowed', async () => {
    const url = answers(breakOff(BREAK_AT, { ETag: ETAG }), rest({ ETag: ETAG }));
    const addresses = ['127.0.0.1', '10.0.0.1'];
    const driver = loopbackDriver(server.port, {}, () =>
      Promise.resolve([{ address: addresses.shift() ?? '', family: 4 }]),
    );
    const named = url.replace('127.0.0.1', 'images.example');
    await expect(read(named, driver)).rejects.toMatchObject({
      code: 'store_blob_corrupt',
      cause: { code: 'store_source_refused' },
    });
    expect(server.requests).toHaveLength(1);
  });

  it('CVE-2026-35527: is not resumed where a redirect leads to what is not allowed', async () => {
    answers(breakOff(BREAK_AT, { ETag: ETAG }), rest({ ETag: ETAG }));
    const targets = ['/blob', 'http://169.254.169.254/latest/meta-data/'];
    const url = server.answer('/here', (_req, res) =>
      res.writeHead(302, { Location: targets.shift() ?? '' }).end(),
    );
    await expect(read(url)).rejects.toMatchObject({
      code: 'store_blob_corrupt',
      cause: { code: 'store_source_refused' },
    });
    expect(server.requests).toEqual(['GET /here', 'GET /blob', 'GET /here']);
  });

  it.each(['return', 'abort'])('is not resumed after the reader’s %s', async (way) => {
    const url = answers(breakOff(BREAK_AT, { ETag: ETAG }), (_req, res) => {
      res.writeHead(503).end();
    });
    const controller = new AbortController();
    const driver = loopbackDriver(server.port, { resumeAfterMs: [0, 3_600_000] });
    const { stream } = await driver.get(url, { signal: controller.signal });
    const reason = new Error('the client left');
    const reading = readAll(stream);
    // The second answer has sent it into the long pause, or will.
    while (server.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    if (way === 'abort') controller.abort(reason);
    else await stream.return();
    if (way === 'abort') await expect(reading).rejects.toBe(reason);
    else expect((await reading).equals(DATA.subarray(0, BREAK_AT))).toBe(true);
    expect(server.requests).toHaveLength(2);
  });
});

describe('an http source that is busy', () => {
  let server: BlobServer;
  let answered: number;

  beforeEach(async () => {
    server = await BlobServer.start();
    answered = 0;
  });

  afterEach(async () => {
    await server.close();
  });

  /** Says so a number of times before it gives its data. */
  function busy(times: number, status: number, retryAfter?: string): string {
    return server.answer('/blob', (req, res) => {
      answered += 1;
      if (answered > times) {
        res.setHeader('Content-Length', DATA.length).end(req.method === 'HEAD' ? '' : DATA);
      } else {
        if (retryAfter !== undefined) res.setHeader('Retry-After', retryAfter);
        res.writeHead(status).end();
      }
    });
  }

  it.each([
    [429, '0'],
    [503, '0'],
    [503, OLD],
    [503, '1'],
  ])('is asked again after %i with Retry-After: %s', async (status, retryAfter) => {
    const driver = loopbackDriver(server.port);
    const { stream } = await driver.get(busy(1, status, retryAfter));
    expect((await readAll(stream)).equals(DATA)).toBe(true);
    answered = 0;
    expect(await driver.sizeOf(server.urlOf('/blob'))).toBe(DATA.length);
  });

  it.each<[string, number, number, string | undefined, number]>([
    ['does not say when', 1, 503, undefined, 1],
    ['means another day', 1, 503, '86400', 1],
    ['says nonsense', 1, 429, 'soon', 1],
    ['stays busy', 99, 503, '0', 3],
    ['has failed', 1, 500, '0', 1],
  ])('is unavailable when it %s', async (_, times, status, retryAfter, requests) => {
    const getting = loopbackDriver(server.port).get(busy(times, status, retryAfter));
    await expect(getting).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(server.requests).toHaveLength(requests);
  });
});
