import { finished } from 'node:stream/promises';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { invalidRequest, isDomainError } from '@glance/common';
import busboy, { type Busboy } from 'busboy';
import type { UploadBody } from './upload-source';

export const FORM_DATA = 'multipart/form-data';

/** RFC 2046 §5.1.1 */
const MAX_BOUNDARY_LENGTH = 70;
const MAX_FIELDS = 16;
/** All of a form that is not its file: boundaries, headers of parts, fields, what surrounds them. */
const MAX_ENVELOPE_BYTES = 256 * 1024;
/** What means that the bytes of a part are the bytes of the file (RFC 7578 §4.7). */
const PLAIN_ENCODINGS: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary']);

/**
 * Reads the head of a form.
 * @throws DomainError `invalid_request` when it says no usable boundary.
 */
export function formParser({ headers }: IncomingMessage): Busboy {
  let parser: Busboy;
  try {
    parser = busboy({ headers, limits: { files: 1, fields: MAX_FIELDS } });
  } catch {
    throw invalidRequest('The form has no boundary in its Content-Type');
  }
  const boundary = /boundary="?([^";]*)/i.exec(headers['content-type'] ?? '')?.[1] ?? '';
  if (boundary.length === 0 || boundary.length > MAX_BOUNDARY_LENGTH) {
    throw invalidRequest(`The boundary of a form has 1 to ${MAX_BOUNDARY_LENGTH} characters`);
  }
  return parser;
}

/**
 * The one file in a `multipart/form-data` body, as browsers send it. Other fields are skipped. A
 * piece of the body is parsed when everything of the piece before it has been taken, so that no more
 * than one piece is held and the socket waits for the store. The file is only said to be complete
 * when the whole form is, with its end and without a second file.
 */
export class FormBody implements UploadBody {
  private file: Readable | undefined;
  private failure: Error | undefined;
  private complete = false;
  private bytesParsed = 0;
  private bytesOfFile = 0;

  constructor(
    private readonly body: UploadBody,
    private readonly parser: Busboy,
  ) {
    parser.on('file', (_name, file, { encoding }) => {
      this.file = file;
      file.on('error', this.fail);
      if (!PLAIN_ENCODINGS.has(encoding)) {
        this.fail(invalidRequest('A Content-Transfer-Encoding is not accepted in a form'));
      }
    });
    parser.on('filesLimit', () => this.fail(invalidRequest('The form has more than one file')));
    parser.on('fieldsLimit', () => {
      this.fail(invalidRequest(`The form has more than ${MAX_FIELDS} fields beside the file`));
    });
    parser.on('error', this.fail);
  }

  /** @throws DomainError `invalid_request` for a form that is broken or has not exactly one file. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.takeChunk();
      if (this.failure) throw this.failure;
      if (chunk) return chunk;
      if (this.complete) return undefined;
      const piece = await this.body.next();
      if (piece) this.parse(piece);
      else await this.finish();
    }
  }

  abort(error: Error): void {
    this.failure ??= error;
    this.body.abort(error);
  }

  release(): void {
    this.body.release();
    this.parser.destroy();
  }

  private takeChunk(): Buffer | undefined {
    const chunk = this.file?.read() as Buffer | null | undefined;
    if (!chunk) return undefined;
    this.bytesOfFile += chunk.length;
    return chunk;
  }

  /** The parser works while it is written to: what it found is there when this returns. */
  private parse(piece: Buffer): void {
    // All of the file in the pieces before this one has been taken.
    if (this.bytesParsed - this.bytesOfFile > MAX_ENVELOPE_BYTES) {
      throw invalidRequest(`The form has more than ${MAX_ENVELOPE_BYTES} bytes beside the file`);
    }
    this.bytesParsed += piece.length;
    this.parser.write(piece);
  }

  private async finish(): Promise<void> {
    this.parser.end();
    await finished(this.parser).catch(this.fail);
    if (!this.file) this.fail(invalidRequest('The form has no file'));
    this.complete = true;
  }

  private readonly fail = (error: Error): void => {
    this.failure ??= isDomainError(error)
      ? error
      : invalidRequest(`The form is broken: ${error.message}`);
  };
}
