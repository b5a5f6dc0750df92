import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describeEachDatabase } from '../testing/test-databases';
import { runManage } from './run-manage';

/** The definitions for a fresh start. */
const OUR_FILES = path.resolve(__dirname, '../../../../deploy/etc/metadefs');
/** Where upstream's package has its definitions. */
const UPSTREAM_FILES = '/etc/glance/metadefs';

interface Outcome {
  code: number;
  out: string;
  err: string;
}

type Document = Record<string, unknown>;

const PLAIN: Document = {
  namespace: 'OS::Plain',
  display_name: 'Plain: a_namespace!',
  description: 'Naïve ☃',
  visibility: 'public',
  protected: true,
  owner: 'a-project',
  resource_type_associations: [
    { name: 'OS::Glance::Image', prefix: 'hw_', properties_target: null },
    { name: 'OS::Nova::Flavor', prefix: null, properties_target: 'x' },
  ],
  properties: {
    cores: { title: 'Cores', type: 'integer', minimum: 1, default: 4, unknown: { kept: [null] } },
    mode: { title: '', type: 'string', enum: ['a', 'b'], description: 'Modus ü' },
  },
  objects: [
    {
      name: 'CPU',
      description: null,
      required: ['cores'],
      properties: { cores: { title: 'Cores', type: 'integer' } },
    },
    { name: 'bare', description: 'of nothing', properties: {} },
  ],
  tags: [{ name: 'one' }, { name: 'two' }],
};

describeEachDatabase('the commands of metadata definitions', (current) => {
  let directory: string;
  let config: string;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-metadefs-'));
    config = path.join(directory, 'glance.conf');
    const url = current().url.replace('mysql://', 'mysql+pymysql://');
    await writeFile(
      config,
      `[DEFAULT]\nmetadata_source_path = ${directory}/files\n[database]\nconnection = ${url}\n`,
    );
    await mkdir(path.join(directory, 'files'));
  });

  afterEach(async () => {
    await manage('db', 'unload_metadefs');
    await rm(directory, { recursive: true });
  });

  async function manage(...words: string[]): Promise<Outcome> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runManage({
      argv: ['--config-file', config, ...words],
      env: {},
      defaultFiles: [],
      print: (line) => out.push(line),
      printError: (line) => err.push(line),
      isTerminal: false,
    });
    return { code, out: out.join('\n'), err: err.join('\n') };
  }

  const file = (name: string): string => path.join(directory, 'files', name);
  const write = (name: string, document: Document | string): Promise<void> =>
    writeFile(file(name), typeof document === 'string' ? document : JSON.stringify(document));

  /** Everything that is in the tables, without ids and times. */
  async function catalogue(): Promise<Record<string, unknown[]>> {
    const { knex } = current().database;
    const spaces = (await knex('metadef_namespaces').select()) as {
      id: number;
      namespace: string;
    }[];
    const types = (await knex('metadef_resource_types').select()) as { id: number; name: string }[];
    const nameOf = (rows: { id: number }[], id: unknown): unknown =>
      Object.entries(rows.find((row) => row.id === id) ?? {})[1]?.[1];
    const found: Record<string, unknown[]> = {};
    for (const table of [
      'namespaces',
      'namespace_resource_types',
      'objects',
      'properties',
      'tags',
      'resource_types',
    ]) {
      const rows = (await knex(`metadef_${table}`).select()) as Document[];
      found[table] = rows
        .map(({ id: _, created_at: _c, updated_at: _u, ...row }) =>
          JSON.stringify({
            ...row,
            ...('namespace_id' in row ? { namespace_id: nameOf(spaces, row['namespace_id']) } : {}),
            ...('resource_type_id' in row
              ? { resource_type_id: nameOf(types, row['resource_type_id']) }
              : {}),
          }),
        )
        .sort();
    }
    return found;
  }

  const namesIn = async (table: string): Promise<unknown[]> => {
    const rows = (await current().database.knex(table).orderBy('id')) as { name: string }[];
    return rows.map(({ name }) => name);
  };

  it('load files, export them and load them again to the same content', async () => {
    await write('plain.json', PLAIN);
    await write('least.json', { namespace: 'OS::Least' });
    await write('not-json.txt', '{');
    expect(await manage('db', 'load_metadefs')).toEqual({
      code: 0,
      out: `Loaded 2 of 2 files of ${directory}/files.`,
      err: '',
    });
    const loaded = await catalogue();
    expect(loaded['objects']?.map((each) => JSON.parse(each as string) as unknown)).toEqual([
      {
        namespace_id: 'OS::Plain',
        name: 'CPU',
        description: null,
        required: 'cores',
        json_schema: '{"cores":{"title":"Cores","type":"integer"}}',
      },
      {
        namespace_id: 'OS::Plain',
        name: 'bare',
        description: 'of nothing',
        required: null,
        json_schema: '{}',
      },
    ]);
    const rows = (await current().database.knex('metadef_namespaces').orderBy('id')) as Document[];
    expect(rows.map((row) => [row['owner'], row['updated_at']])).toEqual([
      ['admin', null],
      ['a-project', null],
    ]);
    const types = (await current()
      .database.knex('metadef_resource_types')
      .orderBy('id')) as Document[];
    expect(types.map((row) => row['protected'])).toEqual([1, 1]);

    const target = path.join(directory, 'exported');
    await mkdir(target);
    const exported = await manage('db', 'export_metadefs', '--path', target);
    expect(exported).toMatchObject({ code: 0, err: '' });
    expect((await readdir(target)).sort()).toEqual(['OSLeast.json', 'Plainanamespace.json']);
    const text = await readFile(path.join(target, 'Plainanamespace.json'), 'utf8');
    expect(JSON.parse(text)).toEqual(PLAIN);
    expect((await manage('db', 'unload_metadefs')).out).toContain(
      'Table metadef_resource_types has been cleared',
    );
    expect(Object.values(await catalogue()).flat()).toEqual([]);
    expect((await manage('db', 'load_metadefs', '--path', target)).code).toBe(0);
    expect(await catalogue()).toEqual(loaded);
  });

  it('take the definitions that come with the service, beside upstream’s', async () => {
    const names = await readdir(OUR_FILES);
    const load = await manage('db', 'load_metadefs', '--path', OUR_FILES);
    expect(load).toMatchObject({ code: 0, err: '' });
    expect(load.out).toContain(`Loaded ${names.length} of ${names.length} files`);
    expect(await namesIn('metadef_properties')).toEqual(
      expect.arrayContaining(['hw_disk_bus', 'hw_cpu_policy', 'os_distro', 'img_hv_type']),
    );
    if (!existsSync(UPSTREAM_FILES)) return;
    const upstream = await manage('db', 'load_metadefs', '--path', UPSTREAM_FILES);
    expect(upstream.out).toMatch(/Loaded (\d+) of \1 files/);
  });

  (existsSync(UPSTREAM_FILES) ? it : it.skip)(
    'take every file of upstream’s package, and give back the same content',
    async () => {
      const names = (await readdir(UPSTREAM_FILES)).filter((name) => name.endsWith('.json'));
      expect(names.length).toBeGreaterThan(20);
      const outcome = await manage('db', 'load_metadefs', '--path', UPSTREAM_FILES);
      expect(outcome).toMatchObject({ code: 0, err: '' });
      expect(outcome.out).toContain(`Loaded ${names.length} of ${names.length} files`);
      const loaded = await catalogue();
      await manage('db_export_metadefs', path.join(directory, 'files'));
      expect(await readdir(path.join(directory, 'files'))).toHaveLength(names.length);
      await manage('db_unload_metadefs');
      expect((await manage('db_load_metadefs')).code).toBe(0);
      expect(await catalogue()).toEqual(loaded);
    },
  );

  describe('for a namespace that is there', () => {
    const NEWER: Document = {
      namespace: 'OS::Plain',
      display_name: 'Newer',
      visibility: 'private',
      resource_type_associations: [
        { name: 'OS::Glance::Image', prefix: 'new_' },
        { name: 'OS::Cinder::Volume' },
      ],
      properties: {
        cores: { title: 'Newer', type: 'number' },
        more: { title: '', type: 'string' },
      },
      tags: [{ name: 'two' }, { name: 'three' }],
    };

    beforeEach(async () => {
      await write('a.json', PLAIN);
      await manage('db', 'load_metadefs', '--path', file('a.json'));
      await write('a.json', NEWER);
    });

    const state = async () => {
      const { knex } = current().database;
      const row = (await knex('metadef_namespaces').first()) as Document;
      const cores = (await knex('metadef_properties').where({ name: 'cores' }).first()) as Document;
      const image = (await knex('metadef_namespace_resource_types').orderBy(
        'resource_type_id',
      )) as Document[];
      return {
        display: row['display_name'],
        cores: (JSON.parse(cores['json_schema'] as string) as Document)['title'],
        prefixes: image.map((each) => each['prefix']),
        properties: await namesIn('metadef_properties'),
        tags: await namesIn('metadef_tags'),
        objects: await namesIn('metadef_objects'),
      };
    };

    it.each([
      [
        [],
        {
          display: PLAIN['display_name'],
          cores: 'Cores',
          prefixes: ['hw_', null],
          properties: ['cores', 'mode'],
          tags: ['one', 'two'],
          objects: ['CPU', 'bare'],
        },
      ],
      [
        ['merge'],
        {
          display: PLAIN['display_name'],
          cores: 'Cores',
          prefixes: ['hw_', null, null],
          properties: ['cores', 'mode', 'more'],
          tags: ['one', 'two', 'three'],
          objects: ['CPU', 'bare'],
        },
      ],
      [
        ['merge', 'prefer_new'],
        {
          display: 'Newer',
          cores: 'Newer',
          prefixes: ['new_', null, null],
          properties: ['cores', 'mode', 'more'],
          tags: ['one', 'two', 'three'],
          objects: ['CPU', 'bare'],
        },
      ],
      [
        ['merge', 'overwrite'],
        {
          display: 'Newer',
          cores: 'Newer',
          prefixes: ['new_', null],
          properties: ['cores', 'more'],
          tags: ['two', 'three'],
          objects: [],
        },
      ],
    ] as const)('do what %j says', async (modes, expected) => {
      const flags = modes.map((mode) => `--${mode}`);
      const { code, out } = await manage('db', 'load_metadefs', ...flags);
      expect(code).toBe(0);
      if (modes.length === 0) expect(out).toMatch(/^Skipping namespace OS::Plain\./);
      expect(await state()).toEqual(expected);
    });

    it('take the modes as words after the path too', async () => {
      const { code } = await manage('db_load_metadefs', file('a.json'), 'True', '', 'yes');
      expect(code).toBe(0);
      expect(await state()).toMatchObject({ display: 'Newer', objects: [] });
    });

    it.each([
      [['--prefer_new']],
      [['--overwrite']],
      [['--merge', '--prefer-new', '--overwrite']],
      [['--merge=no']],
    ])('refuse %j', async (flags) => {
      const { code, err } = await manage('db', 'load_metadefs', ...flags);
      expect(code).toBe(1);
      expect(err).toMatch(/--/);
      expect(await state()).toMatchObject({ display: PLAIN['display_name'] });
    });
  });

  describe('refuse a bad file with its place and the reason, and load nothing', () => {
    const property = (definition: unknown): Document => ({
      namespace: 'OS::Bad',
      properties: { hw_x: definition },
    });

    it.each<[string, Document | string, string]>([
      ['no JSON', '{"namespace": ', 'no JSON in UTF-8'],
      ['a name given twice', '{"namespace": "a", "namespace": "b"}', 'no JSON in UTF-8'],
      ['no object', '[]', 'must be of type object'],
      ['no namespace', {}, 'namespace: is required'],
      ['a long name', { namespace: 'x'.repeat(81) }, 'namespace: length must be less than'],
      ['an unknown word', { namespace: 'OS::Bad', propertys: {} }, 'propertys: is not allowed'],
      [
        'a visibility that is none',
        { namespace: 'OS::Bad', visibility: 'shared' },
        'visibility: must be one of',
      ],
      ['a type that is none', property({ title: 'x', type: 'int' }), 'properties.hw_x.type: must'],
      ['no title', property({ type: 'string' }), 'properties.hw_x.title: is required'],
      ['no definition', property('string'), 'properties.hw_x: must be of type object'],
      [
        'a property of an object',
        {
          namespace: 'OS::Bad',
          objects: [{ name: 'a' }, { name: 'o', properties: { p: { title: '', type: 1 } } }],
        },
        'objects[1].properties.p.type: must be one of',
      ],
      [
        'a four-byte character',
        property({ title: '😀', type: 'string' }),
        "properties.hw_x: can't contain 4 byte unicode characters",
      ],
      ['a tag that is a text', { namespace: 'OS::Bad', tags: ['t'] }, 'tags[0]: must be of type'],
      [
        'a tag twice',
        { namespace: 'OS::Bad', tags: [{ name: 'a' }, { name: 'a' }] },
        'A metadata definition tag with name=a already exists in namespace=OS::Bad.',
      ],
    ])('%s', async (_what, document, reason) => {
      await write('a-good.json', PLAIN);
      await write('bad.json', document);
      const { code, out, err } = await manage('db', 'load_metadefs');
      expect([code, out]).toEqual([1, '']);
      expect(err).toContain(`${file('bad.json')}: ${reason}`);
      expect(Object.values(await catalogue()).flat()).toEqual([]);
    });

    it('all bad files at once', async () => {
      await write('1.json', {});
      await write('2.json', '');
      const { err } = await manage('db', 'load_metadefs');
      expect(err.split('\n')).toHaveLength(2);
    });
  });

  it('say when there is nothing to load', async () => {
    const none = await manage('db', 'load_metadefs');
    expect(none.code).toBe(1);
    expect(none.err).toContain(`no file of definitions (*.json) in ${directory}/files`);
    const missing = await manage('db', 'load_metadefs', '--path', '/nowhere/at all');
    expect(missing.code).toBe(1);
    expect(missing.err).toContain('/nowhere/at all cannot be read');
  });

  it('export namespaces of one display name to files of their own', async () => {
    const displayed = (namespace: string, display_name: string | null) =>
      write(`${Math.random()}.json`, { namespace, display_name });
    await displayed('OS::A', 'Same name');
    await displayed('OS::B', 'same_name');
    await displayed('OSC', 'Same-Name');
    await displayed('OS::C', null);
    await manage('db', 'load_metadefs');
    const target = path.join(directory, 'exported');
    const failed = await manage('db', 'export_metadefs', '--path', target);
    expect(failed.code).toBe(1);
    expect(failed.err).toContain(`${target}/`);
    await mkdir(target);
    const { out } = await manage('db', 'export_metadefs', `--path=${target}`);
    expect((await readdir(target)).sort()).toEqual([
      'OSB.json',
      'OSC.json',
      'OSC2.json',
      'Samename.json',
    ]);
    for (const line of out.split('\n')) {
      const [, namespace, saved] = /^Namespace (.*) saved in (.*)$/.exec(line) ?? [];
      expect(JSON.parse(await readFile(saved ?? '', 'utf8'))).toMatchObject({ namespace });
    }
  });
});
