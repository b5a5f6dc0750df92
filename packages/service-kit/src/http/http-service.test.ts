import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { silentLogger } from '../logger';
import { HttpService, continueBody } from './http-service';

describe('HttpService', () => {
  const services: HttpService[] = [];

  async function listen(
    handler: http.RequestListener,
    onAbort: () => void = () => undefined,
    maxConnections = 0,
  ): Promise<{ service: HttpService; port: number }> {
    const service = new HttpService({
      handler,
      logger: silentLogger,
      backlog: 16,
      keepAliveTimeoutMs: 60_000,
      maxHeaderBytes: 16_384,
      maxConnections,
      onAbort,
    });
    services.push(service);
    return { service, port: await service.listen('127.0.0.1', 0) };
  }

  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop({ delayMs: 0, drainTimeoutMs: 0 });
  });

  /** Sends raw bytes and reads until the server closes. */
  async function raw(port: number, text: string): Promise<string> {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.write(text, 'latin1');
    await once(socket, 'close');
    return answer;
  }

  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['a header name with a blank', 'GET / HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n', 400],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
    ],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'headers beyond the limit',
      `GET / HTTP/1.1\r\nHost: h\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
    ],
  ])('answers %s with a clear status and closes', async (_what, request, status) => {
    const { port } = await listen((_req, res) => res.end('reached'));
    const answer = await raw(port, request);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).not.toContain('reached');
  });

  it('says to clients what it cannot parse with the headers that every answer has', async () => {
    const { port } = await listen((_req, res) => res.end('reached'));
    const answer = await raw(port, 'hello\r\n\r\n');
    expect(answer).toMatch(/^X-Content-Type-Options: nosniff\r$/m);
    expect(answer).toMatch(/^Content-Security-Policy: default-src 'none'\r$/m);
    expect(answer).toMatch(/^Cache-Control: no-store\r$/m);
  });

  it('closes connections beyond the limit, and takes new ones when others end', async () => {
    const { port } = await listen((_req, res) => res.end('ok'), undefined, 2);
    const agents = [1, 2].map(() => new http.Agent({ keepAlive: true }));
    const get = async (agent: http.Agent): Promise<number> => {
      const request = http.get({ port, host: '127.0.0.1', agent });
      const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
      answer.resume();
      await once(answer, 'end');
      return answer.statusCode ?? 0;
    };
    expect(await Promise.all(agents.map(get))).toEqual([200, 200]);
    const third = new http.Agent();
    await expect(get(third)).rejects.toThrow();
    expect(await get(agents[0]!)).toBe(200);
    agents[1]!.destroy();
    for (;;) {
      const status = await get(third).catch(() => undefined);
      if (status === 200) break;
    }
    agents[0]!.destroy();
  });

  it('shows a handler every header field, however many', async () => {
    const { port } = await listen((req, res) => res.end(String(req.rawHeaders.length / 2)));
    const headers = Array.from({ length: 1500 }, (_, index) => `a${index}: b`).join('\r\n');
    const answer = await raw(
      port,
      `GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${headers}\r\n\r\n`,
    );
    expect(answer).toContain('1502');
  });

  it('lets a client wait with its body until it is told to go on', async () => {
    const { port } = await listen((req, res) => {
      if (req.url === '/refused') {
        res.writeHead(403, { Connection: 'close' }).end();
        return;
      }
      continueBody(req, res);
      req.resume().on('end', () => res.writeHead(200, { Connection: 'close' }).end());
    });
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`;
    expect(await raw(port, head('/refused'))).toMatch(/^HTTP\/1\.1 403 /);
    expect(await raw(port, `${head('/taken')}ok`)).toMatch(/^HTTP\/1\.1 100 .*HTTP\/1\.1 200 /s);
  });

  it('finishes what runs when it is stopped, and accepts nothing new', async () => {
    let running: http.ServerResponse | undefined;
    const { service, port } = await listen((_req, res) => {
      running = res;
      res.write('first ');
    });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    const stopped = service.stop({ delayMs: 0, drainTimeoutMs: 10_000 });
    await expect(refused(port)).resolves.toBe(true);
    running?.end('last');
    expect(await response.text()).toBe('first last');
    await stopped;
  });

  it('ends each connection with an answer once it is asked to stop', async () => {
    const { service, port } = await listen((_req, res) => res.end('ok'));
    const socket = net.connect(port, '127.0.0.1');
    const answers: string[] = [];
    socket.on('data', (chunk: Buffer) => answers.push(chunk.toString('latin1')));
    const request = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
    socket.write(request);
    await once(socket, 'data');
    const stopped = service.stop({ delayMs: 500, drainTimeoutMs: 10_000 });
    socket.write(request);
    await once(socket, 'close');
    expect(answers).toEqual([
      expect.stringMatching(/^HTTP\/1\.1 200 .*Connection: keep-alive/s),
      expect.stringMatching(/^HTTP\/1\.1 200 .*Connection: close/s),
    ]);
    await stopped;
  });

  it('answers what comes on a connection that was accepted before', async () => {
    const { service, port } = await listen((_req, res) => res.end('ok'));
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    const stopped = service.stop({ delayMs: 1000, drainTimeoutMs: 10_000 });
    await refused(port);
    socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    await stopped;
  });

  it('tells transfers to abort when the drain time is over', async () => {
    let running: http.ServerResponse | undefined;
    const { service, port } = await listen(
      (_req, res) => {
        running = res;
        res.write('never ending');
      },
      () => running?.destroy(),
    );
    const response = await fetch(`http://127.0.0.1:${port}/`);
    const stopped = service.stop({ delayMs: 0, drainTimeoutMs: 1 });
    await expect(response.text()).rejects.toThrow();
    await stopped;
  });

  async function refused(port: number): Promise<boolean> {
    for (;;) {
      const socket = net.connect(port, '127.0.0.1');
      const outcome = await Promise.race([
        once(socket, 'connect').then(() => 'connected'),
        once(socket, 'error').then(() => 'refused'),
      ]).catch(() => 'refused');
      socket.destroy();
      if (outcome === 'refused') return true;
    }
  }
});
