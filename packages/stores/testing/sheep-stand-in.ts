import net from 'node:net';

const HEADER_BYTES = 48;
const INODE_BIT = 1n << 63n;
const ENTRIES = 4664;
/** Of images of 4 GiB. */
const INODE_BYTES = ENTRIES + 4 * 1024;
const MAP_BYTES = 2 ** 24 / 8;
const OBJECT_BYTES = 2 ** 22;

const OP = { create: 1, read: 2, write: 3, newVdi: 0x11, find: 0x14, list: 0x15, remove: 0x17 };
export type SheepOperation = keyof typeof OP;
/** A result of the protocol; no answer; a broken connection before the work is done, or after it. */
export type SheepFault = number | 'hang' | 'reset' | 'lost answer';

interface Plan {
  operation: SheepOperation;
  fault: SheepFault;
  times: number;
  after: number;
}

/**
 * A sheep, as far as the driver speaks with it, with its objects in memory and faults on demand. It
 * stands in for the real one, of which there is no package, and does what that was seen to do:
 * clearing an entry of an index removes the object, an image with data is not removed though the
 * answer is a success, and a removed image leaves its number without a name.
 */
export class SheepStandIn {
  readonly requests: SheepOperation[] = [];
  private readonly objects = new Map<bigint, Buffer>();
  private readonly vids = new Set<number>();
  private readonly sockets = new Set<net.Socket>();
  private plans: Plan[] = [];
  private readonly server = net.createServer((socket) => this.serve(socket));

  static async start(): Promise<SheepStandIn> {
    const sheep = new SheepStandIn();
    await new Promise<void>((resolve) => sheep.server.listen(0, '127.0.0.1', resolve));
    return sheep;
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  get connections(): number {
    return this.sockets.size;
  }

  /** Data objects, and images with a name. */
  contents(): string[] {
    const data = [...this.objects.keys()].filter((id) => id < INODE_BIT);
    const names = [...this.vids].map((vid) => this.nameOf(vid)).filter((name) => name !== '');
    return [...names, ...data.map((id) => `object ${id.toString(16)}`)].sort();
  }

  plan(operation: SheepOperation, fault: SheepFault, { times = Infinity, after = 0 } = {}): void {
    this.plans.push({ operation, fault, times, after });
  }

  heal(): void {
    this.plans = [];
  }

  breakConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.breakConnections();
    await closed;
  }

  private serve(socket: net.Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket)).on('error', () => undefined);
    let chunks: Buffer[] = [];
    let wanted = HEADER_BYTES;
    let have = 0;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      have += chunk.length;
      while (have >= wanted) {
        const all: Buffer = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
        chunks = [all];
        const sent = all.readUInt16LE(2) & 1 ? all.readUInt32LE(12) : 0;
        wanted = HEADER_BYTES + sent;
        if (have < wanted) return;
        this.meet(socket, all.subarray(0, HEADER_BYTES), all.subarray(HEADER_BYTES, wanted));
        chunks = [all.subarray(wanted)];
        have -= wanted;
        wanted = HEADER_BYTES;
      }
    });
  }

  private meet(socket: net.Socket, header: Buffer, data: Buffer): void {
    const code = header.readUInt8(1);
    const operation = (Object.keys(OP) as SheepOperation[]).find((name) => OP[name] === code);
    if (header.readUInt8(0) !== 2 || operation === undefined) return void socket.destroy();
    this.requests.push(operation);
    const fault = this.faultOf(operation);
    if (fault === 'hang') return;
    if (fault === 'reset') return void socket.destroy();
    const answer =
      typeof fault === 'number' ? { result: fault } : this.work(operation, header, data);
    if (fault === 'lost answer') return void socket.destroy();
    const { result = 0, vid = 0, data: body = Buffer.alloc(0) } = answer;
    const head = Buffer.alloc(HEADER_BYTES);
    header.copy(head, 0, 0, 12);
    head.writeUInt32LE(body.length, 12);
    head.writeUInt32LE(result, 16);
    head.writeUInt32LE(vid, 24);
    // Answers come in any order.
    setImmediate(() => socket.write(Buffer.concat([head, body])));
  }

  private faultOf(operation: SheepOperation): SheepFault | undefined {
    const plan = this.plans.find((each) => each.operation === operation && each.times > 0);
    if (plan === undefined) return undefined;
    if (plan.after > 0) {
      plan.after -= 1;
      return undefined;
    }
    plan.times -= 1;
    return plan.fault;
  }

  private work(
    operation: SheepOperation,
    header: Buffer,
    data: Buffer,
  ): { result?: number; vid?: number; data?: Buffer } {
    const id = header.readBigUInt64LE(16);
    const offset = header.readUInt32LE(40);
    const name = data.toString('utf8', 0, data.indexOf(0));
    const vid = [...this.vids].find((each) => this.nameOf(each) === name);
    switch (operation) {
      case 'create': {
        const object = Buffer.alloc(OBJECT_BYTES);
        data.copy(object, offset);
        this.objects.set(id, object);
        return {};
      }
      case 'read': {
        const object = this.objects.get(id);
        const end = offset + header.readUInt32LE(12);
        return object ? { data: Buffer.from(object.subarray(offset, end)) } : { result: 2 };
      }
      case 'write':
        return this.write(id, offset, data);
      case 'newVdi':
        return vid === undefined ? { vid: this.make(name, header) } : { result: 4 };
      case 'find':
        return vid === undefined ? { result: 8 } : { vid };
      case 'list': {
        const map = Buffer.alloc(MAP_BYTES);
        for (const each of this.vids) map[each >> 3] = (map[each >> 3] ?? 0) | (1 << (each & 7));
        return { data: map };
      }
      case 'remove': {
        if (vid === undefined) return { result: 8 };
        const inode = this.inode(vid);
        if (inode.subarray(ENTRIES).every((byte) => byte === 0)) inode.fill(0);
        return {};
      }
    }
  }

  private write(id: bigint, offset: number, data: Buffer): { result?: number } {
    const object = this.objects.get(id);
    if (object === undefined) return { result: 2 };
    const vid = Number((id >> 32n) & 0xff_ffffn);
    for (let at = 0; id >= INODE_BIT && offset >= ENTRIES && at < data.length; at += 4) {
      const before = object.readUInt32LE(offset + at);
      const index = BigInt((offset + at - ENTRIES) / 4);
      if (before === vid && data.readUInt32LE(at) === 0) {
        this.objects.delete((BigInt(vid) << 32n) | index);
      }
    }
    data.copy(object, offset);
    return {};
  }

  private make(name: string, header: Buffer): number {
    // Not one after the other, as the numbers of the real one, which hashes names.
    const vid = ((this.vids.size + 1) * 40_503) % 2 ** 24;
    const inode = Buffer.alloc(INODE_BYTES);
    inode.write(name);
    inode.writeUInt32LE(Math.floor(Date.now() / 1000), 516);
    header.copy(inode, 536, 16, 24);
    inode.writeUInt8(header.readUInt8(31), 555);
    this.vids.add(vid);
    this.objects.set(INODE_BIT | (BigInt(vid) << 32n), inode);
    return vid;
  }

  private inode(vid: number): Buffer {
    return this.objects.get(INODE_BIT | (BigInt(vid) << 32n)) as Buffer;
  }

  private nameOf(vid: number): string {
    const inode = this.inode(vid);
    return inode.toString('utf8', 0, inode.indexOf(0));
  }
}
