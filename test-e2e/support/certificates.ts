import { execFile } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Authorities and certificates made by openssl, in a directory of their own. */
export class Certificates {
  private constructor(private readonly directory: string) {}

  static async create(): Promise<Certificates> {
    return new Certificates(await mkdtemp(path.join(os.tmpdir(), 'glance-tls-')));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }

  /** Where `NAME.crt`, `NAME.key` and whatever else a test puts there are. */
  file(name: string): string {
    return path.join(this.directory, name);
  }

  async authority(name: string): Promise<void> {
    await this.openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.crt`],
    );
  }

  /** @param names such as `DNS:glance-api,IP:127.0.0.1` */
  async certificate(name: string, authority: string, names: string): Promise<void> {
    await this.openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`, '-keyout', `${name}.key`],
      ...['-out', `${name}.csr`],
    );
    await this.openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${authority}.crt`],
      ...['-CAkey', `${authority}.key`, '-copy_extensions', 'copy', '-days', '2'],
      ...['-out', `${name}.crt`],
    );
  }

  /** A certificate that its own key vouches for, in PEM and as `NAME.der`. */
  async selfSigned(name: string, key: KeyObject): Promise<void> {
    const pem = key.export({ type: 'pkcs8', format: 'pem' });
    await writeFile(this.file(`${name}.key`), pem, { mode: 0o600 });
    await this.openssl(
      ...['req', '-x509', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-days', '2'],
      ...['-out', `${name}.crt`],
    );
    await this.openssl('x509', '-in', `${name}.crt`, '-outform', 'DER', '-out', `${name}.der`);
  }

  /**
   * Signs a file as users are told to.
   * @param options of `openssl dgst`
   * @returns base64
   */
  async signature(name: string, file: string, ...options: string[]): Promise<string> {
    const signature = this.file('signature');
    await this.openssl('dgst', ...options, '-sign', `${name}.key`, '-out', signature, file);
    return (await readFile(signature)).toString('base64');
  }

  /** Puts the certificate and key of one name in the place of another's, as a renewal does. */
  async replace(name: string, by: string): Promise<void> {
    for (const kind of ['crt', 'key']) {
      await rename(this.file(`${by}.${kind}`), this.file(`${name}.${kind}`));
    }
  }

  private async openssl(...args: string[]): Promise<void> {
    await run('openssl', args, { cwd: this.directory });
  }
}
