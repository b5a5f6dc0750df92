import {
  constants,
  createVerify,
  type KeyObject,
  type Verify,
  type X509Certificate,
} from 'node:crypto';
import { DomainError, invalidRequest, type NewImage } from '@glance/common';

/** What an image says of the signature of its data (lifecycle sheet §6). */
export interface ImageSignature {
  /** Base64. */
  signature: string;
  hashMethod: string;
  keyType: string;
  certificateId: string;
}

const HASHES: Readonly<Record<string, { name: string; bytes: number }>> = {
  'SHA-224': { name: 'sha224', bytes: 28 },
  'SHA-256': { name: 'sha256', bytes: 32 },
  'SHA-384': { name: 'sha384', bytes: 48 },
  'SHA-512': { name: 'sha512', bytes: 64 },
};

/** By key type, the curve as Node names it. */
const CURVES: Readonly<Record<string, string>> = {
  ECC_SECT571K1: 'sect571k1',
  ECC_SECT409K1: 'sect409k1',
  ECC_SECT571R1: 'sect571r1',
  ECC_SECT409R1: 'sect409r1',
  ECC_SECP521R1: 'secp521r1',
  ECC_SECP384R1: 'secp384r1',
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @returns undefined unless the image has all four properties: a part of them means nothing */
export function signatureOf({
  properties = [],
}: Pick<NewImage, 'properties'>): ImageSignature | undefined {
  const values = new Map(properties);
  const signature = values.get('img_signature');
  const hashMethod = values.get('img_signature_hash_method');
  const keyType = values.get('img_signature_key_type');
  const certificateId = values.get('img_signature_certificate_uuid');
  if (!signature || !hashMethod || !keyType || !certificateId) return undefined;
  return { signature, hashMethod, keyType, certificateId };
}

/** Verifies the signature of data that passes by, all of which it must see. */
export class SignatureCheck {
  private readonly verify: Verify;
  private readonly signature: Buffer;
  private readonly key: Parameters<Verify['verify']>[0];

  /** @throws DomainError `invalid_request` when nothing can be verified by what the image says */
  constructor({ signature, hashMethod, keyType }: ImageSignature, certificate: X509Certificate) {
    const hash = HASHES[hashMethod];
    if (!hash) throw refused(`img_signature_hash_method ${hashMethod} is none of ${names(HASHES)}`);
    const text = signature.replace(/\s/g, '');
    if (text === '' || !BASE64.test(text)) throw refused('img_signature is no base64');
    this.signature = Buffer.from(text, 'base64');
    this.key = verificationKey(certificate.publicKey, keyType, hash.bytes);
    this.verify = createVerify(hash.name);
  }

  write(piece: Buffer): void {
    this.verify.update(piece);
  }

  /** @throws DomainError `data_mismatch` */
  end(): void {
    if (this.verify.verify(this.key, this.signature)) return;
    const text = 'Signature verification for the image failed: the data is not what was signed.';
    throw new DomainError('data_mismatch', text);
  }
}

/** The key with how its signatures are made; it must be of the kind that the image names. */
function verificationKey(
  key: KeyObject,
  keyType: string,
  hashBytes: number,
): Parameters<Verify['verify']>[0] {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  const kind = key.asymmetricKeyType;
  const mismatch = (): DomainError =>
    refused(`the certificate has no key of type ${keyType}, as img_signature_key_type says`);
  if (keyType === 'RSA-PSS') {
    if (kind !== 'rsa' && kind !== 'rsa-pss') throw mismatch();
    // The longest salt that the key has room for (RFC 8017 §9.1).
    const saltLength = Math.ceil((modulusLength - 1) / 8) - hashBytes - 2;
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  }
  if (keyType === 'DSA') {
    if (kind !== 'dsa') throw mismatch();
    return { key, dsaEncoding: 'der' };
  }
  const curve = CURVES[keyType];
  if (curve === undefined) {
    throw refused(`img_signature_key_type ${keyType} is none of RSA-PSS, DSA, ${names(CURVES)}`);
  }
  if (kind !== 'ec' || namedCurve !== curve) throw mismatch();
  return { key, dsaEncoding: 'der' };
}

function names(table: Readonly<Record<string, unknown>>): string {
  return Object.keys(table).join(', ');
}

function refused(text: string): DomainError {
  return invalidRequest(`The signature of the image cannot be verified: ${text.slice(0, 300)}`);
}
