import http, { type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { AddressInfo, Socket } from 'node:net';

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export type Reply = (response: ServerResponse, request: SeenRequest) => void;

/** A real HTTP server that plays a registry by a script: one reply a request, the last one again. */
export class ScriptedPeer {
  readonly seen: SeenRequest[] = [];
  connections = 0;
  private readonly sockets = new Set<Socket>();
  private script: Reply[] = [];

  private constructor(private readonly server: http.Server) {
    server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    server.on('request', (request: http.IncomingMessage, response: ServerResponse) => {
      void this.answer(request, response);
    });
  }

  static async start(...script: Reply[]): Promise<ScriptedPeer> {
    return new ScriptedPeer(http.createServer()).listen(0, script);
  }

  static async startAt(port: number, ...script: Reply[]): Promise<ScriptedPeer> {
    return new ScriptedPeer(http.createServer()).listen(port, script);
  }

  static async startTls(options: https.ServerOptions, ...script: Reply[]): Promise<ScriptedPeer> {
    return new ScriptedPeer(https.createServer(options)).listen(0, script);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    const scheme = this.server instanceof https.Server ? 'https' : 'http';
    return `${scheme}://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }

  private async listen(port: number, script: Reply[]): Promise<this> {
    this.script = script;
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  private async answer(request: http.IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const seen = { method, path, headers, body: await text(request) };
    this.seen.push(seen);
    const reply = this.script[Math.min(this.seen.length, this.script.length) - 1];
    reply?.(response, seen);
  }
}

export function json(status: number, body: unknown): Reply {
  return raw(status, JSON.stringify(body), 'application/json');
}

export function raw(status: number, body: string, type = 'text/html'): Reply {
  return (response) => response.writeHead(status, { 'content-type': type }).end(body);
}

export function redirect(location: string): Reply {
  return (response) => response.writeHead(302, { location }).end();
}

/** A promised length that never comes whole. */
export function cutShort(body: unknown): Reply {
  return (response) => {
    const bytes = Buffer.from(JSON.stringify(body));
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, bytes.length - 1), () => response.socket?.end());
  };
}

export const reset: Reply = (response) => response.socket?.resetAndDestroy();

/** A black hole: takes the request and says nothing. */
export const silence: Reply = () => undefined;
