import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import { check, type JournalEntry } from './support/checker';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { FaultProxy, type CommitFault } from './support/fault-proxy';

jest.setTimeout(180_000);

const FAULTS: CommitFault[] = ['lost answer', 'lost request'];

/** What a database behind a network does to a running service (reliability sheet §7). */
(DATABASES.includes('mysql') ? describe : describe.skip)('a database that', () => {
  let deployment: Deployment;
  let proxy: FaultProxy;
  let journal: JournalEntry[];

  beforeAll(async () => {
    const target = new URL(process.env['TEST_MYSQL_URL']!);
    proxy = await FaultProxy.start({ host: target.hostname, port: Number(target.port || 3306) });
    deployment = await Deployment.start({
      database: 'mysql',
      databasePort: proxy.port,
      registry: { uploads: ['lease_seconds = 8', 'sweep_interval = 0.5'] },
      api: {
        DEFAULT: ['wakeup_time = 0.5', 'deletion_grace = 2'],
        transfer: ['sweep_interval = 0.5'],
      },
    });
  });

  beforeEach(() => {
    journal = [];
  });

  afterEach(async () => {
    proxy.heal();
    expect(await check(deployment, journal, { settleMs: 40_000 })).toEqual([]);
  });

  afterAll(async () => {
    await deployment.stop();
    await proxy.close();
  });

  async function call(method: string, path: string, headers = {}, body?: Buffer) {
    const answer = await fetch(`${deployment.apiUrl}/v1/images${path}`, {
      method,
      headers: {
        ...headers,
        ...(body
          ? {
              'content-type': 'application/octet-stream',
              'x-image-meta-disk_format': 'raw',
              'x-image-meta-container_format': 'bare',
            }
          : {}),
      },
      ...(body ? { body } : {}),
    });
    await answer.arrayBuffer();
    return answer;
  }

  async function upload(): Promise<{ entry: JournalEntry; status: number }> {
    const id = randomUUID();
    const body = randomBytes(1000);
    const md5 = createHash('md5').update(body).digest('hex');
    const entry: JournalEntry = { id, md5, stored: false, deletion: 'no' };
    journal.push(entry);
    const { status } = await call('POST', '', { 'x-image-meta-id': id }, body);
    entry.stored = status === 201;
    return { entry, status };
  }

  // The transactions of an upload: claim, commit. A write that is repeated happens once.
  it.each(FAULTS.flatMap((fault) => [0, 1].map((after) => [fault, after] as const)))(
    'breaks at a COMMIT of an upload (%s, after %i): the upload succeeds, once',
    async (fault, after) => {
      const before = proxy.broken;
      proxy.breakCommit(fault, after);
      expect((await upload()).status).toBe(201);
      expect(proxy.broken).toBe(before + 1);
    },
  );

  it.each(FAULTS)('breaks at the COMMIT of a change (%s): the change happens', async (fault) => {
    const { entry } = await upload();
    proxy.breakCommit(fault, 0);
    const headers = { 'x-image-meta-name': `changed with ${fault}` };
    expect((await call('PUT', `/${entry.id}`, headers)).status).toBe(200);
    const head = await call('HEAD', `/${entry.id}`);
    expect(head.headers.get('x-image-meta-name')).toBe(`changed with ${fault}`);
  });

  it.each(FAULTS.flatMap((fault) => [0, 1].map((after) => [fault, after] as const)))(
    'breaks at a COMMIT of a deletion (%s, after %i): it is deleted, with its data',
    async (fault, after) => {
      const { entry } = await upload();
      proxy.breakCommit(fault, after);
      expect((await call('DELETE', `/${entry.id}`)).status).toBe(200);
      entry.deletion = 'acknowledged';
    },
  );

  it('closes every connection goes on being used', async () => {
    for (let round = 0; round < 5; round += 1) {
      proxy.resetAll();
      expect((await upload()).status).toBe(201);
    }
  });

  it('kills the connections of a running service goes on being used', async () => {
    const server = await createConnection(process.env['TEST_MYSQL_URL']!);
    try {
      const name = new URL(deployment.databaseUrl.replace('mysql+pymysql', 'http')).pathname.slice(
        1,
      );
      const [rows] = await server.query(
        'SELECT id FROM information_schema.processlist WHERE db = ?',
        [name],
      );
      expect((rows as { id: number }[]).length).toBeGreaterThan(0);
      for (const { id } of rows as { id: number }[]) {
        await server.query(`KILL CONNECTION ${id}`).catch(() => undefined);
      }
      expect((await upload()).status).toBe(201);
    } finally {
      await server.end();
    }
  });

  it('is gone is answered with 503 and Retry-After, and nothing else stops', async () => {
    const { entry } = await upload();
    proxy.refuse();
    const list = await call('GET', '');
    expect(list.status).toBe(503);
    expect(Number(list.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await upload()).status).toBe(503);
    for (const url of [deployment.apiUrl, deployment.registryUrls[0]!]) {
      expect((await fetch(`${url}/livez`)).status).toBe(200);
    }
    proxy.heal();
    await eventually(async () => expect((await call('GET', `/${entry.id}`)).status).toBe(200));
    expect((await upload()).status).toBe(201);
  });

  it('does not answer is answered for with 503 in bounded time', async () => {
    const { entry } = await upload();
    proxy.blackHole();
    const answers = await Promise.all([call('GET', ''), call('HEAD', `/${entry.id}`)]);
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
    proxy.heal();
    await eventually(async () => expect((await call('GET', `/${entry.id}`)).status).toBe(200));
  });

  it('keeps a row locked makes its writer wait, then try again', async () => {
    const { entry } = await upload();
    const url = deployment.databaseUrl.replace('mysql+pymysql:', 'mysql:');
    const holder = await createConnection(url);
    try {
      await holder.query('START TRANSACTION');
      await holder.query('SELECT id FROM images WHERE id = ? FOR UPDATE', [entry.id]);
      const change = call('PUT', `/${entry.id}`, { 'x-image-meta-name': 'waited' });
      // Longer than innodb_lock_wait_timeout: the first try has failed by then.
      await eventually(async () => {
        const log = deployment.registries[0]!.log();
        expect(log).toContain('The database answered lock_wait: trying again');
      });
      await holder.query('ROLLBACK');
      expect((await change).status).toBe(200);
    } finally {
      await holder.end();
    }
  });
});
