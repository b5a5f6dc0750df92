import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { isDomainError } from '@glance/common';
import { isPassing, SwiftRefusal } from './swift-errors';
import type { SendProgress, SwiftAnswer, SwiftHttp, SwiftRequest } from './swift-http';
import type { SwiftLogin } from './swift-login';

/** Of a request that can be repeated: when nobody answers, or the server asks for another try. */
const TRIES = 3;
const FIRST_PAUSE_MS = 50;

export interface AccountRequest extends Omit<SwiftRequest, 'url'> {
  /** Below the account, quoted: `/container/object?query`. */
  path: string;
}

export interface Body {
  chunks: AsyncIterable<Uint8Array>;
  /** Undefined: not known before its end. */
  sizeBytes: number | undefined;
}

/** Requests to one account, each with a token that counts. Rejects with what `toStoreError` names. */
export class SwiftAccount {
  constructor(
    private readonly login: SwiftLogin,
    private readonly http: SwiftHttp,
  ) {}

  /** @throws SwiftRefusal for an answer that is no success. */
  async ask(request: AccountRequest): Promise<SwiftAnswer> {
    return await this.repeated(request, (each) => this.http.ask(each), headOf);
  }

  async open(request: AccountRequest): Promise<IncomingMessage> {
    return await this.repeated(
      request,
      (each) => this.http.open(each),
      (response) => ({ status: response.statusCode ?? 0, headers: response.headers }),
      (response) => response.destroy(),
    );
  }

  /** Repeated only as long as nothing of the body was sent. */
  async send(
    request: AccountRequest,
    { chunks, sizeBytes }: Body,
    progress: SendProgress,
  ): Promise<SwiftAnswer> {
    return await this.repeated(
      request,
      (each) => this.http.send(each, chunks, sizeBytes, progress),
      headOf,
      undefined,
      () => !progress.begun,
    );
  }

  close(): void {
    this.login.close();
  }

  private async repeated<T>(
    { path, ...request }: AccountRequest,
    send: (request: SwiftRequest) => Promise<T>,
    headOfAnswer: (answer: T) => Pick<SwiftAnswer, 'status' | 'headers'>,
    giveUp: (answer: T) => void = () => undefined,
    mayRepeat: () => boolean = () => true,
  ): Promise<T> {
    let refusedToken = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        request.signal?.throwIfAborted();
        const { token, storageUrl } = await this.login.access();
        const answer = await send({
          ...request,
          url: `${storageUrl}${path}`,
          headers: { ...request.headers, 'x-auth-token': token },
        });
        const { status, headers } = headOfAnswer(answer);
        if (status >= 200 && status < 300) return answer;
        giveUp(answer);
        if (status === 401) this.login.forget(token);
        const transaction = headers['x-trans-id'];
        throw new SwiftRefusal(
          `${request.method} of ${nameOf(path)}`,
          status,
          typeof transaction === 'string' ? transaction : undefined,
        );
      } catch (error) {
        request.signal?.throwIfAborted();
        if (!mayRepeat()) throw error;
        const isTokenRefused = error instanceof SwiftRefusal && error.status === 401;
        // Once: a second new token would be refused too.
        if (isTokenRefused && !refusedToken) {
          refusedToken = true;
          continue;
        }
        // One that was waited for in vain has had its time.
        if (isDomainError(error) || !isPassing(error) || attempt >= TRIES) throw error;
        await pause(FIRST_PAUSE_MS * 4 ** (attempt - 1));
      }
    }
  }
}

function headOf({ status, headers }: SwiftAnswer): Pick<SwiftAnswer, 'status' | 'headers'> {
  return { status, headers };
}

/** For operators: what kind of thing was asked for. */
function nameOf(path: string): string {
  const [place = ''] = path.split('?');
  const parts = place.split('/').filter((part) => part !== '');
  if (parts.length === 0) return 'the account';
  return parts.length === 1 ? `container ${place.slice(1)}` : `object ${place.slice(1)}`;
}
