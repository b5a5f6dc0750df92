import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { DATABASES, ROOT, createMysqlDatabase } from './support/deployment';

jest.setTimeout(120_000);

const run = promisify(execFile);
const DOCKER = path.join(ROOT, 'deploy/docker');

interface Ended {
  code: number;
  out: string;
  err: string;
}

/** As in a container: the programs are on the PATH, and the words are its command. */
async function begin(words: string[], env: Record<string, string> = {}): Promise<Ended> {
  const [program = '', ...args] = words;
  const options = {
    env: {
      PATH: `${ROOT}/node_modules/.bin:${path.dirname(process.execPath)}:/usr/bin:/bin`,
      GLANCE_METADEFS: path.join(ROOT, 'deploy/etc/metadefs'),
      ...env,
    },
  };
  return await run(path.join(DOCKER, program), args, options).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    (error: unknown) => {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    },
  );
}

describe('what containers begin with', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-container-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  describe.each(DATABASES)('with a database on %s', (database) => {
    let file: string;
    let drop: () => Promise<void> = async () => undefined;

    beforeEach(async () => {
      file = path.join(directory, 'glance-registry.conf');
      let url = `sqlite:///${path.join(directory, 'glance.sqlite')}`;
      if (database === 'mysql') ({ url, drop } = await createMysqlDatabase());
      await writeFile(file, `[database]\nconnection = ${url}\n`);
    });

    afterEach(async () => {
      await drop();
    });

    const manage = async (...words: string[]): Promise<Ended> =>
      await begin(['glance-entrypoint', 'glance-manage', '--config-file', file, ...words]);

    it('makes the database where KOLLA_BOOTSTRAP is set, empty too, and ends', async () => {
      const command = ['glance-entrypoint', 'glance-registry', '--config-file', file];
      const first = await begin(command, { KOLLA_BOOTSTRAP: '' });
      expect(first.code).toBe(0);
      expect(first.out).toContain('Database is synced successfully.');
      expect(first.out).toContain('Loaded 4 of 4 files');
      const again = await begin(command, { KOLLA_BOOTSTRAP: 'yes' });
      expect(again.code).toBe(0);
      expect(again.out).toContain('No migrations needed.');
      expect((await manage('db', 'check')).code).toBe(0);
    });

    it('does the phases of an upgrade that are named, and ends', async () => {
      const command = ['glance-entrypoint', 'glance-registry', '--config-file', file];
      // 3: something is to be expanded; 0: nothing is to be done.
      expect((await manage('db', 'check')).code).toBe(3);
      for (const phase of ['EXPAND', 'MIGRATE', 'CONTRACT']) {
        const env = { KOLLA_UPGRADE: '', [`GLANCE_DB_${phase}`]: '' };
        expect(await begin(command, env)).toMatchObject({ code: 0 });
      }
      expect((await manage('db', 'check')).code).toBe(0);
    });

    it('fails where the database cannot be made', async () => {
      await writeFile(file, '[database]\nconnection = sqlite:////dev/null/glance.sqlite\n');
      const command = ['glance-entrypoint', 'glance-registry', '--config-file', file];
      const { code, out } = await begin(command, { KOLLA_BOOTSTRAP: '' });
      expect(code).not.toBe(0);
      expect(out).not.toContain('files');
    });
  });

  it('says in the api image that the database belongs to the other one', async () => {
    const { code, err } = await begin(['glance-entrypoint', 'glance-api'], { KOLLA_BOOTSTRAP: '' });
    expect(code).toBe(1);
    expect(err).toContain('are for the glance-registry image');
  });

  it('runs any other program as it is given', async () => {
    const { out } = await begin(['glance-entrypoint', 'echo', 'a word', 'b'], {
      KOLLA_BOOTSTRAP: '',
    });
    expect(out).toBe('a word b\n');
  });

  it('makes secrets once, that both services take', async () => {
    for (const each of ['service', 'database']) await mkdir(path.join(directory, each));
    const file = (name: string): string => path.join(directory, name);
    const names = ['service/key', 'database/database.conf', 'database/password'];
    const read = async (): Promise<string[]> =>
      await Promise.all(names.map(async (name) => await readFile(file(name), 'utf8')));
    // What a start that died has left is not taken for a secret.
    await writeFile(file('database/password'), '');

    expect(await begin(['make-secrets', 'db'], { GLANCE_SECRETS: directory })).toMatchObject({
      code: 0,
    });
    const first = await read();
    expect(await begin(['make-secrets', 'db'], { GLANCE_SECRETS: directory })).toMatchObject({
      code: 0,
    });
    expect(await read()).toEqual(first);

    const [service, database, password] = first;
    expect(service).toMatch(/^[0-9a-f]{64}$/);
    expect(service).not.toBe(password);
    expect(password).toMatch(/^[0-9a-f]{64}$/);
    expect(database).toBe(
      `[database]\nconnection = mysql+pymysql://glance:${password}@db/glance\n`,
    );
    for (const name of names) expect((await stat(file(name))).mode & 0o007).toBe(0);
  });
});
