import { booleanOption, integerOption, readCertificate, textOption } from '@glance/service-kit';
import type { CatalogReader } from '../auth/service-catalog';
import type { ApiConfig } from '../config';
import { Barbican, CertificateDirectory } from './certificate-source';
import { ImageSignatures } from './image-signatures';

const HTTP_URL = { regex: /^https?:\/\/[^\s]+$/, description: 'an http or https URL' };

/** The sections about the certificates of signed images, under upstream's names. */
export const SIGNATURE_SECTIONS = {
  key_manager: {
    backend: textOption({
      help: 'Where the certificates are that images name in img_signature_certificate_uuid: barbican, or directory, which is our own.',
      default: 'barbican',
      choices: ['barbican', 'directory'],
    }),
    certificate_directory: textOption({
      help: 'With backend = directory: a directory with the certificates as UUID.pem, UUID.crt or UUID.der. Whoever writes there decides what is signed.',
    }),
  },
  barbican: {
    barbican_endpoint: textOption({
      help: "URL of the key manager, such as http://controller:9311; unset: as the caller's service catalog says.",
      pattern: HTTP_URL,
    }),
    barbican_endpoint_type: textOption({
      help: 'Endpoint of the service catalog to use.',
      default: 'public',
      choices: ['public', 'internal', 'admin'],
    }),
    barbican_region_name: textOption({
      help: 'Region of the endpoint in the service catalog; any unless set.',
    }),
    barbican_api_version: textOption({ help: 'Version of its API.', default: 'v1' }),
    verify_ssl: booleanOption({
      help: 'Verify the certificate of the key manager. False: somebody in between can say what is signed.',
      default: true,
    }),
    verify_ssl_path: textOption({
      help: 'File with the authorities (PEM) that may vouch for the key manager.',
    }),
    timeout: integerOption({
      help: 'Seconds that one answer of the key manager may take.',
      default: 10,
      min: 1,
      max: 300,
    }),
  },
};

/** @throws Error that names the option at fault. */
export function createSignatures(
  { key_manager: keyManager, barbican }: ApiConfig,
  readCatalog: CatalogReader | undefined,
): ImageSignatures {
  const shared = {
    readCatalog,
    interface: barbican.barbican_endpoint_type,
    region: barbican.barbican_region_name,
  };
  if (keyManager.backend === 'directory') {
    const { certificate_directory: directory } = keyManager;
    if (directory === undefined) {
      throw new Error('[key_manager] backend = directory needs certificate_directory');
    }
    const source = new CertificateDirectory(directory);
    return new ImageSignatures({ ...shared, source, needsCatalog: false });
  }
  const { verify_ssl_path: caFile, barbican_endpoint: endpoint } = barbican;
  const source = new Barbican({
    endpoint,
    version: barbican.barbican_api_version,
    ca: caFile === undefined ? undefined : readCertificate('[barbican] verify_ssl_path', caFile),
    verifyTls: barbican.verify_ssl,
    timeoutMs: barbican.timeout * 1000,
  });
  return new ImageSignatures({ ...shared, source, needsCatalog: endpoint === undefined });
}
