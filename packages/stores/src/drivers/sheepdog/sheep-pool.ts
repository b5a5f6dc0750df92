import { Result } from './protocol';
import type { SheepAnswer, SheepRequest } from './protocol';
import { SheepConnection } from './sheep-connection';
import type { SheepAddress, SheepTimeouts } from './sheep-connection';
import { SheepRefusal, SheepSilence } from './sheep-errors';

const MAX_CONNECTIONS = 4;
/** Requests on a connection at a time. */
const WINDOW = 8;

interface CallOptions {
  /** Of the request, for the operator. */
  what: string;
  /** It may be made a second time when the connection breaks. */
  repeatable: boolean;
}

/** The connections of a store. Each request takes the one with the least to do. */
export class SheepPool {
  private readonly connections = new Set<SheepConnection>();
  private opening = 0;
  private waiting: (() => void)[] = [];
  private closed = false;

  constructor(
    private readonly address: SheepAddress,
    private readonly timeouts: SheepTimeouts,
  ) {}

  /** @throws SheepRefusal, SheepSilence */
  async call(request: SheepRequest, { what, repeatable }: CallOptions): Promise<SheepAnswer> {
    const answer = await this.ask(request).catch((error: unknown) => {
      const again = repeatable && error instanceof SheepSilence && error.broken;
      if (!again || this.closed) throw error;
      return this.askAnew(request);
    });
    if (answer.result !== Result.ok) throw new SheepRefusal(what, answer.result);
    if (request.into && answer.dataBytes !== request.into.length) {
      throw new SheepSilence(
        `${what}: ${answer.dataBytes} bytes came, not ${request.into.length}`,
        false,
      );
    }
    return answer;
  }

  close(): void {
    this.closed = true;
    for (const connection of this.connections) {
      connection.end(new SheepSilence('the store was closed', true));
    }
  }

  private async ask(request: SheepRequest): Promise<SheepAnswer> {
    for (;;) {
      const [idlest] = [...this.connections].sort((a, b) => a.load - b.load);
      const free = idlest !== undefined && idlest.load < WINDOW ? idlest : undefined;
      const mayOpen = this.connections.size + this.opening < MAX_CONNECTIONS;
      if (free && (free.load === 0 || !mayOpen)) return await this.send(free, request);
      if (mayOpen) return await this.askAnew(request);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** On a connection of its own age: others may have broken with the one that did. */
  private async askAnew(request: SheepRequest): Promise<SheepAnswer> {
    return await this.send(await this.open(), request);
  }

  private async send(connection: SheepConnection, request: SheepRequest): Promise<SheepAnswer> {
    try {
      return await connection.call(request);
    } finally {
      this.waiting.shift()?.();
    }
  }

  private async open(): Promise<SheepConnection> {
    this.opening += 1;
    try {
      const connection = await SheepConnection.open(this.address, this.timeouts, (ended) => {
        this.connections.delete(ended);
        this.wakeAll();
      });
      if (this.closed) connection.end(new SheepSilence('the store was closed', true));
      else this.connections.add(connection);
      return connection;
    } finally {
      this.opening -= 1;
      // One that could not be opened may be opened by who waits.
      this.wakeAll();
    }
  }

  private wakeAll(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const wake of waiting) wake();
  }
}
