import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';

/** Of an answer's headers: an image with many properties has many. */
const MAX_HEADER_BYTES = 256 * 1024;

export interface WholeAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** A request with exactly these headers; fetch would refuse, or add to, some of them. */
export function startRequest(
  url: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: http.OutgoingHttpHeaders } = {},
): http.ClientRequest {
  return http.request(url, { method, headers, agent: false, maxHeaderSize: MAX_HEADER_BYTES });
}

export async function wholeAnswer(request: http.ClientRequest): Promise<WholeAnswer> {
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) };
}

/** A chunked upload to API v1, as far as the test wants it. */
export class PacedUpload {
  private readonly request: http.ClientRequest;
  private readonly hash = createHash('md5');
  private readonly answer: Promise<WholeAnswer>;

  constructor(url: string, headers: http.OutgoingHttpHeaders = {}) {
    this.request = startRequest(`${url}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'transfer-encoding': 'chunked',
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
        ...headers,
      },
    });
    this.answer = wholeAnswer(this.request);
    this.answer.catch(() => undefined);
  }

  async send(bytes: number): Promise<void> {
    const data = randomBytes(bytes);
    this.hash.update(data);
    await new Promise<void>((resolve, reject) => {
      this.request.write(data, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** @returns the answer, and the MD5 of what was sent. */
  async end(): Promise<{ answer: WholeAnswer; md5: string }> {
    this.request.end();
    return { answer: await this.answer, md5: this.hash.digest('hex') };
  }
}

/** A download whose client reads when the test says so. */
export class PacedDownload {
  private constructor(private readonly answer: http.IncomingMessage) {}

  /** Has begun: the first bytes are there. */
  static async start(url: string): Promise<PacedDownload> {
    const request = startRequest(url);
    request.end();
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    await once(answer, 'readable');
    return new PacedDownload(answer);
  }

  /** Reads what is left. @returns the MD5 of everything. */
  async end(): Promise<string> {
    const hash = createHash('md5');
    for await (const chunk of this.answer) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }
}
