import net from 'node:net';

/** A way to a server that can be taken away. */
export class Relay {
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();
  /** Bytes of clients until the connections break. */
  private bytesLeft = Infinity;

  private constructor(target: URL) {
    this.server = net.createServer((near) => {
      const far = net.connect(Number(target.port), target.hostname);
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.on('data', (chunk: Buffer) => {
        this.bytesLeft -= chunk.length;
        if (this.bytesLeft > 0) return;
        this.bytesLeft = Infinity;
        this.cut();
      });
      near.pipe(far).pipe(near);
    });
  }

  static async start(target: URL): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
  }

  /** `cut`, once, when clients have sent so many bytes more. */
  cutAfter(bytes: number): void {
    this.bytesLeft = bytes;
  }

  /** Running requests break off; new ones go through. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Nobody answers any more, and running requests break off. */
  async takeAway(): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }
}
