import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeWithClients, runClient } from './support/clients';
import { DATABASES, Deployment } from './support/deployment';
import { IdentityServer } from './support/identity';

jest.setTimeout(240_000);

const ADMIN = 'root:ops:admin,member,reader';
const ALICE = 'alice:project-a:member,reader';
const BOB = 'bob:project-b:member,reader';

/** Runs commands of the unmodified glance client one after another, without starting it anew for each. */
const RUN_COMMANDS = `
import contextlib, io, json, sys
from glanceclient import shell
results = []
for argv in json.load(open(sys.argv[1])):
    out = io.StringIO()
    error = None
    try:
        with contextlib.redirect_stdout(out):
            shell.OpenStackImagesShell().main(argv)
    except SystemExit as exit:
        error = str(exit.code) if exit.code else None
    except Exception as failure:
        error = str(failure)
    results.append({'out': out.getvalue(), 'error': error})
print('RESULTS' + json.dumps(results))
`;

interface Result {
  out: string;
  error: string | null;
}

const DEFINITION = { title: 'CPU policy', type: 'string', enum: ['shared', 'dedicated'] };
const json = (value: unknown): string => JSON.stringify(value);

describeWithClients().each(DATABASES)('metadata definitions on %s', (database) => {
  let deployment: Deployment;
  let identity: IdentityServer;

  beforeAll(async () => {
    deployment = await Deployment.start({ database, nodes: 2, flavor: 'fakeauth' });
    const names = ['ops', 'project-a', 'project-b'];
    identity = await IdentityServer.start(
      deployment.apiUrl,
      names.map((name) => ({ id: name, name })),
    );
    await writeFile(path.join(deployment.directory, 'run.py'), RUN_COMMANDS);
  });

  afterAll(async () => {
    await identity.stop();
    await deployment.stop();
  });

  async function run(token: string, commands: string[][]): Promise<Result[]> {
    const file = path.join(deployment.directory, `${randomUUID()}.json`);
    await writeFile(file, json(commands));
    const script = path.join(deployment.directory, 'run.py');
    const environment = identity.environment(token);
    const out = (await runClient('python3', [script, file], { environment })).toString();
    return JSON.parse(out.slice(out.indexOf('RESULTS') + 'RESULTS'.length)) as Result[];
  }

  /** All of them succeed. @returns what they print */
  async function succeed(token: string, ...commands: string[][]): Promise<string[]> {
    const results = await run(token, commands);
    const failed = results.flatMap(({ error }, index) =>
      error === null ? [] : [`glance ${commands[index]!.join(' ')}: ${error}`],
    );
    expect(failed).toEqual([]);
    return results.map(({ out }) => out);
  }

  async function refused(token: string, ...commands: string[][]): Promise<(string | null)[]> {
    return (await run(token, commands)).map(({ error }) => error);
  }

  it('are kept by every md- command of the glance client', async () => {
    const whole = path.join(deployment.directory, 'whole.json');
    await writeFile(
      whole,
      json({
        namespace: 'Imported',
        visibility: 'public',
        resource_type_associations: [{ name: 'OS::Glance::Image', prefix: 'hw_' }],
        properties: { policy: DEFINITION },
        objects: [{ name: 'Group', properties: { inner: DEFINITION } }],
        tags: [{ name: 'one' }],
      }),
    );
    const shown = await succeed(
      ADMIN,
      ['md-namespace-create', 'OS::Made', '--visibility', 'public', '--display-name', 'Made'],
      ['md-namespace-import', '--file', whole],
      ['md-namespace-update', 'OS::Made', '--description', 'Changed', '--visibility', 'public'],
      ['md-namespace-list', '--page-size', '1'],
      ['md-namespace-list', '--resource-types', 'OS::Glance::Image'],
      ['md-namespace-show', 'Imported', '--resource-type', 'OS::Glance::Image'],
      [
        'md-property-create',
        'OS::Made',
        '--name',
        'p',
        '--title',
        'P',
        '--schema',
        json(DEFINITION),
      ],
      ['md-property-update', 'OS::Made', 'p', '--name', 'q'],
      ['md-property-list', 'OS::Made'],
      ['md-property-show', 'OS::Made', 'q'],
      [
        'md-object-create',
        'OS::Made',
        '--name',
        'o',
        '--schema',
        json({ properties: { p: DEFINITION } }),
      ],
      ['md-object-update', 'OS::Made', 'o', '--name', 'object'],
      ['md-object-list', 'OS::Made'],
      ['md-object-show', 'OS::Made', 'object'],
      ['md-object-property-show', 'OS::Made', 'object', 'p'],
      ['md-tag-create', 'OS::Made', '--name', 'single'],
      ['md-tag-create-multiple', 'OS::Made', '--names', 'x,single', '--delim', ','],
      ['md-tag-update', 'OS::Made', 'x', '--name', 'z'],
      ['md-tag-list', 'OS::Made'],
      ['md-tag-show', 'OS::Made', 'z'],
      ['md-resource-type-associate', 'OS::Made', '--name', 'OS::Nova::Flavor', '--prefix', 'fl:'],
      ['md-namespace-resource-type-list', 'OS::Made'],
      ['md-resource-type-list'],
    );
    const names = [
      ...['create', 'import', 'update', 'pages', 'filtered', 'namespace'],
      ...['property-create', 'property-update', 'properties', 'property'],
      ...['object-create', 'object-update', 'objects', 'object', 'object-property'],
      ...[
        'tag-create',
        'tags-create',
        'tag-update',
        'tags',
        'tag',
        'associate',
        'types-of',
        'types',
      ],
    ];
    const output = (name: string): string => shown[names.indexOf(name)]!;
    expect(output('pages')).toMatch(/OS::Made[^]*Imported|Imported[^]*OS::Made/);
    expect(output('filtered')).toContain('Imported');
    expect(output('filtered')).not.toContain('OS::Made');
    expect(output('namespace')).toContain('hw_policy');
    expect(output('namespace')).toContain('["Group"]');
    expect(output('properties')).toMatch(/\| q +\| CPU policy +\| string/);
    expect(output('property')).toContain('dedicated');
    expect(output('objects')).toContain('object');
    expect(output('object-property')).toContain('CPU policy');
    expect(output('tags')).toMatch(/\| single /);
    expect(output('tags')).toMatch(/\| z /);
    expect(output('tags')).not.toMatch(/\| x /);
    expect(output('types-of')).toContain('fl:');
    expect(output('types')).toContain('OS::Glance::Image');

    await succeed(
      ADMIN,
      ['md-resource-type-deassociate', 'OS::Made', 'OS::Nova::Flavor'],
      ['md-tag-delete', 'OS::Made', 'z'],
      ['md-object-delete', 'OS::Made', 'object'],
      ['md-property-delete', 'OS::Made', 'q'],
      ['md-namespace-tags-delete', 'Imported'],
      ['md-namespace-objects-delete', 'Imported'],
      ['md-namespace-properties-delete', 'Imported'],
      ['md-namespace-delete', 'Imported'],
      ['md-namespace-delete', 'OS::Made'],
    );
    const [list] = await succeed(ADMIN, ['md-namespace-list']);
    expect(list).not.toMatch(/Made|Imported/);
  });

  it('show each project what is public or its own, and change for administrators alone', async () => {
    await succeed(
      ADMIN,
      ['md-namespace-create', 'Open', '--visibility', 'public', '--protected', 'True'],
      ['md-namespace-create', 'Hers', '--owner', 'project-a'],
      ['md-namespace-create', 'His', '--owner', 'project-b'],
    );
    const [hers, his] = await Promise.all([
      succeed(ALICE, ['md-namespace-list'], ['md-namespace-show', 'Hers']),
      succeed(BOB, ['md-namespace-list'], ['md-namespace-show', 'His']),
    ]);
    const listed = (text: string): string[] =>
      ['Hers', 'His', 'Open'].filter((name) => new RegExp(`\\| ${name} `).test(text));
    expect(listed(hers[0]!)).toEqual(['Hers', 'Open']);
    expect(listed(his[0]!)).toEqual(['His', 'Open']);
    const refusals = await refused(
      ALICE,
      ['md-namespace-show', 'His'],
      ['md-namespace-delete', 'Hers'],
      ['md-tag-create', 'Open', '--name', 'mine'],
      ['md-namespace-create', 'Mine'],
    );
    expect(refusals).toEqual([
      expect.stringContaining('404'),
      ...Array.from({ length: 3 }, (): unknown => expect.stringContaining('403')),
    ]);
    const [guarded] = await refused(ADMIN, ['md-namespace-delete', 'Open']);
    expect(guarded).toMatch(/403.*protected/);
    await succeed(
      ADMIN,
      ['md-namespace-update', 'Open', '--protected', 'False'],
      ...['Open', 'Hers', 'His'].map((name) => ['md-namespace-delete', name]),
    );
  });
});
