import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { sendBody } from './send-body';

const CHUNK = Buffer.alloc(1024 * 1024);

describe('sendBody', () => {
  it('breaks the connection of a client that takes nothing before the source may reuse its memory', async () => {
    let brokenWhenGivenBack: boolean | undefined;
    let settle: (error: unknown) => void;
    const outcome = new Promise<unknown>((resolve) => (settle = resolve));
    const server = http.createServer((_req, res) => {
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield await Promise.resolve(CHUNK);
        } finally {
          brokenWhenGivenBack = res.destroyed;
        }
      }
      const options = {
        sizeBytes: Number.MAX_SAFE_INTEGER,
        idleMs: 100,
        signal: new AbortController().signal,
      };
      sendBody(res, endless(), options).then(settle, settle);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => undefined);
    client.pause();
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect(outcome).resolves.toMatchObject({ code: 'client_too_slow' });
    expect(brokenWhenGivenBack).toBe(true);
    client.destroy();
    server.close();
  });
});
