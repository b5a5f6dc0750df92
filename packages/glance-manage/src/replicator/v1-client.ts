import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** An image as API v1 shows it (api-v1 sheet §2). */
export interface V1Image {
  id: string;
  name: string | null;
  status: string;
  size: number;
  properties: Record<string, string | null>;
  [field: string]: unknown;
}

/** What can be told of an image to a service that makes or changes it. */
const FIELDS = [
  ...['id', 'name', 'disk_format', 'container_format', 'size', 'checksum'],
  ...['min_disk', 'min_ram', 'is_public', 'protected', 'owner'],
];
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** The image already is there, perhaps where the caller cannot see it. */
export class AlreadyThere extends Error {}

/** API v1 of one service. */
export class V1Client {
  private readonly base: string;

  /** @param address `HOST:PORT` or a URL */
  constructor(
    address: string,
    private readonly token: string | undefined,
  ) {
    const url = /^https?:\/\//.test(address) ? address : `http://${address}`;
    if (!URL.canParse(url)) throw new Error(`${address} is no HOST:PORT and no URL`);
    this.base = url.replace(/\/+$/, '').replace(/\/v1$/, '');
  }

  /** Every image that the caller sees, page by page. */
  async *images(): AsyncGenerator<V1Image> {
    for (let marker: string | undefined; ;) {
      const query = new URLSearchParams({ is_public: 'None', ...(marker ? { marker } : {}) });
      const path = `/v1/images/detail?${query.toString()}`;
      const answer = await this.send('GET', path);
      const { images } = JSON.parse(await textOf(answer)) as { images: V1Image[] };
      yield* images;
      marker = images.at(-1)?.id;
      if (marker === undefined) return;
    }
  }

  /** The data as it comes. */
  async data(id: string): Promise<Readable> {
    return await this.send('GET', `/v1/images/${encodeURIComponent(id)}`);
  }

  /** @throws AlreadyThere */
  async add(image: V1Image, ignored: ReadonlySet<string>, data: Readable): Promise<void> {
    const headers = {
      ...headersOf(image, ignored),
      'content-type': 'application/octet-stream',
      'content-length': String(image.size),
    };
    await textOf(await this.send('POST', '/v1/images', headers, data));
  }

  async update(image: V1Image, ignored: ReadonlySet<string>): Promise<void> {
    // They say what the data is, which is not sent.
    const { size: _size, checksum: _checksum, ...fields } = image;
    const headers = headersOf(fields as V1Image, ignored);
    await textOf(await this.send('PUT', `/v1/images/${encodeURIComponent(image.id)}`, headers));
  }

  private async send(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: Readable,
  ): Promise<IncomingMessage> {
    const url = `${this.base}${path}`;
    const request = (url.startsWith('https:') ? https : http).request(url, {
      method,
      headers: { ...headers, ...(this.token === undefined ? {} : { 'x-auth-token': this.token }) },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
    });
    if (body) {
      // An answer that comes before the end of the body tells more than the broken pipe.
      pipeline(body, request).catch(() => undefined);
    } else request.end();
    const answer = await answered;
    const { statusCode = 0 } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    const text = `${method} ${url} is answered ${statusCode}: ${(await textOf(answer)).trim()}`;
    throw statusCode === 409 ? new AlreadyThere(text) : new Error(text);
  }
}

/** Fields that differ from what the target has, of those that can be told; properties as `properties.NAME`. */
export function differences(
  source: V1Image,
  target: V1Image,
  ignored: ReadonlySet<string>,
): { field: string; source: unknown; target: unknown }[] {
  const flat = (image: V1Image): Map<string, unknown> =>
    new Map([
      ...FIELDS.map((field) => [field, image[field]] as const),
      ...Object.entries(image.properties).map(
        ([name, value]) => [`properties.${name}`, value] as const,
      ),
    ]);
  const there = flat(target);
  return [...flat(source)]
    .filter(
      ([field, value]) => !ignored.has(field) && (there.get(field) ?? null) !== (value ?? null),
    )
    .map(([field, value]) => ({ field, source: value, target: there.get(field) }));
}

function headersOf(image: V1Image, ignored: ReadonlySet<string>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const field of FIELDS) {
    const value = image[field];
    if (ignored.has(field) || value === undefined || value === null) continue;
    headers[`x-image-meta-${field}`] = utf8(
      typeof value === 'string' ? value : JSON.stringify(value),
    );
  }
  for (const [name, value] of Object.entries(image.properties)) {
    headers[`x-image-meta-property-${name}`] = utf8(value ?? '');
  }
  return headers;
}

/** Headers carry bytes, which Node takes as Latin 1. */
function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

async function textOf(stream: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
