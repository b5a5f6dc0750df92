import axios, { AxiosHeaders, isAxiosError, type InternalAxiosRequestConfig } from 'axios';
import type { RegistryAgents } from './bounded-connect-agents';
import { FailedTry } from './failed-try';

export interface ExchangeRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: string;
  headers: Record<string, string>;
  /** JSON text. */
  body?: string;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface ExchangeAnswer {
  status: number;
  body: Buffer;
}

/** Failures before any connection stood: certainly nothing was done for the caller. */
const UNREACHED = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
]);

/** Axios below its interceptors, transforms and merging of defaults: every request waits for this. */
const sendByHttp = axios.getAdapter('http');

/** One request and its whole answer, whatever its status. Nothing is retried or followed here. */
export class RegistryExchange {
  private readonly config: Omit<InternalAxiosRequestConfig, 'headers'>;

  constructor(agents: RegistryAgents, maxAnswerBytes: number) {
    this.config = {
      ...agents,
      // The registry is a private peer: HTTP_PROXY and friends are meant for the outside.
      proxy: false,
      maxRedirects: 0,
      decompress: false,
      maxContentLength: maxAnswerBytes,
      responseType: 'arraybuffer',
      validateStatus: () => true,
    };
  }

  /**
   * @throws FailedTry when no whole answer came within `timeoutMs`. A caller that aborts `signal`
   * gets one too and tells it by the signal.
   */
  async send(request: ExchangeRequest): Promise<ExchangeAnswer> {
    const { signal, timeoutMs } = request;
    const giveUp = new AbortController();
    const onAbort = () => giveUp.abort();
    // Widened: the compiler does not see that the timer sets it.
    let timedOut = false as boolean;
    // Axios' own timeout starts anew with every byte; this one does not.
    const timer = setTimeout(() => {
      timedOut = true;
      giveUp.abort();
    }, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const response = await sendByHttp({
        ...this.config,
        method: request.method,
        url: request.url,
        headers: new AxiosHeaders(request.headers),
        data: request.body,
        signal: giveUp.signal,
      });
      return { status: response.status, body: response.data as Buffer };
    } catch (error) {
      if (timedOut) {
        const message = `no answer within ${Math.round(timeoutMs)} ms`;
        throw new FailedTry(message, { reached: true, retry: 'any', code: 'ETIMEDOUT' });
      }
      throw toFailedTry(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** Without the original: an axios error holds the request, and with it the service key. */
function toFailedTry(error: unknown): FailedTry {
  if (!isAxiosError(error)) throw error;
  const code = error.code;
  const reached = code === undefined || !UNREACHED.has(code);
  return new FailedTry(error.message === '' ? 'connection failed' : error.message, {
    reached,
    retry: 'any',
    ...(code !== undefined && { code }),
  });
}
