import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readOptionFile } from './read-option-file';

/** What a TLS server shows and asks for, as PEM. */
export interface TlsFiles {
  cert: Buffer;
  key: Buffer;
  /** With it every client must present a certificate signed by this authority. */
  clientCa?: Buffer;
}

export interface TlsOptions {
  readonly cert_file: string | undefined;
  readonly key_file: string | undefined;
  readonly ca_file: string | undefined;
}

/** @throws Error that names the option when a file cannot be used or half of a pair is set. */
export function readTlsFiles(options: TlsOptions): TlsFiles | undefined {
  const { cert_file: cert, key_file: key, ca_file: ca } = options;
  if (cert === undefined && key === undefined) {
    if (ca !== undefined) throw new Error('ca_file needs cert_file and key_file as well');
    return undefined;
  }
  if (cert === undefined || key === undefined) {
    throw new Error('cert_file and key_file must be set together');
  }
  return {
    ...readKeyPair({ option: 'cert_file', file: cert }, { option: 'key_file', file: key }),
    ...(ca === undefined ? {} : { clientCa: readCertificate('ca_file', ca) }),
  };
}

interface NamedFile {
  option: string;
  file: string;
}

/** @throws Error that names the file at fault, or both when they do not belong together. */
export function readKeyPair(cert: NamedFile, key: NamedFile): { cert: Buffer; key: Buffer } {
  const certPem = readCertificate(cert.option, cert.file);
  const keyPem = readOptionFile(key.option, key.file);
  let belongs: boolean;
  try {
    belongs = new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch (error) {
    throw new Error(`${key.option} = ${key.file}: holds no private key in PEM`, { cause: error });
  }
  if (!belongs) {
    throw new Error(`${key.option} = ${key.file}: is not the key of ${cert.option} = ${cert.file}`);
  }
  return { cert: certPem, key: keyPem };
}

/** @throws Error that names the file when it does not begin with a certificate. */
export function readCertificate(option: string, file: string): Buffer {
  const pem = readOptionFile(option, file);
  try {
    new X509Certificate(pem);
  } catch (error) {
    throw new Error(`${option} = ${file}: holds no certificate in PEM`, { cause: error });
  }
  return pem;
}
