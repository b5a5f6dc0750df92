import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from './support/deployment';
import { startRequest, wholeAnswer } from './support/paced-transfer';
import { ShippedBalancer, describeEachBalancer } from './support/shipped-balancer';

jest.setTimeout(60_000);

/** What an api gets to see of a client, and how often, in failures that a real one cannot be made to have. */

type Behaviour = (req: http.IncomingMessage, res: http.ServerResponse) => void;

/** In the place of an api. */
class Witness {
  readonly seen: { method: string; url: string; headers: http.IncomingHttpHeaders }[] = [];
  ready = true;
  behaviour: Behaviour = (req, res) => {
    req.resume();
    req.once('end', () => res.end(String(this.port)));
  };

  private constructor(private readonly server: http.Server) {
    server.on('request', (req: http.IncomingMessage, res: http.ServerResponse) => {
      if (req.url === '/readyz') {
        res.writeHead(this.ready ? 200 : 503).end();
        return;
      }
      this.seen.push({ method: req.method!, url: req.url!, headers: req.headers });
      this.behaviour(req, res);
    });
  }

  static async start(): Promise<Witness> {
    const server = http.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Witness(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describeEachBalancer('requests', (program) => {
  let witnesses: Witness[];
  let balancer: ShippedBalancer;
  let url: string;

  beforeEach(async () => {
    witnesses = [await Witness.start(), await Witness.start()];
    const [first, second] = witnesses.map(({ port }) => `127.0.0.1:${port}`);
    balancer = await ShippedBalancer.start(program, [first!, second!]);
    url = balancer.url;
  });

  afterEach(async () => {
    await balancer.stop();
    for (const witness of witnesses) await witness.close();
  });

  const seen = () => witnesses.flatMap((witness) => witness.seen);

  it('have nothing in their headers that only a trusted proxy may say', async () => {
    const forged = {
      'X-Forwarded-For': '203.0.113.7',
      'X-Forwarded-Host': 'images.example',
      'X-Forwarded-Port': '444',
      'X-Forwarded-Prefix': '/elsewhere',
      'X-Forwarded-Proto': 'https',
      Forwarded: 'for=203.0.113.7',
      'X-Identity-Status': 'Confirmed',
    };
    const request = startRequest(`${url}/v2/images`, {
      headers: { ...forged, 'X-Auth-Token': 't', 'x-image-meta-property-a.b%20_c': '1' },
    });
    request.end();
    expect((await wholeAnswer(request)).status).toBe(200);
    const { headers } = seen()[0]!;
    expect(headers).toMatchObject({
      host: new URL(url).host,
      'x-auth-token': 't',
      'x-image-meta-property-a.b%20_c': '1',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    });
    const names = Object.keys(headers).filter((name) => /forwarded|identity/.test(name));
    expect(names.sort()).toEqual(['x-forwarded-for', 'x-forwarded-proto']);
  });

  it('reach an api once when they change something and the connection broke', async () => {
    for (const witness of witnesses) {
      witness.behaviour = (req) => req.once('data', () => req.socket.destroy());
    }
    for (const method of ['POST', 'PUT']) {
      const upload = startRequest(`${url}/v2/images/1/file`, {
        method,
        headers: { 'transfer-encoding': 'chunked' },
      });
      upload.on('error', () => undefined);
      upload.write('the beginning of the data');
      expect((await wholeAnswer(upload)).status).toBe(502);
      upload.destroy();
    }
    for (const method of ['POST', 'PATCH']) {
      const change = startRequest(`${url}/v2/images/1`, {
        method,
        headers: { 'content-length': 2 },
      });
      change.end('{}');
      expect((await wholeAnswer(change)).status).toBe(502);
    }
    expect(
      seen()
        .map(({ method }) => method)
        .sort(),
    ).toEqual(['PATCH', 'POST', 'POST', 'PUT']);
  });

  it('are repeated at the other api when they read and the connection broke', async () => {
    let broken = 0;
    const answer = witnesses[0]!.behaviour;
    for (const witness of witnesses) {
      witness.behaviour = (req, res) => {
        if (broken > 0) {
          answer(req, res);
          return;
        }
        broken += 1;
        req.socket.destroy();
      };
    }
    expect((await fetch(`${url}/v2/images`)).status).toBe(200);
    expect(broken).toBe(1);
    expect(witnesses.map((witness) => witness.seen.length)).toEqual([1, 1]);
  });

  it('go to the other api when the port of one is closed, whatever they are', async () => {
    await witnesses[0]!.close();
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET'].flatMap((each) => [
      each,
      each,
    ])) {
      const hasBody = method.startsWith('P');
      const answer = await fetch(`${url}/v2/images/1`, {
        method,
        ...(hasBody ? { body: new Uint8Array(300_000) } : {}),
      });
      expect([method, answer.status]).toEqual([method, 200]);
      await answer.text();
    }
    expect(witnesses[1]!.seen).toHaveLength(10);
  });

  // nginx asks nobody whether it is ready.
  if (program === 'nginx') return;

  it('do not go to an api with a red /readyz, where what runs goes on', async () => {
    let release: () => void = () => undefined;
    witnesses[0]!.behaviour = (req, res) => {
      if (req.url !== '/slow') {
        res.end();
        return;
      }
      res.write('begun');
      release = () => res.end(', ended');
    };
    // One of two goes to the first.
    const slow = [await fetch(`${url}/slow`), await fetch(`${url}/slow`)];
    expect(witnesses[0]!.seen).toHaveLength(1);
    witnesses[0]!.ready = false;
    await eventually(async () => {
      const before = witnesses[0]!.seen.length;
      for (let i = 0; i < 6; i += 1) await (await fetch(`${url}/quick`)).text();
      expect(witnesses[0]!.seen.length).toBe(before);
    });
    const before = witnesses[0]!.seen.length;
    for (let i = 0; i < 20; i += 1) await (await fetch(`${url}/quick`)).text();
    expect(witnesses[0]!.seen).toHaveLength(before);
    release();
    const texts = await Promise.all(slow.map((answer) => answer.text()));
    expect(texts).toContain('begun, ended');
    witnesses[0]!.ready = true;
    await eventually(async () => {
      await (await fetch(`${url}/quick`)).text();
      expect(witnesses[0]!.seen.length).toBeGreaterThan(before);
    });
  });
});
