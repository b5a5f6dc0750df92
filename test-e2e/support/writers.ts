import { createHash, randomBytes } from 'node:crypto';
import type { JournalEntry } from './checker';
import type { Random } from './random';
import { RAW_BARE } from './v2-client';

const FORMATS = {
  'x-image-meta-disk_format': 'raw',
  'x-image-meta-container_format': 'bare',
};
const HEADERS = { 'content-type': 'application/octet-stream', ...FORMATS };
const MAX_BYTES = 3_000_000;
const CALL_TIMEOUT_MS = 90_000;
/** How often an upload of v2 is tried: a failed one can be repeated at once. */
const V2_ATTEMPTS = 3;
/** Images a writer keeps before it deletes its oldest. */
const KEPT = 30;

interface CallContent {
  headers?: Record<string, string>;
  body?: Buffer<ArrayBuffer> | ReadableStream | FormData;
}

export interface WritersOptions {
  apiUrls: readonly string[];
  random: Random;
  /** Where images are copied from, and the MD5 of what is there. */
  source: { url: string; md5: string };
  /** Aborted when the writers shall stop after what they are doing. */
  stop: AbortSignal;
}

/**
 * Clients that write, read and delete images of known content while processes fail, and keep a
 * journal of what they were told.
 */
export class Writers {
  readonly journal: JournalEntry[] = [];
  /** What clients were shown that must never be, whatever fails. */
  readonly findings: string[] = [];
  /** Operations by name and answer. */
  readonly counts = new Map<string, number>();

  constructor(private readonly options: WritersOptions) {}

  async run(writers: number): Promise<void> {
    await Promise.all(Array.from({ length: writers }, () => this.write()));
  }

  private async write(): Promise<void> {
    const { random, stop } = this.options;
    const kept: JournalEntry[] = [];
    while (!stop.aborted) {
      const entry = await this.create();
      if (entry.stored) kept.push(entry);
      if (kept.length > 0 && random.chance(0.5)) await this.read(random.pick(kept));
      if (kept.length > 0 && random.chance(0.2)) await this.describe(random.pick(kept));
      if (entry.stored && random.chance(0.3)) await this.remove(kept.pop()!);
      if (kept.length > KEPT) await this.remove(kept.shift()!);
    }
  }

  private async create(): Promise<JournalEntry> {
    const { random } = this.options;
    const data = randomBytes(random.integer(1, MAX_BYTES));
    const md5 = createHash('md5').update(data).digest('hex');
    const entry: JournalEntry = { id: random.uuid(), md5, stored: false, deletion: 'no' };
    this.journal.push(entry);
    const id = { 'x-image-meta-id': entry.id };
    const way = random.pick([
      'length',
      'chunked',
      'two steps',
      'broken off',
      'copy',
      'v2',
      'v2 form',
    ] as const);
    if (way === 'v2' || way === 'v2 form') return await this.createV2(entry, data, way);
    if (way === 'copy') {
      const { source } = this.options;
      entry.md5 = source.md5;
      const headers = { ...FORMATS, ...id, 'x-glance-api-copy-from': source.url };
      await this.call('copy', 'POST', '/v1/images', { headers });
      return entry;
    }
    if (way === 'two steps') {
      const reserved = await this.call('reserve', 'POST', '/v1/images', { headers: id });
      if (reserved !== 201) return entry;
      const status = await this.call('upload', 'PUT', `/v1/images/${entry.id}`, { body: data });
      entry.stored = status === 200;
      return entry;
    }
    const breakAt = way === 'broken off' ? random.integer(0, data.length - 1) : undefined;
    const body = way === 'length' ? data : inPieces(data, random, breakAt);
    const status = await this.call(way, 'POST', '/v1/images', { headers: id, body });
    entry.stored = status === 201;
    if (breakAt !== undefined && entry.stored) {
      this.findings.push(`${entry.id} was acknowledged though only ${breakAt} bytes were sent`);
    }
    return entry;
  }

  /** Creates an image and sends its data until one attempt is acknowledged or another one was. */
  private async createV2(
    entry: JournalEntry,
    data: Buffer<ArrayBuffer>,
    way: 'v2' | 'v2 form',
  ): Promise<JournalEntry> {
    const { random, stop } = this.options;
    entry.neverKilled = true;
    const created = await this.call('v2 create', 'POST', '/v2/images', {
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ id: entry.id, ...RAW_BARE })),
    });
    if (created !== 201) return entry;
    const path = `/v2/images/${entry.id}/file`;
    if (random.chance(0.3)) {
      const breakAt = random.integer(0, data.length - 1);
      const status = await this.call('v2 broken off', 'PUT', path, {
        body: inPieces(data, random, breakAt),
      });
      if (status === 204) {
        this.findings.push(`${entry.id} was acknowledged though only ${breakAt} bytes were sent`);
      }
    }
    for (let attempt = 0; attempt < V2_ATTEMPTS && !stop.aborted; attempt += 1) {
      const form = new FormData();
      form.append('file', new Blob([data]), 'disk.raw');
      const status =
        way === 'v2'
          ? await this.call(way, 'PUT', path, { body: inPieces(data, random, undefined) })
          : await this.call(way, 'POST', path, { body: form });
      if (status === 204) entry.stored = true;
      // Taken by an attempt whose answer was lost, or still held by one that died.
      if (status === 204 || status === 409 || status === 404) break;
    }
    return entry;
  }

  /** P8: whatever ends cleanly is whole; P1: what was acknowledged is there. */
  private async read(entry: JournalEntry): Promise<void> {
    const { random, apiUrls } = this.options;
    const place = random.pick([`/v1/images/${entry.id}`, `/v2/images/${entry.id}/file`]);
    const url = `${random.pick(apiUrls)}${place}`;
    let status: number | string = 'broken';
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
      const bytes = Buffer.from(await answer.arrayBuffer());
      status = answer.status;
      const md5 = createHash('md5').update(bytes).digest('hex');
      if (answer.ok && md5 !== entry.md5) {
        this.findings.push(`${entry.id} was read with other bytes (${bytes.length})`);
      }
      // v2 says 204 of an image without data.
      if (status === 204) this.findings.push(`${entry.id} was acknowledged and has no data`);
      if (status === 404) this.findings.push(`${entry.id} was acknowledged and answers 404`);
    } catch {
      // A connection that breaks is no wrong answer.
    }
    this.count('read', status);
  }

  private async describe(entry: JournalEntry): Promise<void> {
    const headers = {
      'x-glance-registry-purge-props': 'false',
      'x-image-meta-property-touched': String(this.options.random.integer(0, 1000)),
    };
    await this.call('describe', 'PUT', `/v1/images/${entry.id}`, { headers });
  }

  private async remove(entry: JournalEntry): Promise<void> {
    entry.deletion = 'lost';
    const status = await this.call('delete', 'DELETE', `/v1/images/${entry.id}`);
    if (status === 200) entry.deletion = 'acknowledged';
  }

  /** @returns the status, or undefined when the connection broke. */
  private async call(
    name: string,
    method: string,
    path: string,
    { headers, body }: CallContent = {},
  ): Promise<number | undefined> {
    let status: number | undefined;
    try {
      const answer = await fetch(`${this.options.random.pick(this.options.apiUrls)}${path}`, {
        method,
        headers: { ...(hasOwnType(body) ? {} : HEADERS), ...headers },
        ...(body === undefined ? {} : { body, duplex: 'half' }),
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      });
      await answer.arrayBuffer();
      status = answer.status;
    } catch {
      status = undefined;
    }
    this.count(name, status ?? 'broken');
    return status;
  }

  private count(name: string, answer: number | string): void {
    const key = `${name} ${answer}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }
}

/** No body has no type, and a form names its own. */
function hasOwnType(body: CallContent['body']): boolean {
  return body === undefined || body instanceof FormData;
}

/** The data chunk by chunk, or an error in place of what comes after `breakAt`. */
function inPieces(
  data: Buffer,
  random: Random,
  breakAt: number | undefined,
): ReadableStream<Uint8Array> {
  let position = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (breakAt !== undefined && position >= breakAt) {
        controller.error(new Error('the client breaks off'));
        return;
      }
      const end = Math.min(position + random.integer(1, 400_000), breakAt ?? data.length);
      controller.enqueue(data.subarray(position, end));
      position = end;
      if (position === data.length) controller.close();
    },
  });
}
