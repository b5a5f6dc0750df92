import http, {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import https from 'node:https';
import { TLSSocket } from 'node:tls';
import { writeChunk } from '../../remote/write-chunk';
import { storeUnavailable } from '../../store-errors';

const CONNECT_MS = 5_000;
const ANSWER_MS = 60_000;
/** After so long a body is sent unasked: not everything between here and a server asks for it. */
const CONTINUE_MS = 3_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const USER_AGENT = 'glance-image-service';

export interface SwiftRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  url: string;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /** Milliseconds more than usual that the answer may take, for what the server has to do before. */
  workMs?: number | undefined;
}

/** An answer with its whole body; of one that comes before the end of the request, without it. */
export interface SwiftAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** How far a body has come: what a failure may have left at the server depends on it. */
export class SendProgress {
  /** Bytes were taken from its source: it cannot be sent again. */
  begun = false;
  /** All of it was handed to the socket: the server may have stored it. */
  complete = false;
}

export interface SwiftTransport {
  ca: Buffer | undefined;
  insecure: boolean;
  /** Milliseconds that the server may take to answer once it has the whole request. */
  answerMs?: number | undefined;
}

/** Requests to one server or several, over connections that are kept. */
export class SwiftHttp {
  private readonly httpAgent = new http.Agent({ keepAlive: true });
  private readonly httpsAgent: https.Agent;
  private readonly answerMs: number;

  constructor({ ca, insecure, answerMs }: SwiftTransport) {
    this.answerMs = answerMs ?? ANSWER_MS;
    this.httpsAgent = new https.Agent({
      keepAlive: true,
      rejectUnauthorized: !insecure,
      ...(ca === undefined ? {} : { ca }),
    });
  }

  /** Sockets with a request on them. */
  get busySockets(): number {
    return [this.httpAgent, this.httpsAgent]
      .flatMap(({ sockets }) => Object.values(sockets))
      .flatMap((list) => list ?? [])
      .filter(({ destroyed }) => !destroyed).length;
  }

  /** A request without a body, and its whole answer. */
  async ask(request: SwiftRequest): Promise<SwiftAnswer> {
    const outgoing = this.begin(request);
    const release = this.limit(outgoing, request.workMs);
    try {
      const answered = answerTo(outgoing, request.signal);
      outgoing.end();
      return await wholeAnswer(await answered);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw error;
    } finally {
      release();
    }
  }

  /** The head of the answer to a request without a body; the rest is the caller's to read or to destroy. */
  async open(request: SwiftRequest): Promise<IncomingMessage> {
    const outgoing = this.begin(request);
    const release = this.limit(outgoing);
    try {
      const answered = answerTo(outgoing, request.signal);
      outgoing.end();
      return await answered;
    } finally {
      release();
    }
  }

  /**
   * A request with a body, which the server is asked first whether it wants. A chunk is asked for
   * when the socket has let go of the one before. A body that fails, or a server that answers
   * before its end, ends the request incomplete, which a server takes for nothing.
   * @param sizeBytes of the body; undefined sends it chunked.
   * @throws what the body throws; errors of the connection; `store_unavailable` out of time.
   */
  async send(
    request: SwiftRequest,
    body: AsyncIterable<Uint8Array>,
    sizeBytes: number | undefined,
    progress: SendProgress,
  ): Promise<SwiftAnswer> {
    const outgoing = this.begin({
      ...request,
      headers: {
        ...request.headers,
        expect: '100-continue',
        ...(sizeBytes === undefined
          ? { 'transfer-encoding': 'chunked' }
          : { 'content-length': String(sizeBytes) }),
      },
    });
    outgoing.flushHeaders();
    let early: SwiftAnswer | undefined;
    // Asked anew each time: it comes at any moment.
    const earlyAnswer = (): SwiftAnswer | undefined => early;
    const answer = answerTo(outgoing, request.signal).then(async (response) => {
      if (progress.complete) return await wholeAnswer(response);
      const { statusCode = 0, headers } = response;
      early = { status: statusCode, headers, body: Buffer.alloc(0) };
      // Wakes whoever waits for the server to take a chunk.
      outgoing.destroy();
      return early;
    });
    // Looked at below, or not at all when the body fails first.
    answer.catch(() => undefined);
    await Promise.race([wanted(outgoing), answer]);
    const refusal = earlyAnswer();
    if (refusal) return refusal;
    progress.begun = true;
    const chunks = body[Symbol.asyncIterator]();
    let left = sizeBytes ?? Infinity;
    for (;;) {
      let next: IteratorResult<Uint8Array>;
      try {
        next = await chunks.next();
      } catch (error) {
        outgoing.destroy();
        throw error;
      }
      if (next.done === true || earlyAnswer()) break;
      left -= next.value.length;
      progress.complete = left <= 0;
      try {
        await writeChunk(outgoing, next.value);
      } catch (error) {
        outgoing.destroy(error as Error);
        await chunks.return?.();
        return await answer;
      }
    }
    const answered = earlyAnswer();
    if (answered) {
      await chunks.return?.();
      return answered;
    }
    progress.complete = true;
    const release = this.limit(outgoing);
    try {
      outgoing.end();
      return await answer;
    } finally {
      release();
    }
  }

  close(): void {
    this.httpAgent.destroy();
    this.httpsAgent.destroy();
  }

  private begin({ method, url, headers }: SwiftRequest): ClientRequest {
    const isHttps = url.startsWith('https:');
    const outgoing = (isHttps ? https : http).request(url, {
      method,
      headers: { accept: '*/*', 'user-agent': USER_AGENT, ...headers },
      agent: isHttps ? this.httpsAgent : this.httpAgent,
    });
    outgoing.once('socket', (socket) => {
      socket.setNoDelay(true);
      if (!socket.connecting) return;
      const timer = setTimeout(() => {
        outgoing.destroy(late('took no connection', CONNECT_MS));
      }, CONNECT_MS);
      socket.once('connect', () => clearTimeout(timer));
      outgoing.once('close', () => clearTimeout(timer));
    });
    return outgoing;
  }

  /** Ends the request when the server is silent for too long, until the returned call. */
  private limit(outgoing: ClientRequest, workMs = 0): () => void {
    const limitMs = this.answerMs + workMs;
    const timer = setTimeout(() => {
      outgoing.destroy(late('gave no answer', limitMs));
    }, limitMs);
    return () => clearTimeout(timer);
  }
}

/** Resolves when the server wants the body, or does not say. */
function wanted(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CONTINUE_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    outgoing.once('continue', done);
    outgoing.once('close', done);
  });
}

function answerTo(outgoing: ClientRequest, signal?: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal?.reason as Error);
      outgoing.destroy();
    };
    outgoing.once('close', () => signal?.removeEventListener('abort', onAbort));
    // Stays: a connection may break once more after it was given up.
    outgoing.on('error', (error) => reject(untrusted(outgoing, error) ?? error));
    outgoing.once('response', (response) => {
      // From here on the reader of the body listens to the signal.
      signal?.removeEventListener('abort', onAbort);
      resolve(response);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}

/** What to do about a certificate that was refused; undefined for any other failure. */
function untrusted({ socket, host }: ClientRequest, error: Error): Error | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { code = error.message } = error as NodeJS.ErrnoException;
  // The code of the error, whatever the types say.
  if (String(socket.authorizationError) !== code) return undefined;
  return storeUnavailable(
    new Error(
      `the certificate of ${host} is not trusted (${code}): set swift_store_cacert to a file with the authority that signed it`,
    ),
  );
}

async function wholeAnswer(response: IncomingMessage): Promise<SwiftAnswer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error('Swift server: an answer that is too long');
    chunks.push(chunk);
  }
  const { statusCode = 0, headers } = response;
  return { status: statusCode, headers, body: Buffer.concat(chunks) };
}

function late(what: string, limitMs: number): Error {
  return storeUnavailable(new Error(`the Swift server ${what} in ${limitMs / 1000} s`));
}
