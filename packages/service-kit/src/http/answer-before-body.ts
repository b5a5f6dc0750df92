import type { Request, Response } from 'express';

export interface LingerLimits {
  /** What still comes is thrown away for at most this long. */
  totalMs: number;
  /** And for no longer than this without a byte. */
  idleMs: number;
}

/**
 * Lets a client read the answer to a request whose body it is still sending. Many clients, the
 * OpenStack ones among them, send all of it before they look; cut off, they would report a broken
 * pipe and not the reason. So the answer goes out whole, the rest of the body is thrown away within
 * limits, and then the connection closes, as web servers do (nginx: lingering_close).
 */
export function answerBeforeBody(req: Request, res: Response, limits: LingerLimits): void {
  res.setHeader('Connection', 'close');
  const end = res.end.bind(res) as (callback?: () => void) => Response;
  // Node destroys the connection when the response ends: its end waits for the client's.
  res.end = ((...args: unknown[]): Response => {
    const [chunk, encoding] = args;
    res.end = end as Response['end'];
    if (typeof chunk === 'string' || Buffer.isBuffer(chunk)) {
      res.write(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
    } else {
      res.flushHeaders();
    }
    discardBody(req, limits, () => end());
    return res;
  }) as Response['end'];
}

function discardBody(req: Request, { totalMs, idleMs }: LingerLimits, done: () => void): void {
  const { socket } = req;
  const started = performance.now();
  let lastByte = started;
  let bytes = socket.bytesRead;
  const finish = (): void => {
    clearInterval(timer);
    req.off('end', finish);
    req.off('close', finish);
    done();
  };
  const timer = setInterval(
    () => {
      const now = performance.now();
      if (socket.bytesRead !== bytes) {
        bytes = socket.bytesRead;
        lastByte = now;
      }
      if (now - started >= totalMs || now - lastByte >= idleMs) finish();
    },
    Math.min(250, totalMs),
  );
  req.on('end', finish);
  req.on('close', finish);
  req.on('error', () => undefined);
  req.resume();
}
