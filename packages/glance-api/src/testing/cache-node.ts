import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SERVICE_IDENTITY, type ImageRecord } from '@glance/common';
import { FakeRegistry } from '@glance/registry-client/testing';
import { silentLogger } from '@glance/service-kit';
import { ImageCache } from '../cache/image-cache';
import { HashPool } from '../transfer/hash-pool';
import { memoryStores, type MemoryStores } from './memory-stores';

const CONTEXT = { identity: SERVICE_IDENTITY, requestId: 'req-cache' };

/** What the processes of one node share: registry, store and the directory of their cache. */
export class CacheNode {
  readonly registry = new FakeRegistry();
  /** Downloads that the store has begun. */
  reads = 0;
  private readonly closing: (() => Promise<void>)[] = [];

  private constructor(
    readonly directory: string,
    private readonly memory: MemoryStores,
  ) {
    const driver = memory.drivers.get('memory')!;
    const get = driver.get.bind(driver);
    driver.get = (...args) => {
      this.reads += 1;
      return get(...args);
    };
  }

  static async start(): Promise<CacheNode> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-cache-'));
    return new CacheNode(directory, await memoryStores());
  }

  /** The cache as one more process has it. */
  async process(): Promise<{
    cache: ImageCache;
    download(image: ImageRecord): Promise<Buffer>;
  }> {
    const { registry, directory } = this;
    const { stores } = this.memory;
    const hashPool = new HashPool(1);
    const logger = silentLogger;
    const cache = await ImageCache.open({
      ...{ registry, directory, stores, hashPool, logger },
      maxBytes: 1024 ** 3,
      stallSeconds: 86_400,
      fetchIdleMs: 30_000,
    });
    this.closing.push(async () => {
      await cache.close();
      await hashPool.close();
    });
    const download = async (image: ImageRecord): Promise<Buffer> => {
      const options = { stores, logger, caller: { projectId: null } };
      const parts: Buffer[] = [];
      for await (const part of (await cache.data.open(image, options)).chunks) {
        parts.push(Buffer.from(part));
      }
      return Buffer.concat(parts);
    };
    return { cache, download };
  }

  /** An active image with this data. */
  async image(data: Buffer): Promise<ImageRecord> {
    const id = randomUUID();
    const source = (async function* () {
      yield await Promise.resolve(data);
    })();
    const added = await this.memory.stores.defaultStore.add({
      imageId: id,
      uploadId: randomUUID(),
      source,
    });
    const digest = (algorithm: string) => createHash(algorithm).update(data).digest('hex');
    await this.registry.createImage(
      { image: { id, visibility: 'private', sizeBytes: data.length, properties: [] } },
      CONTEXT,
    );
    this.registry.overwrite(id, {
      status: 'active',
      checksum: digest('md5'),
      hashAlgorithm: 'sha512',
      hashValue: digest('sha512'),
      locations: [{ id: 1, url: added.locationUrl, metadata: {}, status: 'active' }],
    });
    return await this.registry.getImage(id, CONTEXT);
  }

  /** Waits until an image is in the cache. */
  async holds(cache: ImageCache, imageId: string): Promise<void> {
    for (;;) {
      const found = await cache.cached();
      if (found.some((entry) => entry.imageId === imageId)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  file(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  async close(): Promise<void> {
    for (const close of this.closing) await close();
    await this.memory.stores.close();
    await rm(this.directory, { recursive: true });
  }
}
