import { inspect } from 'node:util';
import { once } from 'node:events';
import net from 'node:net';
import {
  describeError,
  DomainError,
  ERROR_CODES,
  INTERNAL_HEADERS,
  isDomainError,
  SERVICE_IDENTITY,
} from '@glance/common';
import { HttpRegistry } from './http-registry';
import type { CallContext } from './registry';
import type { RegistryClientOptions, RegistryFailure } from './registry-transport';
import { anImage } from './testing/an-image';
import {
  cutShort,
  json,
  raw,
  redirect,
  reset,
  ScriptedPeer,
  silence,
  type Reply,
} from './testing/scripted-peer';
import { TEST_CERT, TEST_KEY } from './testing/tls-fixture';

const IMAGE = anImage();
const context: CallContext = { identity: SERVICE_IDENTITY, requestId: 'req-1' };
const FOUND = json(200, { image: IMAGE });
const COMMIT = {
  location: { url: 'file:///images/1', metadata: {} },
  sizeBytes: 5,
  virtualSizeBytes: null,
  checksum: 'abc',
  hashAlgorithm: 'sha512',
  hashValue: 'def',
};

function wireError(status: number, code: string, details = {}): Reply {
  return json(status, { error: { code, message: `about ${code}`, details } });
}

describe('calls to a registry', () => {
  const peers: ScriptedPeer[] = [];
  const registries: HttpRegistry[] = [];
  const failures: RegistryFailure[] = [];

  async function play(...script: Reply[]): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.start(...script);
    peers.push(peer);
    return peer;
  }

  function connectTo(
    where: ScriptedPeer | string | (ScriptedPeer | string)[],
    options: Partial<RegistryClientOptions> = {},
  ): HttpRegistry {
    const baseUrls = [where].flat().map((it) => (typeof it === 'string' ? it : it.url));
    const registry = new HttpRegistry({
      baseUrls,
      serviceKey: 'the-service-key',
      release: '1',
      onFailure: (failure) => failures.push(failure),
      ...options,
    });
    registries.push(registry);
    return registry;
  }

  /** An address where nothing listens. */
  async function aClosedPort(): Promise<number> {
    const peer = await ScriptedPeer.start(silence);
    const { port } = peer;
    await peer.close();
    return port;
  }

  async function rejection(promise: Promise<unknown>): Promise<DomainError> {
    const error: unknown = await promise.then(
      (value) => new Error(`resolved with ${JSON.stringify(value)}`),
      (reason: unknown) => reason,
    );
    if (!isDomainError(error)) throw error;
    return error;
  }

  const getImage = (registry: HttpRegistry, more: Partial<CallContext> = {}) =>
    registry.getImage(IMAGE.id, { ...context, ...more });
  const commit = (registry: HttpRegistry, more: Partial<CallContext> = {}) =>
    registry.commitUpload(IMAGE.id, 'an-upload', COMMIT, { ...context, ...more });
  const requestKeys = (peer: ScriptedPeer) =>
    peer.seen.map(({ headers }) => headers[INTERNAL_HEADERS.requestKey]);

  beforeEach(() => {
    failures.length = 0;
  });

  afterEach(async () => {
    for (const registry of registries.splice(0)) registry.close();
    await Promise.all(peers.splice(0).map((peer) => peer.close()));
  });

  describe('without an answer', () => {
    it('says to the client that it is gone, and to the operator what failed where', async () => {
      const address = `http://127.0.0.1:${await aClosedPort()}`;
      const registry = connectTo(address, { timeouts: { readTotal: 200 } });
      const error = await rejection(getImage(registry));
      expect(error.code).toBe('registry_unavailable');
      expect(error.message).toBe('The image registry is not available; try again.');
      expect(describeError(error)).toContain(address);
      expect(describeError(error)).toContain('ECONNREFUSED');
      expect(describeError(error)).toContain('getImage');
    });

    it('gives a read up when nothing could be connected to for long enough', async () => {
      const address = `http://127.0.0.1:${await aClosedPort()}`;
      const timeouts = { readTotal: 60_000, unreachable: 100 };
      const error = await rejection(getImage(connectTo(address, { timeouts })));
      expect(error.code).toBe('registry_unavailable');
    });

    it('gives a commit up when its whole budget is spent', async () => {
      const address = `http://127.0.0.1:${await aClosedPort()}`;
      const registry = connectTo(address, { timeouts: { settleTotal: 300, unreachable: 0 } });
      const error = await rejection(commit(registry));
      expect(error.code).toBe('registry_unavailable');
      expect(failures.length).toBeGreaterThan(1);
    });

    it('finds a registry that comes back while the call still has time', async () => {
      const port = await aClosedPort();
      let started: Promise<unknown> | undefined;
      const registry = connectTo(`http://127.0.0.1:${port}`, {
        onFailure: () => {
          started ??= ScriptedPeer.startAt(port, FOUND).then((peer) => peers.push(peer));
        },
      });
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
      await started;
    });

    it('repeats a read whose answer was cut off', async () => {
      const peer = await play(reset, cutShort({ image: IMAGE }), FOUND);
      await expect(getImage(connectTo(peer))).resolves.toEqual(IMAGE);
      expect(peer.seen).toHaveLength(3);
      expect(failures).toMatchObject([
        { operation: 'getImage', baseUrl: peer.url, tries: 1, willRetry: true },
        { operation: 'getImage', baseUrl: peer.url, tries: 2, willRetry: true },
      ]);
    });

    it.each([
      ['resets every connection', reset],
      ['cuts every answer short', cutShort({ image: IMAGE })],
      ['is a proxy without a registry', raw(502, '<html>Bad Gateway</html>')],
    ])('stops asking a registry that %s', async (_what, reply) => {
      const peer = await play(reply);
      const error = await rejection(getImage(connectTo(peer)));
      expect(error.code).toBe('registry_unavailable');
      expect(peer.seen).toHaveLength(3);
    });

    it('waits no longer than its budget for a registry that says nothing', async () => {
      const peer = await play(silence);
      const error = await rejection(getImage(connectTo(peer, { timeouts: { readTotal: 100 } })));
      expect(error.code).toBe('registry_unavailable');
      expect(describeError(error)).toContain('no answer within 100 ms');
    });

    it("takes the caller's own patience over the configured budget", async () => {
      const peer = await play(silence);
      const error = await rejection(getImage(connectTo(peer), { timeoutMs: 50 }));
      expect(error.code).toBe('registry_unavailable');
      expect(Number(peer.seen[0]?.headers[INTERNAL_HEADERS.deadline])).toBeLessThanOrEqual(50);
    });

    it('finds the late success of a write by the same request key', async () => {
      const peer = await play(silence, reset, json(201, { image: IMAGE, lease: null }));
      const registry = connectTo(peer, { timeouts: { writeAnswer: 100 } });
      await expect(registry.createImage({ image: {} }, context)).resolves.toMatchObject({
        image: IMAGE,
      });
      const keys = requestKeys(peer);
      expect(keys).toHaveLength(3);
      expect(new Set(keys).size).toBe(1);
      const deadlines = peer.seen.map(({ headers }) => Number(headers[INTERNAL_HEADERS.deadline]));
      expect(deadlines[1]).toBeLessThan(deadlines[0] ?? 0);
    });
  });

  describe('with an answer that is not to be believed', () => {
    const without = (field: string) => ({ image: { ...IMAGE, [field]: undefined } });
    it.each<[string, Reply]>([
      ['garbage for JSON', raw(200, '{"image":', 'application/json')],
      ['a web page', raw(200, '<html>welcome</html>')],
      ['a "not found" page of some other server', raw(404, '<html>no such page</html>')],
      ['a "not found" without a known code', json(404, { error: { code: 'gone', message: '' } })],
      ['an error without a message', json(404, { error: { code: 'image_not_found' } })],
      ['a "bad request" page', raw(400, 'Bad Request')],
      ['null', json(200, null)],
      ['a list', json(200, [])],
      ['no content', (response) => response.writeHead(204).end()],
      ['an empty object', json(200, {})],
      ['an image without an id', json(200, without('id'))],
      ['an image without a status', json(200, without('status'))],
      ['an image of unknown status', json(200, { image: { ...IMAGE, status: 'ok' } })],
      ['an image of negative size', json(200, { image: { ...IMAGE, sizeBytes: -1 } })],
      ['an image with a size in text', json(200, { image: { ...IMAGE, sizeBytes: '5' } })],
      ['properties as an object', json(200, { image: { ...IMAGE, properties: { a: 'b' } } })],
      ['locations without URL', json(200, { image: { ...IMAGE, locations: [{ id: 1 }] } })],
      ['the error of a successful status', json(200, { error: { code: 'conflict' } })],
      ['another image', json(200, { image: anImage() })],
    ])('treats %s as no answer', async (_what, reply) => {
      const peer = await play(reply);
      const error = await rejection(getImage(connectTo(peer)));
      expect(error.code).toBe('registry_unavailable');
      expect(peer.seen).toHaveLength(1);
    });

    it('does not take a list with one foreign entry', async () => {
      const peer = await play(json(200, { images: [IMAGE, { id: 'x' }] }));
      const query = { scope: 'all', memberStatus: 'all', deleted: false, limit: 1 } as const;
      const error = await rejection(connectTo(peer).listImages({ ...query, sort: [] }, context));
      expect(error.code).toBe('registry_unavailable');
    });

    it('does not take the lease of another upload', async () => {
      const lease = { uploadId: 'another', leaseSeconds: 90, heartbeatSeconds: 15 };
      const registry = connectTo(await play(json(200, lease)));
      const beat = registry.heartbeat(IMAGE.id, 'an-upload', { bytesReceived: 1 }, context);
      expect((await rejection(beat)).code).toBe('registry_unavailable');
    });

    it('takes fields that it does not know from a newer registry', async () => {
      const newer = { ...IMAGE, cachedSince: '2027' };
      const peer = await play(json(200, { image: newer, more: true }));
      await expect(getImage(connectTo(peer))).resolves.toEqual(newer);
    });

    it('does not take more bytes than it is ready to hold', async () => {
      const peer = await play(json(200, { image: { ...IMAGE, name: 'x'.repeat(5_000) } }));
      const error = await rejection(getImage(connectTo(peer, { maxAnswerBytes: 4_096 })));
      expect(error.code).toBe('registry_unavailable');
    });

    it('follows no redirect', async () => {
      const elsewhere = await play(FOUND);
      const peer = await play(redirect(`${elsewhere.url}/v1/images/${IMAGE.id}`));
      const error = await rejection(getImage(connectTo(peer)));
      expect(error.code).toBe('registry_unavailable');
      expect(describeError(error)).toContain('redirects are not followed');
      expect(elsewhere.seen).toEqual([]);
    });

    it('keeps asking for the outcome of a commit', async () => {
      const peer = await play(
        raw(404, 'no such page'),
        raw(502, 'Bad Gateway'),
        json(200, { image: {} }),
        FOUND,
      );
      await expect(commit(connectTo(peer))).resolves.toEqual(IMAGE);
      expect(new Set(requestKeys(peer)).size).toBe(1);
    });
  });

  describe('with an error of the registry', () => {
    const CODES = ERROR_CODES.filter((code) => code !== 'shutting_down');

    it.each(CODES)('passes %s on with its message and details', async (code) => {
      const details = { imageId: IMAGE.id, limit: 5, isFinal: true, owner: null };
      const peer = await play(wireError(400, code, details));
      const error = await rejection(getImage(connectTo(peer)));
      expect(error).toMatchObject({ code, message: `about ${code}`, details });
      expect(peer.seen).toHaveLength(1);
    });

    it('drops details that are no plain values', async () => {
      const peer = await play(wireError(409, 'conflict', { a: 1, b: { c: 2 }, d: [3] }));
      expect((await rejection(getImage(connectTo(peer)))).details).toEqual({ a: 1 });
    });

    it('asks again when the registry is only being replaced', async () => {
      const peer = await play(wireError(503, 'shutting_down'), FOUND);
      await expect(getImage(connectTo(peer))).resolves.toEqual(IMAGE);
    });

    it.each(['database_unavailable', 'overloaded'])(
      'repeats a commit and an abandon over %s, and nothing else',
      async (code) => {
        const busy = wireError(503, code);
        const forCommit = await play(busy, busy, FOUND);
        await expect(commit(connectTo(forCommit))).resolves.toEqual(IMAGE);

        const result = { state: 'abandoned', imageStatus: 'queued', blobRemovable: true };
        const forAbandon = await play(busy, json(200, result));
        const abandoned = connectTo(forAbandon).abandonUpload(
          IMAGE.id,
          'an-upload',
          { reason: 'test', locationUrl: null },
          context,
        );
        await expect(abandoned).resolves.toEqual(result);

        const forUpdate = await play(busy, FOUND);
        const update = connectTo(forUpdate).updateImage(IMAGE.id, {}, context);
        expect((await rejection(update)).code).toBe(code);
        expect(forUpdate.seen).toHaveLength(1);
      },
    );

    it('reports the reason of the registry when a commit runs out of time', async () => {
      const peer = await play(wireError(503, 'database_unavailable'));
      const error = await rejection(commit(connectTo(peer), { timeoutMs: 1000 }));
      expect(error.code).toBe('database_unavailable');
    });

    it('names the option when the service key is refused', async () => {
      for (const reply of [wireError(401, 'unauthenticated'), raw(401, 'Unauthorized')]) {
        const peer = await play(reply);
        const error = await rejection(commit(connectTo(peer)));
        expect(error.code).toBe('registry_refused');
        expect(error.message).toContain('[service_auth] key');
        expect(peer.seen).toHaveLength(1);
      }
    });

    it('shows the service key in no error', async () => {
      for (const reply of [reset, raw(500, 'oops'), raw(401, ''), wireError(500, 'internal')]) {
        const error = await rejection(getImage(connectTo(await play(reply))));
        expect(inspect(error, { depth: null, showHidden: true })).not.toContain('the-service-key');
      }
    });
  });

  describe('given up by the caller', () => {
    it('does not begin when the caller is gone already', async () => {
      const peer = await play(FOUND);
      const error = await rejection(getImage(connectTo(peer), { signal: AbortSignal.abort() }));
      expect(error.code).toBe('client_gone');
      expect(peer.seen).toEqual([]);
    });

    it('drops the connection of a call that is under way', async () => {
      const gone = new AbortController();
      let closed: Promise<unknown> | undefined;
      const peer = await play((response) => {
        closed = once(response, 'close');
        gone.abort();
      });
      const patient = { signal: gone.signal, timeoutMs: 60_000 };
      const error = await rejection(getImage(connectTo(peer), patient));
      expect(error.code).toBe('client_gone');
      await closed;
      expect(peer.seen).toHaveLength(1);
      expect(failures).toEqual([]);
    });

    it('does not wait for the next try', async () => {
      const gone = new AbortController();
      const address = `http://127.0.0.1:${await aClosedPort()}`;
      const registry = connectTo(address, { onFailure: () => gone.abort() });
      const error = await rejection(commit(registry, { signal: gone.signal }));
      expect(error.code).toBe('client_gone');
    });

    it('rejects with the reason of the caller when that is a domain error', async () => {
      const reason = new DomainError('shutting_down', 'The service stops.');
      const peer = await play(FOUND);
      const error = await rejection(
        getImage(connectTo(peer), { signal: AbortSignal.abort(reason) }),
      );
      expect(error).toBe(reason);
    });
  });

  describe('over its connections', () => {
    it('keeps one connection for calls after each other', async () => {
      const peer = await play(FOUND);
      const registry = connectTo(peer);
      for (let call = 0; call < 20; call += 1) await getImage(registry);
      expect(peer.connections).toBe(1);
    });

    it('opens no more connections at once than it may', async () => {
      const peer = await play(FOUND);
      const registry = connectTo(peer, { maxSockets: 2 });
      await Promise.all(Array.from({ length: 20 }, () => getImage(registry)));
      expect(peer.seen).toHaveLength(20);
      expect(peer.connections).toBeLessThanOrEqual(2);
    });

    it('goes past the proxies of the environment', async () => {
      const proxy = await play(FOUND);
      const peer = await play(FOUND);
      const names = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'];
      const before = names.map((name) => [name, process.env[name]] as const);
      for (const name of names) process.env[name] = proxy.url;
      try {
        await expect(getImage(connectTo(peer))).resolves.toEqual(IMAGE);
      } finally {
        for (const [name, value] of before) {
          if (value === undefined) Reflect.deleteProperty(process.env, name);
          else process.env[name] = value;
        }
      }
      expect(proxy.seen).toEqual([]);
      expect(peer.seen).toHaveLength(1);
    });

    it('turns to the second registry when the first is down, and stays there', async () => {
      const down = `http://127.0.0.1:${await aClosedPort()}`;
      const second = await play(FOUND);
      const registry = connectTo([down, second]);
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
      expect(failures).toMatchObject([{ baseUrl: down, willRetry: true }]);
    });

    it('has time left for the second registry when the first says nothing', async () => {
      const first = await play(silence);
      const second = await play(FOUND);
      const registry = connectTo([first, second], { timeouts: { readTotal: 1_000 } });
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
    });

    it('returns to the first registry when the second fails', async () => {
      const first = await play(reset, FOUND);
      const second = await play(FOUND, reset);
      const registry = connectTo([first, second]);
      await getImage(registry);
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
      expect([first.seen.length, second.seen.length]).toEqual([2, 2]);
    });

    it('holds calls back after a long outage until a probe is answered', async () => {
      const port = await aClosedPort();
      const address = `http://127.0.0.1:${port}`;
      const registry = connectTo(address, { timeouts: { unreachable: 100, readTotal: 1_000 } });
      const ofHeldBack = (error: DomainError) => describeError(error).includes('not tried');
      let error: DomainError;
      do error = await rejection(getImage(registry));
      while (!ofHeldBack(error));
      expect(error.code).toBe('registry_unavailable');
      expect(registry.metrics()).toMatchObject({ heldBack: 1, breakerIsOpen: true });
      expect(registry.metrics().failures).toBe(registry.metrics().calls - 1);
      expect(registry.metrics().retries).toBeGreaterThan(0);

      const peer = await ScriptedPeer.startAt(
        port,
        json(200, { contract: { major: 1, minor: 0 }, release: '1' }),
        FOUND,
      );
      peers.push(peer);
      await registry.contract(context);
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
      expect(registry.metrics().breakerIsOpen).toBe(false);
    });
  });

  it('say to which trace they belong, where they belong to one', async () => {
    const peer = await play(FOUND);
    let trace: string | undefined = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
    const registry = connectTo(peer, { traceparent: () => trace });
    await getImage(registry);
    trace = undefined;
    await getImage(registry);
    expect(peer.seen.map(({ headers }) => headers['traceparent'])).toEqual([
      `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`,
      undefined,
    ]);
  });

  describe('over TLS', () => {
    const server = { cert: TEST_CERT, key: TEST_KEY };

    async function playTls(options: object): Promise<ScriptedPeer> {
      const peer = await ScriptedPeer.startTls({ ...server, ...options }, FOUND);
      peers.push(peer);
      return peer;
    }

    it('trusts the configured authority', async () => {
      const registry = connectTo(await playTls({}), { tls: { ca: TEST_CERT } });
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
    });

    it('shows its certificate to a registry that asks for one', async () => {
      const peer = await playTls({ requestCert: true, rejectUnauthorized: true, ca: TEST_CERT });
      const tls = { ca: TEST_CERT, cert: TEST_CERT, key: TEST_KEY };
      await expect(getImage(connectTo(peer, { tls }))).resolves.toEqual(IMAGE);
      const timeouts = { readTotal: 200 };
      const error = await rejection(
        getImage(connectTo(peer, { tls: { ca: TEST_CERT }, timeouts })),
      );
      expect(error.code).toBe('registry_unavailable');
      expect(peer.seen).toHaveLength(1);
    });

    it('OSSA-2013-018: sends nothing to a registry that it cannot verify', async () => {
      const peer = await playTls({});
      const error = await rejection(getImage(connectTo(peer, { timeouts: { readTotal: 2000 } })));
      expect(error.code).toBe('registry_unavailable');
      expect(describeError(error)).toMatch(/self-signed|SELF_SIGNED/);
      expect(peer.seen).toEqual([]);
    });

    it('gives a connection up that does not come about and turns to the next', async () => {
      const mute = net.createServer();
      mute.listen(0, '127.0.0.1');
      await once(mute, 'listening');
      const { port } = mute.address() as net.AddressInfo;
      const sockets: net.Socket[] = [];
      mute.on('connection', (socket) => sockets.push(socket));
      const peer = await playTls({});
      const registry = connectTo([`https://127.0.0.1:${port}`, peer], {
        tls: { ca: TEST_CERT },
        timeouts: { connect: 100, readTotal: 60_000 },
      });
      await expect(getImage(registry)).resolves.toEqual(IMAGE);
      expect(failures).toMatchObject([{ reason: expect.stringContaining('no connection') }]);
      for (const socket of sockets) socket.destroy();
      mute.close();
    });
  });
});
