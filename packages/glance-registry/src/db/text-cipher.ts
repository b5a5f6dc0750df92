import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const BLOCK_BYTES = 16;
/** What upstream fills a text up to: its API v2 one block of AES, its client of API v1 four. */
const FILLED_TO_BYTES = [16, 64];
const KEY_BYTES = [16, 24, 32];

/** Texts of columns that an operator may want encrypted. */
export interface TextCipher {
  /** Another text each time; the text itself when there is no key. */
  seal(text: string): string;
  /** @returns undefined for what was not sealed with this key. */
  open(sealed: string): string | undefined;
  readonly hasKey: boolean;
}

/** Without a key: texts stay as they are, and what is sealed stays so. */
export const NO_CIPHER: TextCipher = {
  seal: (text) => text,
  open: () => undefined,
  hasKey: false,
};

/**
 * Upstream's form (schema sheet §4.3): URL-safe base64 of a random IV and, by AES-CBC, the UTF-8 text
 * with a zero byte and random other bytes behind it. Nothing in it proves that the key is the right
 * one, or that nobody changed it: whoever opens a text looks whether it makes sense.
 * @param key as the operator wrote it
 * @throws Error when it has a length that AES does not know
 */
export function createTextCipher(key: string | undefined): TextCipher {
  if (key === undefined) return NO_CIPHER;
  const keyBytes = Buffer.from(key, 'utf8');
  if (!KEY_BYTES.includes(keyBytes.length)) {
    throw new Error(
      `[DEFAULT] metadata_encryption_key has ${keyBytes.length} bytes: it must have 16, 24 or 32`,
    );
  }
  const algorithm = `aes-${keyBytes.length * 8}-cbc`;
  return {
    hasKey: true,
    seal(text) {
      const iv = randomBytes(BLOCK_BYTES);
      const cipher = createCipheriv(algorithm, keyBytes, iv).setAutoPadding(false);
      const sealed = [iv, cipher.update(filledUp(Buffer.from(text, 'utf8'))), cipher.final()];
      // Upstream's decoder insists on the padding of base64.
      const base64 = Buffer.concat(sealed).toString('base64');
      return base64.replaceAll('+', '-').replaceAll('/', '_');
    },
    open(sealed) {
      if (!/^[A-Za-z0-9_-]+={0,2}$/.test(sealed)) return undefined;
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < 2 * BLOCK_BYTES || bytes.length % BLOCK_BYTES !== 0) return undefined;
      const iv = bytes.subarray(0, BLOCK_BYTES);
      const decipher = createDecipheriv(algorithm, keyBytes, iv).setAutoPadding(false);
      const filled = Buffer.concat([
        decipher.update(bytes.subarray(BLOCK_BYTES)),
        decipher.final(),
      ]);
      const end = filled.lastIndexOf(0);
      return end === -1 ? undefined : toText(filled.subarray(0, end));
    },
  };
}

/** How long a text is when it is sealed, by us or by upstream. */
export function sealedLengths(text: string): number[] {
  const bytes = Buffer.byteLength(text, 'utf8');
  return FILLED_TO_BYTES.map((unit) => {
    const filled = bytes + unit - (bytes % unit);
    return Math.ceil((BLOCK_BYTES + filled) / 3) * 4;
  });
}

function filledUp(text: Buffer): Buffer {
  const filler = randomBytes(BLOCK_BYTES - (text.length % BLOCK_BYTES));
  for (const [index, byte] of filler.entries()) if (byte === 0) filler[index] = 1;
  // The last zero byte ends the text.
  filler[0] = 0;
  return Buffer.concat([text, filler]);
}

function toText(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
