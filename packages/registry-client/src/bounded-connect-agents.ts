import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { SteadyLookup } from '@glance/common';

/** Below the 75 s after which a registry closes an idle connection, so that this side closes first. */
const IDLE_SOCKET_MS = 60_000;

export interface TlsOptions {
  /** PEM of the authorities that may vouch for the registry; the system's when absent. */
  ca?: string | Buffer;
  /** PEM shown to a registry that asks for mutual TLS; comes together with `key`. */
  cert?: string | Buffer;
  key?: string | Buffer;
}

interface AgentLimits {
  connectMs: number;
  maxSockets: number;
}

type Connected = (error: Error | null, stream: Duplex) => void;

class BoundedConnectHttpAgent extends http.Agent {
  constructor(private readonly limits: AgentLimits) {
    super(keepAliveOptions(limits));
  }

  override createConnection(options: http.ClientRequestArgs, connected?: Connected) {
    const socket = super.createConnection(options, connected);
    return boundConnectTime(socket, 'connect', this.limits.connectMs);
  }
}

export class BoundedConnectHttpsAgent extends https.Agent {
  constructor(
    private readonly limits: AgentLimits,
    tls: TlsOptions,
  ) {
    super({ ...keepAliveOptions(limits), ...tls });
  }

  /** Connections made from now on are made with these; idle ones of before are given up. */
  useTls(tls: TlsOptions): void {
    // Part of the name under which an agent finds a connection again: none of before is found.
    Object.assign(this.options, { ca: undefined, cert: undefined, key: undefined }, tls);
    for (const idle of Object.values(this.freeSockets)) {
      for (const socket of idle ?? []) socket.destroy();
    }
  }

  override createConnection(options: https.RequestOptions, connected?: Connected) {
    const socket = super.createConnection(options, connected);
    return boundConnectTime(socket, 'secureConnect', this.limits.connectMs);
  }
}

function keepAliveOptions(limits: AgentLimits): http.AgentOptions {
  return {
    keepAlive: true,
    maxSockets: limits.maxSockets,
    maxFreeSockets: limits.maxSockets,
    timeout: IDLE_SOCKET_MS,
    lookup: new SteadyLookup().lookup,
  };
}

/** Node bounds how long a socket may be idle, not how long it may take to connect. */
function boundConnectTime(
  socket: Duplex | null | undefined,
  connectedEvent: 'connect' | 'secureConnect',
  connectMs: number,
) {
  if (!(socket instanceof net.Socket)) return socket;
  const timer = setTimeout(() => {
    const error = new Error(`no connection within ${connectMs} ms`);
    socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
  }, connectMs);
  socket.once(connectedEvent, () => clearTimeout(timer));
  socket.once('close', () => clearTimeout(timer));
  return socket;
}

export interface RegistryAgents {
  httpAgent: http.Agent;
  httpsAgent: BoundedConnectHttpsAgent;
}

/** Keep-alive agents with a bounded number of sockets that give up a connect after `connectMs`. */
export function createRegistryAgents(limits: AgentLimits, tls: TlsOptions): RegistryAgents {
  return {
    httpAgent: new BoundedConnectHttpAgent(limits),
    httpsAgent: new BoundedConnectHttpsAgent(limits, tls),
  };
}
