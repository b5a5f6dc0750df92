import net from 'node:net';

export interface RawAnswer {
  /** Everything that came, as latin1. */
  text: string;
  /** Of each answer, in order; 100 among them. */
  statuses: number[];
  /** Whether the service ended the connection, and not the client's patience. */
  closed: boolean;
}

/** The client ends a connection on which nothing came for so long, since the last byte or before the first. */
const PATIENCE_MS = { afterSome: 3000, before: 20_000 };

/**
 * Sends bytes as they are, and listens until the service ends the connection.
 * @param end says that nothing more will come; otherwise only nothing more is said.
 */
export async function sendRaw(
  url: string,
  request: string | Buffer,
  { end = false }: { end?: boolean } = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  let text = '';
  let closed = true;
  const giveUp = (): void => {
    closed = false;
    socket.destroy();
  };
  socket.setTimeout(PATIENCE_MS.before, giveUp);
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    socket.setTimeout(PATIENCE_MS.afterSome);
  });
  socket.on('error', () => undefined);
  socket.write(typeof request === 'string' ? Buffer.from(request, 'latin1') : request);
  if (end) socket.end();
  await new Promise((resolve) => socket.once('close', resolve));
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
  return { text, statuses, closed };
}

/** A head with what every request has. */
export function head(line: string, ...headers: string[]): string {
  return [line, 'Host: h', 'Connection: close', ...headers, '', ''].join('\r\n');
}
