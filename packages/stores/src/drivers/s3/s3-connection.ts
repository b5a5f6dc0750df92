import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { S3 } from '@aws-sdk/client-s3';
import { storeUnavailable, type StoreAction } from '../../store-errors';
import type { S3Settings } from './s3-options';
import { toStoreError } from './s3-errors';

const CONNECT_MS = 5_000;
const ANSWER_MS = 60_000;
/** A server that takes less than this in a second is as good as hung. */
const MIN_BYTES_PER_SECOND = 256 * 1024;
const ATTEMPTS = 4;

/** What the SDK would write to the console reaches the log as the error that it ends in. */
const SILENT = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

interface RequestOptions {
  /** How errors are named; unset, the caller gets the SDK's and names them himself. */
  action?: StoreAction | undefined;
  signal?: AbortSignal | undefined;
  /** Of the body, which lengthens the time that the answer may take. */
  bodyBytes?: number | undefined;
  /**
   * Resolves when the server alone is waited for: a body that comes from a client has limits of its
   * own until then. Unset, that is from the beginning.
   */
  bodyEnd?: Promise<void> | undefined;
}

export interface S3Timeouts {
  /** Milliseconds that the server may take to answer, besides those for the body. */
  answerMs: number;
}

/** The SDK's client, and its sockets. */
export class S3Connection {
  private constructor(
    private readonly client: S3,
    private readonly agents: readonly HttpAgent[],
    private readonly answerMs: number,
  ) {}

  /** Loads the SDK: only who has an S3 store pays for that. */
  static async open(
    settings: S3Settings,
    { answerMs }: S3Timeouts = { answerMs: ANSWER_MS },
  ): Promise<S3Connection> {
    const { S3: Client } = await import('@aws-sdk/client-s3');
    const httpAgent = new HttpAgent({ keepAlive: true });
    const httpsAgent = new HttpsAgent({
      keepAlive: true,
      rejectUnauthorized: true,
      ...(settings.ca === undefined ? {} : { ca: settings.ca }),
    });
    const client = new Client({
      endpoint: settings.endpoint,
      region: settings.region,
      forcePathStyle: settings.pathStyle,
      credentials: { accessKeyId: settings.accessKey, secretAccessKey: settings.secretKey },
      requestChecksumCalculation: settings.requestChecksums,
      responseChecksumValidation: settings.responseChecksums,
      maxAttempts: ATTEMPTS,
      followRegionRedirects: true,
      logger: SILENT,
      requestHandler: { connectionTimeout: CONNECT_MS, httpAgent, httpsAgent },
    });
    return new S3Connection(client, [httpAgent, httpsAgent], answerMs);
  }

  /** Sockets with a request on them. */
  get busySockets(): number {
    return this.agents
      .flatMap(({ sockets }) => Object.values(sockets))
      .flatMap((list) => list ?? [])
      .filter(({ destroyed }) => !destroyed).length;
  }

  /** One request within its time, repeated by the SDK where the body allows it. */
  async request<T>(
    work: (client: S3, options: { abortSignal: AbortSignal }) => Promise<T>,
    options: RequestOptions = {},
  ): Promise<T> {
    const { action, signal, bodyBytes = 0, bodyEnd = Promise.resolve() } = options;
    signal?.throwIfAborted();
    const stop = new AbortController();
    const onAbort = (): void => {
      stop.abort();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const limitMs = this.answerMs + (bodyBytes / MIN_BYTES_PER_SECOND) * 1000;
    const late = storeUnavailable(new Error(`the S3 server gave no answer in ${limitMs / 1000} s`));
    let timer: NodeJS.Timeout | undefined;
    let answered = false;
    void bodyEnd.then(() => {
      if (!answered) timer = setTimeout(() => stop.abort(late), limitMs);
    });
    try {
      return await work(this.client, { abortSignal: stop.signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (stop.signal.reason === late) throw late;
      throw action === undefined ? error : toStoreError(error, action);
    } finally {
      answered = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    this.client.destroy();
    for (const agent of this.agents) agent.destroy();
  }
}
