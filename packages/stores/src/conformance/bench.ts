import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { InstrumentedStore } from '../instrumented-store';
import type { AddRequest, AddedBlob, CopyRequest } from '../store-driver';
import type { StoreHarness, StoreUnderTest } from './harness';
import { patternSource, sourceOf } from './pattern';

export const STORE_ID = 'conformance';

/** The store of the running test, and what the test put into it. */
export class Bench {
  private current: { subject: StoreUnderTest; store: InstrumentedStore } | undefined;
  private locations = new Set<string>();
  private adds: AddedBlob[] = [];
  private reachable = true;

  constructor(readonly harness: StoreHarness) {}

  get store(): InstrumentedStore {
    return this.running.store;
  }

  get subject(): StoreUnderTest {
    return this.running.subject;
  }

  async setUp(): Promise<void> {
    const subject = await this.harness.create();
    const store = new InstrumentedStore(subject.driver, { id: STORE_ID, type: 'under-test' });
    this.current = { subject, store };
    this.locations = new Set();
    this.adds = [];
    this.reachable = true;
  }

  /** Settles and deletes what the test added; whatever is left then was left behind by the store. */
  async tearDown(): Promise<void> {
    const { subject, store } = this.running;
    try {
      if (!this.reachable || !this.harness.capabilities.delete) return;
      for (const added of this.adds) await added.settle();
      for (const location of this.locations) {
        await store.delete(location).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'store_blob_missing' });
        });
      }
      expect(await subject.remains()).toEqual([]);
      await eventually(async () => {
        expect(await subject.openReaders()).toBe(0);
      });
    } finally {
      await store.close();
      await subject.dispose();
      this.current = undefined;
    }
  }

  async add(
    request: Partial<AddRequest> & Pick<AddRequest, 'source'>,
  ): Promise<AddedBlob & { imageId: string; uploadId: string }> {
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const added = await this.store.add({ ...name, ...request });
    this.locations.add(added.locationUrl);
    this.adds.push(added);
    const { imageId, uploadId } = { ...name, ...request };
    return { ...added, imageId, uploadId };
  }

  /** Copies a blob that is there by the store itself. */
  async copy(location: string, request: Partial<CopyRequest> = {}): Promise<AddedBlob> {
    const name = { imageId: randomUUID(), uploadId: randomUUID() };
    const added = await this.store.copy(location, { ...name, ...request });
    this.locations.add(added.locationUrl);
    this.adds.push(added);
    return added;
  }

  /** The location of a blob with these bytes, or with this many of the pattern. */
  async given(content: Uint8Array | number): Promise<string> {
    if (this.subject.place) {
      const bytes = typeof content === 'number' ? await patternCopy(content) : content;
      const location = await this.subject.place(bytes);
      this.locations.add(location);
      return location;
    }
    const source =
      typeof content === 'number' ? patternSource({ sizeBytes: content }) : sourceOf(content);
    const added = await this.add({ source });
    await added.settle();
    return added.locationUrl;
  }

  async takeAway(): Promise<void> {
    this.reachable = false;
    await this.subject.takeAway();
  }

  private get running(): { subject: StoreUnderTest; store: InstrumentedStore } {
    if (!this.current) throw new Error('no test is running');
    return this.current;
  }
}

async function patternCopy(sizeBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of patternSource({ sizeBytes })) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Waits until the assertion holds, for what a store does a moment after it answered. */
export async function eventually(assertion: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await assertion();
      return;
    } catch (error) {
      if (attempt >= 200) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
