import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import Ajv from 'ajv';
import request from 'supertest';
import { startTestApi, startTestApiWith, type TestApi } from '../../testing/test-api';

const MEMBER = 'alice:demo:member,reader';
const SHIPPED = path.join(__dirname, '../../../../../deploy/etc');

const schemaOf = async (server: TestApi, name: string) =>
  (await request(server.url).get(`/v2/schemas/${name}`).set('x-auth-token', MEMBER).expect(200))
    .body;
const create = (server: TestApi, image: object) =>
  request(server.url).post('/v2/images').set('x-auth-token', MEMBER).send(image);
/** What does not match its schema is told by its place. */
const faults = (schema: object, value: unknown): unknown => {
  const ajv = new Ajv({ strict: false });
  return ajv.validate(schema, value) ? [] : ajv.errors;
};

describe('published schemas', () => {
  let server: TestApi;

  beforeAll(async () => {
    server = await startTestApi();
  });

  afterAll(async () => {
    await server.close();
  });

  // §18 Versions, schemas
  it('tell exactly the base properties when nothing is declared', async () => {
    const image = await schemaOf(server, 'image');
    expect(Object.keys(image.properties)).toHaveLength(25);
    expect(Object.keys(image).sort()).toEqual([
      'additionalProperties',
      'links',
      'name',
      'properties',
    ]);
    expect(image.properties.status.enum).toEqual(
      expect.arrayContaining(['uploading', 'importing', 'pending_delete']),
    );
    expect(image.properties.disk_format.enum[0]).toBeNull();
    for (const property of Object.values<{ description?: string; is_base?: boolean }>(
      image.properties,
    )) {
      expect(property.description).toEqual(expect.any(String));
      expect(property).not.toHaveProperty('is_base');
    }
    expect((await schemaOf(server, 'images')).properties.images.items).toEqual(image);
  });

  it('tell what a member is', async () => {
    const member = await schemaOf(server, 'member');
    expect(member.name).toBe('member');
    expect(Object.keys(member.properties).sort()).toEqual([
      'created_at',
      'image_id',
      'member_id',
      'schema',
      'status',
      'updated_at',
    ]);
    expect(member.properties.status.enum).toEqual(['pending', 'accepted', 'rejected']);
    const members = await schemaOf(server, 'members');
    expect(members.properties.members.items).toEqual(member);
  });

  it('follow the configured formats', async () => {
    const other = await startTestApi('--image-format-disk-formats=raw,floppy');
    try {
      const { disk_format: format } = (await schemaOf(other, 'image')).properties;
      expect(format.enum).toEqual([null, 'raw', 'floppy']);
      await create(other, { disk_format: 'floppy' }).expect(201);
      await create(other, { disk_format: 'qcow2' }).expect(400);
    } finally {
      await other.close();
    }
  });

  it('describe the images that are answered', async () => {
    const schema = await schemaOf(server, 'image');
    for (const image of [
      {},
      { name: 'n', disk_format: 'raw', container_format: 'bare', tags: ['a'], key: 'value' },
    ]) {
      const { body } = await create(server, image).expect(201);
      expect(faults(schema, body)).toEqual([]);
    }
    expect(faults(schema, { id: 'gabe' })).not.toEqual([]);
  });

  it.each(['nothing', 'tasks/x', 'metadefs/nothing', ''])('are not told of %p', async (name) => {
    await request(server.url).get(`/v2/schemas/${name}`).set('x-auth-token', MEMBER).expect(404);
  });

  it('are for callers with credentials, without a body, and read only', async () => {
    const call = request.agent(server.url);
    await call.get('/v2/schemas/image').expect(401);
    call.set('x-auth-token', MEMBER);
    await call.get('/v2/schemas/image').send({}).expect(400);
    const answer = await call.post('/v2/schemas/image').expect(405);
    expect(answer.headers['allow']).toBe('GET');
    await call.head('/v2/schemas/image').expect(405);
  });
});

describe('schema-image.json', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'schema-image-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  const start = () => startTestApiWith({ configDirectories: [directory] });
  const declare = (text: string) => writeFile(path.join(directory, 'schema-image.json'), text);

  async function withDeclared(
    document: object,
    test: (server: TestApi) => Promise<void>,
  ): Promise<void> {
    await declare(JSON.stringify(document));
    const server = await start();
    try {
      await test(server);
    } finally {
      await server.close();
    }
  }

  it.each([
    ['flat', { os_distro: { type: 'string', maxLength: 5 } }],
    ['extended', { properties: { os_distro: { type: 'string', maxLength: 5 } }, required: [] }],
  ])('declares properties in the %s form', async (_form, document) => {
    await withDeclared(document, async (server) => {
      const schema = await schemaOf(server, 'image');
      expect(schema.properties.os_distro).toEqual({ type: 'string', maxLength: 5, is_base: false });
      expect(schema).not.toHaveProperty('required');
      const { text } = await create(server, { os_distro: 'solaris' }).expect(400);
      expect(text).toContain("Provided object does not match schema 'image': 'os_distro'");
      expect((await create(server, { os_distro: 'arch' }).expect(201)).body.os_distro).toBe('arch');
    });
  });

  it('makes properties required', async () => {
    const document = { properties: { team: { type: 'string' } }, required: ['team'] };
    await withDeclared(document, async (server) => {
      expect((await schemaOf(server, 'image')).required).toEqual(['team']);
      await create(server, {}).expect(400);
      await create(server, { team: 'a' }).expect(201);
    });
  });

  it('gives properties types, in requests and in answers', async () => {
    const document = {
      cpus: { type: 'integer' },
      uefi: { type: ['boolean', 'null'] },
      sizes: { type: 'array', items: { type: 'number' } },
      level: { enum: [1, 'high'] },
      kernel_id: { type: ['null', 'string'], pattern: '^[a-f0-9\\-]*$' },
    };
    const given = { cpus: 4, uefi: null, sizes: [1, 2.5], level: 1, kernel_id: null };
    await withDeclared(document, async (server) => {
      const { body } = await create(server, given).expect(201);
      expect(body).toMatchObject(given);
      expect(faults(await schemaOf(server, 'image'), body)).toEqual([]);
      const words = { level: 'high', kernel_id: '12' };
      expect((await create(server, words).expect(201)).body).toMatchObject(words);
      for (const wrong of [{ cpus: '4' }, { uefi: 'true' }, { sizes: 1 }, { level: 2 }]) {
        await create(server, wrong).expect(400);
      }
    });
  });

  it('shows what API v1 stored against the declared type as it is', async () => {
    await withDeclared({ cpus: { type: 'integer' } }, async (server) => {
      const call = request.agent(server.url).set('x-auth-token', MEMBER);
      const reserve = async (cpus: string): Promise<string> => {
        const answer = await call.post('/v1/images').set({
          'x-image-meta-name': 'x',
          'x-image-meta-property-cpus': cpus,
        });
        return answer.body.image.id;
      };
      const cpusOf = async (id: string): Promise<unknown> =>
        (await call.get(`/v2/images/${id}`).expect(200)).body.cpus;
      expect(await cpusOf(await reserve('many'))).toBe('many');
      expect(await cpusOf(await reserve('8'))).toBe(8);
    });
  });

  it.each([
    ['another definition of a base property', '{"name": {"type": "integer"}}', "'name'"],
    ['a property without a schema', '{"team": "string"}', "'team'"],
    ['a property with a wrong schema', '{"team": {"type": "text"}}', "'team'"],
    ['required names that are no list', '{"properties": {}, "required": "a"}', "'required'"],
    ['a list', '[]', 'must be a JSON object'],
    ['broken JSON', '{"team": ', 'JSON'],
  ])('stops the start with %s', async (_what, text, words) => {
    await declare(text);
    const file = path.join(directory, 'schema-image.json');
    await expect(start()).rejects.toThrow(file);
    await expect(start()).rejects.toThrow(words);
  });

  it('is there as a sample that works', async () => {
    const server = await startTestApiWith({ configDirectories: [SHIPPED] });
    try {
      const { properties } = await schemaOf(server, 'image');
      expect(Object.keys(properties).slice(25)).toEqual([
        'kernel_id',
        'ramdisk_id',
        'instance_uuid',
        'architecture',
        'os_distro',
        'os_version',
        'description',
        'cinder_encryption_key_id',
        'cinder_encryption_key_deletion_policy',
      ]);
      await create(server, { kernel_id: null, os_distro: 'debian' }).expect(201);
      await create(server, { kernel_id: 'none' }).expect(400);
    } finally {
      await server.close();
    }
  });
});
