import { readFile } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';
import { DomainError, invalidRequest } from '@glance/common';
import axios, { isAxiosError } from 'axios';

/** Where the certificates are that images name. */
export interface CertificateSource {
  /**
   * @param id a canonical UUID
   * @returns PEM or DER
   * @throws DomainError `invalid_request` when there is none; `identity_unavailable`
   */
  find(
    id: string,
    caller: { token: string | undefined; endpoint: string | undefined },
  ): Promise<Buffer>;
}

const MAX_BYTES = 256 * 1024;

/** Files of the operator, `ID.pem`, `ID.crt` or `ID.der`. */
export class CertificateDirectory implements CertificateSource {
  constructor(private readonly directory: string) {}

  async find(id: string): Promise<Buffer> {
    for (const ending of ['pem', 'crt', 'der']) {
      try {
        return await readFile(path.join(this.directory, `${id}.${ending}`));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        throw error;
      }
    }
    throw certificateMissing(id);
  }
}

export interface BarbicanOptions {
  /** Base of its URLs, without a version; that of the caller's service catalog unless set. */
  endpoint: string | undefined;
  version: string;
  ca: Buffer | undefined;
  verifyTls: boolean;
  timeoutMs: number;
}

/** Secrets of the Key Manager API v1, read with the token of whoever brings the data. */
export class Barbican implements CertificateSource {
  private readonly agent: https.Agent;

  constructor(private readonly options: BarbicanOptions) {
    const { ca, verifyTls } = options;
    this.agent = new https.Agent({ ca, rejectUnauthorized: verifyTls, minVersion: 'TLSv1.2' });
  }

  async find(
    id: string,
    { token, endpoint: known }: { token: string | undefined; endpoint: string | undefined },
  ): Promise<Buffer> {
    const endpoint = this.options.endpoint ?? known;
    if (endpoint === undefined) {
      throw invalidRequest(
        'The signature of the image cannot be verified: the service catalog has no key-manager, and [barbican] barbican_endpoint is not set',
      );
    }
    const base = endpoint.replace(/\/+$/, '').replace(/\/v1$/, '');
    const url = `${base}/${this.options.version}/secrets/${id}`;
    const secret = await this.read(id, url, token, 'application/json');
    const payload = await this.read(id, `${url}/payload`, token, contentType(secret));
    // Binary secrets that were stored as text of that sort come as such.
    const text = payload.toString('latin1').trim();
    return /^[A-Za-z0-9+/\s]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : payload;
  }

  private async read(
    id: string,
    url: string,
    token: string | undefined,
    accept: string,
  ): Promise<Buffer> {
    const { timeoutMs } = this.options;
    const { origin, pathname } = new URL(url);
    const because = (reason: string): Error => new Error(`GET ${origin}${pathname}: ${reason}`);
    try {
      const { status, data } = await axios.get<ArrayBuffer>(url, {
        headers: { accept, ...(token === undefined ? {} : { 'x-auth-token': token }) },
        responseType: 'arraybuffer',
        httpsAgent: this.agent,
        // The token goes to the key manager, by no proxy and to nobody it may point at.
        proxy: false,
        maxRedirects: 0,
        maxContentLength: MAX_BYTES,
        signal: AbortSignal.timeout(timeoutMs),
        validateStatus: () => true,
      });
      if (status === 200) return Buffer.from(data);
      const reason = `status ${status}`;
      if (status < 500 && status !== 429) throw certificateMissing(id, because(reason));
      throw new Error(reason);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      // Without the original: an axios error holds the request, and with it the token.
      const reason = isAxiosError(error) ? (error.code ?? error.message) : (error as Error).message;
      throw new DomainError(
        'identity_unavailable',
        'The key manager, which has the certificate of the signature, does not answer; try again.',
        { cause: because(reason) },
      );
    }
  }
}

function contentType(secret: Buffer): string {
  try {
    const { content_types: types } = JSON.parse(secret.toString('utf8')) as {
      content_types?: { default?: unknown };
    };
    if (typeof types?.default === 'string') return types.default;
  } catch {
    // The usual type will do.
  }
  return 'application/octet-stream';
}

/** @param cause what the caller is not told */
function certificateMissing(id: string, cause?: Error): DomainError {
  const text = `The signature of the image cannot be verified: there is no certificate ${id}, or it may not be read`;
  return invalidRequest(text, { cause });
}
