import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SERVICE_IDENTITY } from '@glance/common';
import type { BlobStream, MemoryDriver } from '@glance/stores';
import request from 'supertest';
import { memoryStores, type MemoryStores } from './memory-stores';
import { startTestApiWith, type TestApi } from './test-api';

export const MEMBER = 'alice:demo:member,reader';
export const ADMIN = 'root:admin:admin';

/** An api with an image cache over a store in memory that counts what is read from it. */
export class CacheApi {
  /** Downloads that the store has begun. */
  reads = 0;
  private gate: Promise<void> = Promise.resolve();
  private readonly servers: TestApi[] = [];

  private constructor(
    readonly directory: string,
    private readonly memory: MemoryStores,
  ) {
    const get = this.driver.get.bind(this.driver);
    this.driver.get = async (...args) => {
      this.reads += 1;
      const opened = await get(...args);
      const stream = this.gated(opened.stream);
      this.gate = Promise.resolve();
      return { ...opened, stream };
    };
  }

  static async start(...flags: string[]): Promise<CacheApi> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-cache-'));
    const api = new CacheApi(directory, await memoryStores());
    await api.restart(...flags);
    return api;
  }

  /** Ends the process that runs; what is in the registry is gone, what is in the cache is not. */
  async restart(...flags: string[]): Promise<void> {
    await this.stop();
    const server = await startTestApiWith(
      { stores: this.memory.stores },
      '--paste-deploy-flavor=fakeauth+cachemanagement',
      `--image-cache-dir=${this.directory}`,
      ...flags,
    );
    this.servers.push(server);
  }

  get driver(): MemoryDriver {
    return this.memory.drivers.get('memory')!;
  }

  get server(): TestApi {
    return this.servers.at(-1)!;
  }

  as(token: string) {
    return request.agent(this.server.url).set('x-auth-token', token);
  }

  /** @returns the id of an image with this data. */
  async upload(data: Buffer): Promise<string> {
    const body = { disk_format: 'raw', container_format: 'bare' };
    const { id } = (await this.as(MEMBER).post('/v2/images').send(body).expect(201)).body;
    const put = this.as(MEMBER).put(`/v2/images/${id}/file`);
    await put.set('content-type', 'application/octet-stream').send(data).expect(204);
    return id;
  }

  /** Reads it all. */
  async download(id: string, headers: Record<string, string> = {}): Promise<Buffer> {
    const answer = await this.open(id, headers);
    if (!answer.ok) throw new Error(`answered ${answer.status}: ${await answer.text()}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  open(id: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.server.url}/v2/images/${id}/file`, {
      headers: { 'x-auth-token': MEMBER, ...headers },
    });
  }

  async state(): Promise<{ cached_images: Record<string, unknown>[]; queued_images: string[] }> {
    return (await this.as(ADMIN).get('/v2/cache').expect(200)).body;
  }

  async cachedIds(): Promise<unknown[]> {
    return (await this.state()).cached_images.map((each) => each['image_id']);
  }

  /** Lets the store give no byte of the next download. @returns what lets it go on. */
  closeGate(): () => void {
    let release = (): void => undefined;
    this.gate = new Promise((resolve) => (release = resolve));
    return () => release();
  }

  /** Waits until so many downloads have been begun by the store. */
  async hasRead(count: number): Promise<void> {
    while (this.reads < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Waits until exactly these images are queued. */
  async hasQueued(...ids: string[]): Promise<void> {
    while ((await this.state()).queued_images.join() !== ids.join()) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits until exactly these images are cached, and nothing is being fetched. */
  async holds(...ids: string[]): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const found = await this.cachedIds();
      const growing = await readdir(path.join(this.directory, 'incomplete'));
      if ([...ids].sort().join() === found.join() && growing.length === 0) return;
      if (tries === 300) throw new Error(`cached: ${found.join()}, growing: ${growing.join()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** @returns the id of an image whose data is in the cache. */
  async cached(data: Buffer): Promise<string> {
    const id = await this.upload(data);
    const before = await this.cachedIds();
    await this.download(id);
    await this.holds(...(before as string[]), id);
    return id;
  }

  serviceContext() {
    return { identity: SERVICE_IDENTITY, requestId: 'req-cache' };
  }

  file(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  async close(): Promise<void> {
    await this.stop();
    await this.memory.stores.close();
    await rm(this.directory, { recursive: true });
  }

  private async stop(): Promise<void> {
    await this.servers.pop()?.close();
  }

  private gated(stream: BlobStream): BlobStream {
    const { gate } = this;
    return {
      next: async () => {
        await gate;
        return await stream.next();
      },
      return: () => stream.return(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}
