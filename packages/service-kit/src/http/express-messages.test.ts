import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { messagesOf } from './express-messages';

describe('messagesOf', () => {
  it('makes requests and responses that Express has nothing to change of', async () => {
    const app = express();
    app.get('/', (req, res) => {
      res.json({ host: req.hostname });
    });
    const changed: boolean[] = [];
    const server = http.createServer(messagesOf(app), (req, res) => {
      const before = [req, res].map((message) => Object.getPrototypeOf(message) as unknown);
      app(req, res);
      changed.push(
        ...[req, res].map((message, index) => Object.getPrototypeOf(message) !== before[index]),
      );
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      expect(await answer.json()).toEqual({ host: '127.0.0.1' });
      expect(changed).toEqual([false, false]);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
