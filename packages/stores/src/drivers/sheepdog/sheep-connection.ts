import net from 'node:net';
import { decodeHeader, encodeHeader, HEADER_BYTES } from './protocol';
import type { SheepAnswer, SheepRequest } from './protocol';
import { SheepSilence } from './sheep-errors';

const READ_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 30_000;

export interface SheepAddress {
  host: string;
  port: number;
}

export interface SheepTimeouts {
  /** Within which a server takes a connection. */
  connectMs: number;
  /** Within which it answers a request. */
  answerMs: number;
}

interface Pending {
  into: Uint8Array | undefined;
  timer: NodeJS.Timeout;
  resolve: (answer: SheepAnswer) => void;
  reject: (error: Error) => void;
}

/**
 * A connection to a server. Requests need not wait for the answers to others, which come in any
 * order. After one without an answer the connection is of no use: nobody knows what is to come.
 */
export class SheepConnection {
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private ended: Error | undefined;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerFilled = 0;
  /** The answer whose data is arriving, and how much of it is here. */
  private arriving: SheepAnswer | undefined;
  private arrived = 0;
  private readonly socket: net.Socket;

  private constructor(
    { host, port }: SheepAddress,
    private readonly timeouts: SheepTimeouts,
    private readonly onEnd: () => void,
  ) {
    // One buffer for all that comes: nothing piles up until it is collected.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const callback = (count: number): boolean => {
      this.take(buffer.subarray(0, count));
      return true;
    };
    // A server that vanished is noticed before the next request would wait for it.
    const alive = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    const onread = { buffer, callback };
    this.socket = net.connect({ host, port, noDelay: true, ...alive, onread });
    this.socket.on('error', (error) => this.end(broken(error)));
    this.socket.on('end', () => this.end(broken()));
    this.socket.on('close', () => this.end(broken()));
  }

  /**
   * @param onEnd called once, when it is of no use any more.
   * @throws SheepSilence
   */
  static async open(
    address: SheepAddress,
    timeouts: SheepTimeouts,
    onEnd: (connection: SheepConnection) => void,
  ): Promise<SheepConnection> {
    const connection = new SheepConnection(address, timeouts, () => onEnd(connection));
    await new Promise<void>((resolve, reject) => {
      const { socket } = connection;
      const timer = setTimeout(() => {
        connection.end(
          new SheepSilence(`no connection within ${timeouts.connectMs / 1000} s`, false),
        );
      }, timeouts.connectMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.once('close', () => {
        clearTimeout(timer);
        reject(connection.ended ?? broken());
      });
    });
    return connection;
  }

  /** Requests without an answer yet. */
  get load(): number {
    return this.pending.size;
  }

  /**
   * The request's memory belongs to the connection until this settles; memory with bytes to send
   * must not be used again after a failure.
   * @returns the answer, whatever its result is.
   * @throws SheepSilence
   */
  call(request: SheepRequest): Promise<SheepAnswer> {
    if (this.ended) return Promise.reject(this.ended);
    const id = this.nextId;
    this.nextId = (this.nextId % 0xffff_ffff) + 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end(new SheepSilence(`no answer within ${this.timeouts.answerMs / 1000} s`, false));
      }, this.timeouts.answerMs);
      this.pending.set(id, { into: request.into, timer, resolve, reject });
      this.socket.cork();
      this.socket.write(encodeHeader(request, id));
      if (request.data) this.socket.write(request.data);
      this.socket.uncork();
    });
  }

  /** Requests on their way fail with the reason. */
  end(reason: Error): void {
    if (this.ended) return;
    this.ended = reason;
    this.socket.destroy();
    for (const { timer, reject } of this.pending.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.pending.clear();
    this.onEnd();
  }

  private take(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0 && !this.ended) {
      rest = this.arriving ? this.takeData(this.arriving, rest) : this.takeHeader(rest);
    }
  }

  private takeHeader(bytes: Buffer): Buffer {
    const count = bytes.copy(this.header, this.headerFilled);
    this.headerFilled += count;
    if (this.headerFilled === HEADER_BYTES) {
      this.headerFilled = 0;
      const answer = decodeHeader(this.header);
      const asked = this.pending.get(answer.id);
      if (!asked) this.end(broken(new Error(`an answer to nothing, id ${answer.id}`)));
      else if (answer.dataBytes > 0) this.arriving = answer;
      else this.settle(answer);
    }
    return bytes.subarray(count);
  }

  private takeData(answer: SheepAnswer, bytes: Buffer): Buffer {
    const part = bytes.subarray(0, answer.dataBytes - this.arrived);
    const into = this.pending.get(answer.id)?.into;
    // Answers that refuse may bring some, which nobody wants.
    const room = Math.max(0, (into?.length ?? 0) - this.arrived);
    into?.set(part.subarray(0, room), this.arrived);
    this.arrived += part.length;
    if (this.arrived === answer.dataBytes) {
      this.arriving = undefined;
      this.arrived = 0;
      this.settle(answer);
    }
    return bytes.subarray(part.length);
  }

  private settle(answer: SheepAnswer): void {
    const asked = this.pending.get(answer.id);
    this.pending.delete(answer.id);
    clearTimeout(asked?.timer);
    asked?.resolve(answer);
  }
}

function broken(cause?: Error): SheepSilence {
  return new SheepSilence(`the connection broke${cause ? `: ${cause.message}` : ''}`, true, cause);
}
