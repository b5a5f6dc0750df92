import { generateKeyPairSync, randomBytes, randomUUID, type KeyObject } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { Barbican } from './barbican';
import { Certificates } from './certificates';
import { Deployment, eventually } from './deployment';
import type { Keystone, Login } from './keystone';

const ec = (namedCurve: string) => (): KeyObject =>
  generateKeyPairSync('ec', { namedCurve }).privateKey;

/** How a key of each `img_signature_key_type` is made. */
const KEY_TYPES = {
  'RSA-PSS': () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  DSA: () => generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey,
  ECC_SECT571K1: ec('sect571k1'),
  ECC_SECT409K1: ec('sect409k1'),
  ECC_SECT571R1: ec('sect571r1'),
  ECC_SECT409R1: ec('sect409r1'),
  ECC_SECP521R1: ec('secp521r1'),
  ECC_SECP384R1: ec('secp384r1'),
} as const;
type KeyType = keyof typeof KEY_TYPES;

const HASH_METHODS = ['SHA-224', 'SHA-256', 'SHA-384', 'SHA-512'] as const;
type HashMethod = (typeof HASH_METHODS)[number];

interface SignedBy {
  keyType?: KeyType;
  hash?: HashMethod;
  /** The secret with the certificate, unless it is the stored one of the key. */
  certificate?: string | undefined;
}

interface Shown {
  status: string;
  size: number | null;
  checksum: string | null;
}

/** Signed images whose certificates are in a real Barbican, for users with tokens of a real Keystone. */
export function signedImageCases(
  keystoneOf: () => Keystone,
  { signer, stranger }: { signer: Login; stranger: Login },
): void {
  let keystone: Keystone;
  let barbican: Barbican;
  let deployment: Deployment;
  let files: Certificates;
  let data: Buffer;
  let tampered: Buffer;
  /** The secret with the certificate of each key. */
  const stored = new Map<KeyType, string>();
  const tokens = new Map<Login, string>();

  beforeAll(async () => {
    keystone = keystoneOf();
    barbican = await Barbican.start(keystone);
    // Finds the key manager by the service catalog.
    deployment = await Deployment.start({
      database: 'sqlite',
      flavor: 'keystone',
      api: {
        keystone_authtoken: keystone.authtoken,
        transfer: ['sweep_interval = 0.5'],
      },
    });
    files = await Certificates.create();
    data = randomBytes(2_000_000);
    tampered = Buffer.from(data);
    tampered[1_500_000]! ^= 1;
    await writeFile(files.file('data'), data);
    for (const [type, makeKey] of Object.entries(KEY_TYPES)) {
      await files.selfSigned(type, makeKey());
      stored.set(
        type as KeyType,
        await barbican.store(signer, ['--file', files.file(`${type}.der`)]),
      );
    }
  }, 120_000);

  afterAll(async () => {
    await barbican.stop();
    await deployment.stop();
    await files.remove();
  });

  const ask = async (
    login: Login,
    route: string,
    method = 'GET',
    body?: object | Buffer,
  ): Promise<Response> => {
    const token = tokens.get(login) ?? (await keystone.token(login));
    tokens.set(login, token);
    const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json';
    return await fetch(`${deployment.apiUrl}/v2/images${route}`, {
      method,
      headers: { 'x-auth-token': token, 'content-type': type },
      ...(body && { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }),
    });
  };

  /** A queued image that says how its data was signed. @returns its id */
  const create = async (
    login: Login,
    { keyType = 'RSA-PSS', hash = 'SHA-256', certificate }: SignedBy = {},
  ): Promise<string> => {
    const digest = `-${hash.replace('-', '').toLowerCase()}`;
    const padding = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:max'];
    const options = [digest, ...(keyType === 'RSA-PSS' ? padding : [])];
    const answer = await ask(login, '', 'POST', {
      ...{ name: 'signed', disk_format: 'raw', container_format: 'bare' },
      img_signature: await files.signature(keyType, 'data', ...options),
      img_signature_hash_method: hash,
      img_signature_key_type: keyType,
      img_signature_certificate_uuid: certificate ?? stored.get(keyType),
    });
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { id: string }).id;
  };

  const upload = async (login: Login, id: string, body = data): Promise<Response> =>
    await ask(login, `/${id}/file`, 'PUT', body);

  const shown = async (login: Login, id: string): Promise<Shown> =>
    (await (await ask(login, `/${id}`)).json()) as Shown;

  /** The image is as it was before its data came, of which nothing is kept. */
  async function expectNothingLeft(login: Login, id: string): Promise<void> {
    expect(await shown(login, id)).toMatchObject({ status: 'queued', size: null, checksum: null });
    expect((await ask(login, `/${id}/file`)).status).toBe(204);
    expect(await deployment.filesInStore()).toEqual([]);
  }

  /** Its data is what was signed, and it goes again. */
  async function expectActive(login: Login, id: string): Promise<void> {
    expect(await shown(login, id)).toMatchObject({ status: 'active', size: data.length });
    const copy = await ask(login, `/${id}/file`);
    expect(Buffer.from(await copy.arrayBuffer()).equals(data)).toBe(true);
    await remove(login, id);
  }

  async function remove(login: Login, id: string): Promise<void> {
    expect((await ask(login, `/${id}`, 'DELETE')).status).toBe(204);
    await eventually(async () => {
      expect(await deployment.filesInStore()).toEqual([]);
    });
  }

  /** Lines of the log about the image. */
  const logged = (id: string): string[] =>
    deployment
      .logs()
      .split('\n')
      .filter((line) => line.includes(`/${id}`));

  it.each(Object.keys(KEY_TYPES) as KeyType[])(
    'are active with the data that a key of type %s signed, and with no other',
    async (keyType) => {
      for (const hash of HASH_METHODS) {
        const id = await create(signer, { keyType, hash });
        const refused = await upload(signer, id, tampered);
        expect(refused.status).toBe(400);
        expect(await refused.text()).toContain('the data is not what was signed');
        await expectNothingLeft(signer, id);
        expect((await upload(signer, id)).status).toBe(204);
        await expectActive(signer, id);
      }
    },
  );

  const file = (name: string): string => files.file(`RSA-PSS.${name}`);
  const base64 = async (name: string): Promise<string> =>
    (await readFile(file(name))).toString('base64');
  const binary = ['-t', 'application/octet-stream', '-e', 'base64', '--payload'];

  it.each<[string, () => Promise<string>]>([
    ['PEM as text', () => barbican.store(signer, ['-t', 'text/plain', '--file', file('crt')])],
    ['PEM as bytes', () => barbican.store(signer, ['--file', file('crt')])],
    ['DER in base64', async () => barbican.store(signer, [...binary, await base64('der')])],
    [
      'PEM in base64 of several lines',
      async () =>
        barbican.store(signer, [...binary, (await base64('crt')).replace(/.{76}/g, '$&\n')]),
    ],
    [
      'base64 of DER as text',
      async () => barbican.store(signer, ['-t', 'text/plain', '--payload', await base64('der')]),
    ],
    ['DER as it is', async () => barbican.storeBytes(signer, await readFile(file('der')))],
  ])('are verified by a certificate that was stored in the form %s', async (_, store) => {
    const id = await create(signer, { certificate: await store() });
    expect((await upload(signer, id, tampered)).status).toBe(400);
    await expectNothingLeft(signer, id);
    expect((await upload(signer, id)).status).toBe(204);
    await expectActive(signer, id);
  });

  it('are refused without their certificate, and the log says why', async () => {
    const certificate = randomUUID();
    const id = await create(signer, { certificate });
    const refused = await upload(signer, id);
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain(
      `there is no certificate ${certificate}, or it may not be read`,
    );
    await expectNothingLeft(signer, id);
    const url = `${barbican.url}/v1/secrets/${certificate}`;
    expect(logged(id)).toContainEqual(expect.stringContaining(`caused by: GET ${url}: status 404`));
    await remove(signer, id);
  });

  it('are refused with what is no certificate', async () => {
    const secret = ['-t', 'text/plain', '--payload', 'no certificate at all!'];
    const id = await create(signer, { certificate: await barbican.store(signer, secret) });
    const refused = await upload(signer, id);
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('is no X.509 certificate');
    await expectNothingLeft(signer, id);
    await remove(signer, id);
  });

  it('are refused with a certificate of another project, until that shares it', async () => {
    const certificate = await barbican.store(signer, ['--file', files.file('DSA.crt')]);
    const id = await create(stranger, { keyType: 'DSA', certificate });
    const refused = await upload(stranger, id);
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain(
      `there is no certificate ${certificate}, or it may not be read`,
    );
    await expectNothingLeft(stranger, id);
    const url = `${barbican.url}/v1/secrets/${certificate}`;
    expect(logged(id)).toContainEqual(expect.stringContaining(`caused by: GET ${url}: status 403`));
    await barbican.share(signer, certificate, stranger.user);
    expect((await upload(stranger, id)).status).toBe(204);
    await expectActive(stranger, id);
  });

  it('are imported when their data is what was signed', async () => {
    const staged = async (certificate: string | undefined, body: Buffer): Promise<string> => {
      const id = await create(signer, { certificate });
      expect((await ask(signer, `/${id}/stage`, 'PUT', body)).status).toBe(204);
      return id;
    };
    const begin = (id: string): Promise<Response> =>
      ask(signer, `/${id}/import`, 'POST', { method: { name: 'glance-direct' } });
    const imported = async (body: Buffer): Promise<string> => {
      const id = await staged(undefined, body);
      expect((await begin(id)).status).toBe(202);
      await eventually(async () => {
        expect((await shown(signer, id)).status).not.toBe('importing');
      });
      return id;
    };
    await expectActive(signer, await imported(data));
    const failed = await imported(tampered);
    await expectNothingLeft(signer, failed);
    const tasks = await (await ask(signer, `/${failed}/tasks`)).text();
    expect(tasks).toContain('the data is not what was signed');
    await remove(signer, failed);
    const refused = await staged(randomUUID(), data);
    expect((await begin(refused)).status).toBe(400);
    expect(await shown(signer, refused)).toMatchObject({ status: 'uploading' });
    await remove(signer, refused);
    await eventually(async () => {
      const names = await readdir(deployment.stagingDirectory(0), { recursive: true });
      expect(names.filter((name) => /[0-9a-f]{8}-/.test(name))).toEqual([]);
    });
  });

  it('wait for a key manager that is down', async () => {
    const id = await create(signer);
    await barbican.stopServing();
    try {
      const answer = await upload(signer, id);
      expect(answer.status).toBe(503);
      expect(await answer.text()).toContain('The key manager');
      await expectNothingLeft(signer, id);
      expect(logged(id)).toContainEqual(expect.stringContaining('ECONNREFUSED'));
    } finally {
      await barbican.serve();
    }
    expect((await upload(signer, id)).status).toBe(204);
    await expectActive(signer, id);
  });
}
