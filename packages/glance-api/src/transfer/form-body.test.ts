import { randomBytes } from 'node:crypto';
import busboy from 'busboy';
import { DomainError } from '@glance/common';
import { FormBody } from './form-body';
import type { UploadBody } from './upload-source';

const PIECE_BYTES = 65_536;
const HEADERS = { 'content-type': 'multipart/form-data; boundary=b' };

/** A body in pieces as node's HTTP parser hands them over. */
class Pieces implements UploadBody {
  taken = 0;
  released = false;
  private failure: Error | undefined;

  constructor(private readonly bytes: Buffer) {}

  next(): Promise<Buffer | undefined> {
    if (this.failure) return Promise.reject(this.failure);
    const piece = this.bytes.subarray(this.taken, this.taken + PIECE_BYTES);
    this.taken += piece.length;
    return Promise.resolve(piece.length === 0 ? undefined : Buffer.from(piece));
  }

  abort(error: Error): void {
    this.failure = error;
  }

  release(): void {
    this.released = true;
  }
}

describe('FormBody', () => {
  const data = randomBytes(20 * PIECE_BYTES);
  const form = Buffer.concat([
    Buffer.from('--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'),
    data,
    Buffer.from('\r\n--b--\r\n'),
  ]);

  it('takes no more of the request than one piece ahead of what was taken of it', async () => {
    const pieces = new Pieces(form);
    const body = new FormBody(pieces, busboy({ headers: HEADERS }));
    const chunks: Buffer[] = [];
    let delivered = 0;
    for (let chunk = await body.next(); chunk; chunk = await body.next()) {
      expect(pieces.taken - delivered).toBeLessThanOrEqual(PIECE_BYTES + 200);
      delivered += chunk.length;
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    body.release();
    expect(pieces.released).toBe(true);
  });

  it('ends with the error of the request, or with that of who aborts it', async () => {
    const gone = new DomainError('client_gone', 'gone');
    for (const abort of [
      (pieces: Pieces) => pieces.abort(gone),
      (_: Pieces, body: FormBody) => body.abort(gone),
    ]) {
      const pieces = new Pieces(form);
      const body = new FormBody(pieces, busboy({ headers: HEADERS }));
      await body.next();
      abort(pieces, body);
      await expect(body.next().then(() => body.next())).rejects.toBe(gone);
      body.release();
    }
  });
});
