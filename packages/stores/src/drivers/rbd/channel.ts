import type { Duplex } from 'node:stream';

const LENGTHS_BYTES = 8;

/**
 * Messages with bytes over a pair of connected sockets, in both directions: the lengths of header
 * and bytes, the header as JSON, the bytes as they are. Nothing is copied here: bytes go out from
 * where they lie, and come in as the pieces that the socket read.
 */
export class Channel<Sent, Received> {
  private part: 'lengths' | 'header' | 'bytes' = 'lengths';
  private missing = LENGTHS_BYTES;
  private pieces: Buffer[] = [];
  private byteCount = 0;
  private header: Received | undefined;

  constructor(
    private readonly socket: Duplex,
    private readonly onMessage: (header: Received, bytes: Buffer[]) => void,
  ) {
    socket.on('data', this.onData);
  }

  /** Resolves when the bytes were handed over, so that their memory can be used again. */
  send(header: Sent, bytes?: Uint8Array): Promise<void> {
    const text = Buffer.from(JSON.stringify(header));
    const lengths = Buffer.alloc(LENGTHS_BYTES);
    lengths.writeUInt32LE(text.length, 0);
    lengths.writeUInt32LE(bytes?.length ?? 0, 4);
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null): void => {
        if (error) reject(error);
        else resolve();
      };
      this.socket.cork();
      this.socket.write(lengths);
      if (bytes === undefined || bytes.length === 0) {
        this.socket.write(text, done);
      } else {
        this.socket.write(text);
        this.socket.write(bytes, done);
      }
      this.socket.uncork();
    });
  }

  private readonly onData = (data: Buffer): void => {
    let rest = data;
    while (rest.length > 0) {
      const taken = Math.min(this.missing, rest.length);
      this.pieces.push(rest.subarray(0, taken));
      rest = rest.subarray(taken);
      this.missing -= taken;
      if (this.missing === 0) this.advance();
    }
  };

  private advance(): void {
    const pieces = this.pieces;
    this.pieces = [];
    if (this.part === 'lengths') {
      const lengths = Buffer.concat(pieces);
      this.part = 'header';
      this.missing = lengths.readUInt32LE(0);
      this.byteCount = lengths.readUInt32LE(4);
      return;
    }
    if (this.part === 'header') {
      this.header = JSON.parse(Buffer.concat(pieces).toString()) as Received;
      if (this.byteCount > 0) {
        this.part = 'bytes';
        this.missing = this.byteCount;
        return;
      }
    }
    const bytes = this.part === 'bytes' ? pieces : [];
    this.part = 'lengths';
    this.missing = LENGTHS_BYTES;
    this.onMessage(this.header as Received, bytes);
  }
}
