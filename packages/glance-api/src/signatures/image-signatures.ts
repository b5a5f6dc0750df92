import { X509Certificate } from 'node:crypto';
import { invalidRequest, isCanonicalUuid, type ImageRecord, type NewImage } from '@glance/common';
import type { Request } from 'express';
import type { CatalogReader } from '../auth/service-catalog';
import { serviceEndpoint } from '../auth/service-catalog';
import type { CertificateSource } from './certificate-source';
import { SignatureCheck, signatureOf } from './signature-check';

export interface SignatureOptions {
  source: CertificateSource;
  /** Whether the source is found by the caller's service catalog. */
  needsCatalog: boolean;
  readCatalog: CatalogReader | undefined;
  /** Of the key manager in the catalog. */
  interface: string;
  region: string | undefined;
}

/** Signatures of images, verified before an image becomes active (lifecycle sheet §6). */
export class ImageSignatures {
  constructor(private readonly options: SignatureOptions) {}

  /**
   * The certificate that the image names, as PEM; undefined for an image that is not signed.
   * @throws DomainError `invalid_request` unless it can verify what the image says
   */
  async certificateFor(
    image: Pick<NewImage, 'properties'>,
    req: Request,
  ): Promise<string | undefined> {
    const signature = signatureOf(image);
    if (!signature) return undefined;
    const id = signature.certificateId.toLowerCase();
    if (!isCanonicalUuid(id)) {
      throw invalidRequest('img_signature_certificate_uuid is no UUID');
    }
    const token = req.get('x-auth-token');
    const certificate = parse(
      id,
      await this.options.source.find(id, { token, endpoint: await this.endpoint(req) }),
    );
    new SignatureCheck(signature, certificate);
    return certificate.toString();
  }

  private async endpoint(req: Request): Promise<string | undefined> {
    const { needsCatalog, readCatalog, interface: name, region } = this.options;
    if (!needsCatalog || !readCatalog) return undefined;
    return serviceEndpoint(await readCatalog(req), {
      type: 'key-manager',
      interface: name,
      region,
    });
  }
}

/**
 * @param certificate what was found when the data was announced
 * @returns undefined for an image that is not signed
 * @throws DomainError `invalid_request`
 */
export function signatureCheckOf(
  image: ImageRecord,
  certificate: string | undefined,
): SignatureCheck | undefined {
  const signature = signatureOf(image);
  if (!signature) return undefined;
  if (certificate === undefined) {
    throw invalidRequest('The image was signed after its data was announced; try again');
  }
  return new SignatureCheck(signature, parse(signature.certificateId, Buffer.from(certificate)));
}

function parse(id: string, bytes: Buffer): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (cause) {
    const text = `The signature of the image cannot be verified: ${id} is no X.509 certificate`;
    throw invalidRequest(text, { cause });
  }
}
