import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { KeystoneSession } from './keystone-session';
import { FakeKeystone } from './testing';

describe('OSSA-2013-018, OSSN-0033: Keystone over TLS', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'keystone-tls-'));
    for (const ca of ['ca', 'next-ca']) {
      openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${ca}`, ...files(ca));
    }
    certificate('good', 'ca', 'subjectAltName=IP:127.0.0.1', '2');
    certificate('next', 'next-ca', 'subjectAltName=IP:127.0.0.1', '2');
    certificate('other-host', 'ca', 'subjectAltName=DNS:elsewhere.example', '2');
    // Its last day is over.
    certificate('expired', 'ca', 'subjectAltName=IP:127.0.0.1', '0');
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = (name: string) => ['-keyout', `${name}.key`, '-out', `${name}.crt`];
  const read = (name: string): Buffer => readFileSync(path.join(directory, name));

  function openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  }

  function certificate(name: string, ca: string, extension: string, days: string): void {
    const subject = ['-subj', `/CN=${name}`, '-addext', extension];
    openssl('req', ...NEW_KEY, ...subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`],
      ...['-copy_extensions', 'copy', '-days', days, '-out', `${name}.crt`],
    );
  }

  async function answerOf(server: string, use: (session: KeystoneSession) => Promise<unknown>) {
    const keystone = await FakeKeystone.start({
      cert: read(`${server}.crt`),
      key: read(`${server}.key`),
    });
    keystone.routes.set('/limits', () => ({ status: 200, body: { limits: [] } }));
    const session = new KeystoneSession({
      ...keystone.access,
      tls: { ca: read('ca.crt') },
    });
    try {
      return { answer: await use(session), logins: keystone.logins };
    } catch (error) {
      return { error: (error as Error).message, logins: keystone.logins };
    } finally {
      session.close();
      await keystone.stop();
    }
  }

  const ask = (session: KeystoneSession): Promise<unknown> => session.get('/limits');

  it('is asked when its certificate is right', async () => {
    expect(await answerOf('good', ask)).toEqual({ answer: { limits: [] }, logins: 1 });
  });

  it.each([
    ['other-host', "does not match certificate's altnames"],
    ['expired', 'certificate has expired'],
    ['next', 'unable to verify the first certificate'],
    ['ca', 'self-signed certificate'],
  ])('learns no password when its certificate is that of: %s', async (name, text) => {
    expect(await answerOf(name === 'ca' ? 'next-ca' : name, ask)).toEqual({
      error: expect.stringContaining(text) as string,
      logins: 0,
    });
  });

  it('is asked under an authority that was named since', async () => {
    const outcome = await answerOf('next', (session) => {
      session.useTls({ ca: read('next-ca.crt') });
      return ask(session);
    });
    expect(outcome).toEqual({ answer: { limits: [] }, logins: 1 });
  });
});
