import { execFileSync } from 'node:child_process';
import { constants, createPrivateKey, createSign, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { startTestApi, type TestApi } from '../testing/test-api';

const OWNER = 'alice:a:member';
const OCTETS = { 'content-type': 'application/octet-stream' };
const FORMATS = { disk_format: 'raw', container_format: 'bare' };
const DATA = Buffer.from('what was signed '.repeat(10_000));

/** Of each kind: how `openssl req` makes its key, and how its signatures are made. */
const KINDS = {
  'RSA-PSS': ['-newkey', 'rsa:2048'],
  ECC_SECP384R1: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1'],
  ECC_SECP521R1: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp521r1'],
  ECC_SECT571K1: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:sect571k1'],
  ECC_SECT409K1: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:sect409k1'],
  ECC_SECT571R1: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:sect571r1'],
  ECC_SECT409R1: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:sect409r1'],
  DSA: ['-newkey', 'dsa:dsa.params'],
} as const;
type Kind = keyof typeof KINDS;

/** Signed images (lifecycle sheet §6). */
describe('signed images in API v2', () => {
  let server: TestApi;
  let directory: string;
  const certificates = new Map<Kind, string>();

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-signatures-'));
    server = await startTestApi(
      '--key-manager-backend=directory',
      `--key-manager-certificate-directory=${directory}`,
      `--node-staging-uri=file://${directory}/staging`,
    );
    const openssl = (...args: string[]): void => {
      execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
    };
    openssl(
      'genpkey',
      '-genparam',
      '-algorithm',
      'DSA',
      '-out',
      'dsa.params',
      '-pkeyopt',
      'dsa_paramgen_bits:2048',
    );
    for (const [kind, key] of Object.entries(KINDS)) {
      const id = randomUUID();
      const files = ['-keyout', `${kind}.key`, '-out', `${id}.pem`];
      openssl('req', '-x509', '-nodes', '-subj', '/CN=signer', ...key, ...files);
      certificates.set(kind as Kind, id);
    }
  });

  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const as = (token = OWNER) => request.agent(server.url).set('x-auth-token', token);
  const signatureOf = async (kind: Kind, data: Buffer, hash: string): Promise<string> => {
    const key = createPrivateKey(await readFile(path.join(directory, `${kind}.key`)));
    const sign = createSign(hash.replace('-', '').toLowerCase()).update(data);
    return sign
      .sign({
        key,
        ...(kind === 'RSA-PSS' && {
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN,
        }),
      })
      .toString('base64');
  };
  const signed = async (kind: Kind, hash = 'SHA-256', data = DATA) => ({
    img_signature: await signatureOf(kind, data, hash),
    img_signature_hash_method: hash,
    img_signature_key_type: kind,
    img_signature_certificate_uuid: certificates.get(kind),
  });
  const create = async (properties: object): Promise<string> => {
    const body = { ...FORMATS, ...properties };
    return (await as().post('/v2/images').send(body).expect(201)).body.id;
  };
  const upload = (id: string, data = DATA) =>
    as().put(`/v2/images/${id}/file`).set(OCTETS).send(data);
  const show = async (id: string) => (await as().get(`/v2/images/${id}`).expect(200)).body;

  it.each(Object.keys(KINDS) as Kind[])('become active with a signature by %s', async (kind) => {
    for (const hash of ['SHA-224', 'SHA-256', 'SHA-384', 'SHA-512']) {
      const id = await create(await signed(kind, hash));
      await upload(id).expect(204);
      expect(await show(id)).toMatchObject({ status: 'active' });
    }
  });

  it.each(['RSA-PSS', 'DSA', 'ECC_SECP384R1'] as const)(
    'are refused with other data than %s has signed, and can be sent again',
    async (kind) => {
      const id = await create(await signed(kind));
      const tampered = Buffer.from(DATA);
      tampered[70_000]! ^= 1;
      const answer = await upload(id, tampered).expect(400);
      expect(answer.text).toContain('Signature verification for the image failed');
      expect(await show(id)).toMatchObject({ status: 'queued', size: null, checksum: null });
      await as().get(`/v2/images/${id}/file`).expect(204);
      await upload(id).expect(204);
    },
  );

  it('are not looked at where a property of the four is missing', async () => {
    const { img_signature_key_type: _, ...three } = await signed('RSA-PSS');
    await upload(await create({ ...three, img_signature: 'nonsense' })).expect(204);
  });

  it.each([
    [{ img_signature: 'no base64!' }, 'img_signature is no base64'],
    [{ img_signature_hash_method: 'MD5' }, 'img_signature_hash_method MD5 is none of SHA-224'],
    [{ img_signature_key_type: 'RSA' }, 'img_signature_key_type RSA is none of RSA-PSS, DSA'],
    [{ img_signature_key_type: 'DSA' }, 'no key of type DSA'],
    [{ img_signature_key_type: 'ECC_SECP384R1' }, 'no key of type ECC_SECP384R1'],
    [{ img_signature_certificate_uuid: '../../etc/passwd' }, 'is no UUID'],
    [{ img_signature_certificate_uuid: randomUUID() }, 'there is no certificate'],
  ])('are refused before their data with %j', async (properties, text) => {
    const id = await create({ ...(await signed('RSA-PSS')), ...properties });
    const answer = await upload(id).expect(400);
    expect(answer.text).toContain(text);
    expect(await show(id)).toMatchObject({ status: 'queued' });
  });

  it('are verified when they are imported', async () => {
    const imported = async (data: Buffer) => {
      const id = await create(await signed('RSA-PSS'));
      await as().put(`/v2/images/${id}/stage`).set(OCTETS).send(data).expect(204);
      const body = { method: { name: 'glance-direct' } };
      await as().post(`/v2/images/${id}/import`).send(body).expect(202);
      for (;;) {
        const image = await show(id);
        if (image.status !== 'importing') {
          return { image, tasks: (await as().get(`/v2/images/${id}/tasks`)).body.tasks };
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    expect((await imported(DATA)).image).toMatchObject({ status: 'active' });
    const { image, tasks } = await imported(Buffer.from('something else'));
    expect(image).toMatchObject({ status: 'queued' });
    expect(tasks[0].message).toContain('Signature verification for the image failed');
  });

  it('are refused by their certificate before an import is accepted', async () => {
    const id = await create({
      ...(await signed('RSA-PSS')),
      img_signature_certificate_uuid: randomUUID(),
    });
    await as().put(`/v2/images/${id}/stage`).set(OCTETS).send(DATA).expect(204);
    const body = { method: { name: 'glance-direct' } };
    await as().post(`/v2/images/${id}/import`).send(body).expect(400);
    expect(await show(id)).toMatchObject({ status: 'uploading' });
  });

  describe('with certificates in a key manager', () => {
    let keyManager: http.Server;
    let api: TestApi;
    let payload: Buffer;
    let type: string;
    const asked: { url: string; token: string | undefined; accept: string | undefined }[] = [];

    beforeAll(async () => {
      keyManager = http.createServer((req, res) => {
        const token = req.headers['x-auth-token'];
        asked.push({ url: req.url ?? '', token: String(token), accept: req.headers.accept });
        const known = certificates.get('RSA-PSS') ?? '';
        if (token !== OWNER || !req.url?.startsWith(`/v1/secrets/${known}`)) {
          res.writeHead(token === OWNER ? 404 : 403).end('{}');
        } else if (req.url.endsWith('/payload')) {
          res.writeHead(req.headers.accept === type ? 200 : 406).end(payload);
        } else {
          res.end(JSON.stringify({ status: 'ACTIVE', content_types: { default: type } }));
        }
      });
      await new Promise<void>((resolve) => keyManager.listen(0, '127.0.0.1', resolve));
      const { port } = keyManager.address() as AddressInfo;
      api = await startTestApi(`--barbican-barbican-endpoint=http://127.0.0.1:${port}/`);
    });

    afterAll(async () => {
      await api.close();
      await new Promise((resolve) => keyManager.close(resolve));
    });

    const uploaded = async (token = OWNER, properties: object = {}) => {
      const agent = () => request.agent(api.url).set('x-auth-token', token);
      const body = { ...FORMATS, ...(await signed('RSA-PSS')), ...properties };
      const { id } = (await agent().post('/v2/images').send(body).expect(201)).body;
      return await agent().put(`/v2/images/${id}/file`).set(OCTETS).send(DATA);
    };

    it.each(['pem', 'der', 'base64'])('are verified by one in %s', async (form) => {
      const file = path.join(directory, `${certificates.get('RSA-PSS')}.pem`);
      const pem = await readFile(file);
      const text = pem.toString().replace(/-----[A-Z ]+-----|\s/g, '');
      payload = { pem, der: Buffer.from(text, 'base64'), base64: Buffer.from(text) }[form] ?? pem;
      type = form === 'pem' ? 'text/plain' : 'application/octet-stream';
      expect((await uploaded()).status).toBe(204);
      expect(asked.at(-1)).toMatchObject({ token: OWNER, accept: type });
    });

    it('are refused when the caller may not read it, or it is something else', async () => {
      expect((await uploaded('bob:b:member')).text).toContain('there is no certificate');
      payload = Buffer.from('no certificate at all!');
      type = 'text/plain';
      const answer = await uploaded();
      expect(answer.status).toBe(400);
      expect(answer.text).toContain('is no X.509 certificate');
    });

    it('wait for a key manager that does not answer', async () => {
      const silent = await startTestApi('--barbican-barbican-endpoint=http://127.0.0.1:9');
      try {
        const agent = () => request.agent(silent.url).set('x-auth-token', OWNER);
        const body = { ...FORMATS, ...(await signed('RSA-PSS')) };
        const { id } = (await agent().post('/v2/images').send(body).expect(201)).body;
        await agent().put(`/v2/images/${id}/file`).set(OCTETS).send(DATA).expect(503);
      } finally {
        await silent.close();
      }
    });
  });

  it('need a directory where certificates are in one', async () => {
    await expect(startTestApi('--key-manager-backend=directory')).rejects.toThrow(
      'needs certificate_directory',
    );
  });
});
