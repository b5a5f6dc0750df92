import { parseBlobName } from '../../../store-driver';
import { SNAPSHOT } from '../protocol';
import type { RbdCall, RbdCalls, RbdConnection, RbdFailure } from '../protocol';
import { listAttempts, removeAttempt } from './attempts';
import { Cluster, ConfigurationMistake, PoolMissing } from './cluster';
import { describe, listNames, removeImage } from './images';
import { removeMarks } from './marks';
import { CephError, EIO, ENOENT, hasErrno } from './native';
import { Reader } from './reader';
import { SharedMemory } from './shared-memory';
import { Upload } from './upload';

type Handlers = {
  [Call in RbdCall]: (asked: RbdCalls[Call]['asked']) => Promise<RbdCalls[Call]['answer']>;
};

/** Does what the service asks for, on one connection to Ceph. */
export class Helper {
  private cluster: Cluster | undefined;
  private connecting: Promise<Cluster> | undefined;
  private readonly uploads = new Map<number, Upload>();
  private readonly readers = new Map<number, Reader>();
  private readonly memory = SharedMemory.make();
  private lastNumber = 0;

  private readonly handlers: Handlers = {
    connect: async (settings) => {
      const { fsid } = await this.connect(settings);
      return { fsid, memory: this.memory.file };
    },
    checkWritable: async () => {
      await this.connected.probe();
      return {};
    },
    beginUpload: async (request) => {
      const upload = await Upload.begin(this.io, request);
      return { upload: this.keep(this.uploads, upload), image: upload.attempt.image };
    },
    write: async ({ upload, offset, slot, length }) => {
      await this.get(this.uploads, upload).write(offset, this.memory.slot(slot, length));
      return {};
    },
    finishUpload: async ({ upload: number }) => {
      const sizeBytes = await this.get(this.uploads, number).finish();
      this.uploads.delete(number);
      return { sizeBytes };
    },
    abandonUpload: async ({ upload: number }) => {
      const upload = this.get(this.uploads, number);
      this.uploads.delete(number);
      await upload.abandon();
      return {};
    },
    settle: async (name) => {
      await removeMarks(this.io, name);
      return {};
    },
    listAttempts: async () => ({ attempts: await listAttempts(this.io) }),
    removeAttempt: async ({ fate, ...name }) => {
      await removeAttempt(this.io, name, fate);
      return {};
    },
    open: async (place) => {
      const reader = await Reader.open(this.io, place);
      return { reader: this.keep(this.readers, reader), sizeBytes: reader.sizeBytes };
    },
    read: async ({ reader, offset, slot, length }) => {
      await this.get(this.readers, reader).read(offset, this.memory.slot(slot, length));
      return {};
    },
    closeReader: async ({ reader: number }) => {
      const reader = this.get(this.readers, number);
      this.readers.delete(number);
      await reader.close();
      return {};
    },
    remove: async (place) => {
      await removeImage(this.io, place);
      return {};
    },
    listImages: async () => {
      const names = await listNames(this.io);
      return { names: names.filter((name) => parseBlobName(name) !== undefined) };
    },
    describe: async ({ image }) => {
      const description = await describe(this.io, { image, snapshot: SNAPSHOT });
      return { description: description ?? null };
    },
    shutDown: async () => {
      await this.close();
      return {};
    },
  };

  answer<Call extends RbdCall>(
    call: Call,
    asked: RbdCalls[Call]['asked'],
  ): Promise<RbdCalls[Call]['answer']> {
    return this.handlers[call](asked);
  }

  async describeFailure(error: unknown): Promise<RbdFailure> {
    const { message } = error as Error;
    if (error instanceof ConfigurationMistake) return { message, option: error.option };
    if (!(error instanceof CephError)) return { message };
    if (hasErrno(error, ENOENT) && this.cluster) {
      const failure: unknown = await this.cluster.requirePool().catch((reason: unknown) => reason);
      if (failure instanceof PoolMissing) return { message: failure.message, poolMissing: true };
    }
    return { message, errno: error.errno };
  }

  /** Gives back what others may wait for: images that are open for writing are in use. */
  async close(): Promise<void> {
    const open = [...this.uploads.values(), ...this.readers.values()];
    this.uploads.clear();
    this.readers.clear();
    await Promise.allSettled(open.map((each) => each.close()));
    await this.cluster?.close();
    this.cluster = undefined;
  }

  private get connected(): Cluster {
    if (!this.cluster) throw new CephError('a call before the connection', EIO);
    return this.cluster;
  }

  private get io(): unknown {
    return this.connected.io;
  }

  private async connect(settings: RbdConnection): Promise<Cluster> {
    if (this.cluster) return this.cluster;
    this.connecting ??= Cluster.connect(settings);
    try {
      this.cluster = await this.connecting;
      return this.cluster;
    } finally {
      this.connecting = undefined;
    }
  }

  private keep<T>(all: Map<number, T>, one: T): number {
    this.lastNumber += 1;
    all.set(this.lastNumber, one);
    return this.lastNumber;
  }

  private get<T>(all: Map<number, T>, number: number): T {
    const found = all.get(number);
    if (found === undefined) throw new CephError('a call on what was closed', EIO);
    return found;
  }
}
