import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { check, type JournalEntry } from './support/checker';
import { DATABASES, Deployment } from './support/deployment';
import { createV2, putFileV2, showV2 } from './support/v2-client';

jest.setTimeout(180_000);

const ROUNDS = 12;
const DATA = {
  'content-type': 'application/octet-stream',
  'x-image-meta-disk_format': 'raw',
  'x-image-meta-container_format': 'bare',
};
const QUOTA_BYTES = 10_000;

/** Pairs of requests at the same moment on two nodes (reliability sheet §8). */
describe.each(DATABASES)('two requests at once on %s', (database) => {
  let deployment: Deployment;
  let journal: JournalEntry[];

  beforeAll(async () => {
    deployment = await Deployment.start({
      database,
      nodes: 2,
      flavor: 'fakeauth',
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.5'] },
      api: {
        DEFAULT: ['wakeup_time = 0.5', 'deletion_grace = 1', 'user_storage_quota = 10000'],
        transfer: ['sweep_interval = 0.5'],
      },
    });
  });

  beforeEach(() => {
    journal = [];
  });

  afterEach(async () => {
    const caller = { 'x-auth-token': 'op:ops:admin' };
    expect(await check(deployment, journal, { settleMs: 30_000, caller })).toEqual([]);
  });

  afterAll(async () => {
    await deployment.stop();
  });

  async function call(
    node: number,
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: Buffer; project?: string } = {},
  ): Promise<number> {
    const answer = await fetch(`${deployment.apiUrls[node]!}/v1/images${path}`, {
      method,
      headers: {
        'x-auth-token': `u:${options.project ?? 'crowd'}:member`,
        ...(options.body ? DATA : {}),
        ...options.headers,
      },
      ...(options.body ? { body: options.body } : {}),
    });
    await answer.arrayBuffer();
    return answer.status;
  }

  async function reserve(project: string): Promise<string> {
    const id = randomUUID();
    expect(await call(0, 'POST', '', { headers: { 'x-image-meta-id': id }, project })).toBe(201);
    return id;
  }

  function entryOf(id: string, body: Buffer): JournalEntry {
    const md5 = createHash('md5').update(body).digest('hex');
    const entry: JournalEntry = { id, md5, stored: false, deletion: 'no' };
    journal.push(entry);
    return entry;
  }

  async function stored(project: string): Promise<JournalEntry> {
    const id = randomUUID();
    const body = randomBytes(100);
    const entry = entryOf(id, body);
    const headers = { 'x-image-meta-id': id };
    entry.stored = (await call(0, 'POST', '', { headers, body, project })) === 201;
    expect(entry.stored).toBe(true);
    return entry;
  }

  const rounds = Array.from({ length: ROUNDS }, (_, round) => `project-${round}`);
  const bothNodes = (work: (node: number) => Promise<number>) => Promise.all([work(0), work(1)]);

  it('creating one id: one image, one refusal', async () => {
    for (const project of rounds) {
      const id = randomUUID();
      const body = randomBytes(50);
      const headers = { 'x-image-meta-id': id };
      const answers = await bothNodes((node) => call(node, 'POST', '', { headers, body, project }));
      expect(answers.sort()).toEqual([201, 409]);
      entryOf(id, body).stored = true;
    }
  });

  it('uploading to one image: one wins, with its own bytes', async () => {
    for (const project of rounds) {
      const id = await reserve(project);
      const bodies = [randomBytes(60), randomBytes(60)];
      const answers = await bothNodes((node) =>
        call(node, 'PUT', `/${id}`, { body: bodies[node]!, project }),
      );
      expect([...answers].sort()).toEqual([200, 409]);
      entryOf(id, bodies[answers.indexOf(200)]!).stored = true;
    }
  });

  it('uploading and deleting: either order, nothing in between', async () => {
    for (const project of rounds) {
      const id = await reserve(project);
      const body = randomBytes(60);
      const entry = entryOf(id, body);
      const [upload, deletion] = await Promise.all([
        call(0, 'PUT', `/${id}`, { body, project }),
        call(1, 'DELETE', `/${id}`, { project }),
      ]);
      expect(deletion).toBe(200);
      expect([200, 404, 409, 412]).toContain(upload);
      entry.deletion = 'acknowledged';
    }
  });

  it('uploading to one image through v2, or v1 and v2: one wins, with its own bytes', async () => {
    for (const [round, project] of rounds.entries()) {
      const caller = { 'x-auth-token': `u:${project}:member` };
      const id = randomUUID();
      expect(await createV2(deployment.apiUrl, id, caller)).toBe(201);
      const bodies = [randomBytes(60), randomBytes(60)];
      const answers = await bothNodes(async (node) =>
        node === 1 && round % 2 === 1
          ? await call(node, 'PUT', `/${id}`, { body: bodies[node]!, project })
          : ((await putFileV2(deployment.apiUrls[node]!, id, bodies[node]!, caller)) ?? 0),
      );
      const won = (status: number) => status === 204 || status === 200;
      expect([answers, answers.filter(won).length]).toEqual([answers, 1]);
      expect([409, 410]).toContain(answers.find((status) => !won(status)));
      const entry = entryOf(id, bodies[answers.findIndex(won)]!);
      Object.assign(entry, { stored: true, neverKilled: true });
    }
  });

  it('uploading through v2 and deleting: either order, nothing in between', async () => {
    for (const project of rounds) {
      const caller = { 'x-auth-token': `u:${project}:member` };
      const id = randomUUID();
      expect(await createV2(deployment.apiUrl, id, caller)).toBe(201);
      const body = randomBytes(60);
      const entry = entryOf(id, body);
      const [upload, deletion] = await Promise.all([
        putFileV2(deployment.apiUrls[0]!, id, body, caller),
        call(1, 'DELETE', `/${id}`, { project }),
      ]);
      expect(deletion).toBe(200);
      expect([204, 404, 409, 410]).toContain(upload);
      entry.deletion = 'acknowledged';
      expect(await showV2(deployment.apiUrl, id, caller)).toBeUndefined();
    }
  });

  it('deleting: once', async () => {
    for (const project of rounds) {
      const entry = await stored(project);
      const answers = await bothNodes((node) => call(node, 'DELETE', `/${entry.id}`, { project }));
      expect(answers.filter((status) => status === 200)).toHaveLength(1);
      expect(answers.filter((status) => status !== 200)[0]).toBeGreaterThanOrEqual(403);
      entry.deletion = 'acknowledged';
    }
  });

  it('deleting and protecting: either order', async () => {
    for (const project of rounds) {
      const entry = await stored(project);
      const headers = { 'x-image-meta-protected': 'true' };
      const [protection, deletion] = await Promise.all([
        call(0, 'PUT', `/${entry.id}`, { headers, project }),
        call(1, 'DELETE', `/${entry.id}`, { project }),
      ]);
      const deleted = deletion === 200;
      expect([protection === 200, deleted]).toEqual([!deleted, deleted]);
      if (deleted) entry.deletion = 'acknowledged';
    }
  });

  it('changing properties: none that was not touched is lost', async () => {
    for (const project of rounds) {
      const { id } = await stored(project);
      await bothNodes((node) =>
        call(node, 'PUT', `/${id}`, {
          headers: {
            'x-glance-registry-purge-props': 'false',
            [`x-image-meta-property-by_${node}`]: 'set',
          },
          project,
        }),
      );
      const head = await fetch(`${deployment.apiUrl}/v1/images/${id}`, {
        method: 'HEAD',
        headers: { 'x-auth-token': `u:${project}:member` },
      });
      for (const node of [0, 1]) {
        expect(head.headers.get(`x-image-meta-property-by_${node}`)).toBe('set');
      }
    }
  });

  it('adding a member and deleting the image: no member of nothing', async () => {
    for (const project of rounds) {
      const entry = await stored(project);
      const [member, deletion] = await Promise.all([
        call(0, 'PUT', `/${entry.id}/members/friend`, { project }),
        call(1, 'DELETE', `/${entry.id}`, { project }),
      ]);
      expect(deletion).toBe(200);
      expect([204, 404]).toContain(member);
      entry.deletion = 'acknowledged';
      expect(await call(0, 'GET', `/${entry.id}`, { project: 'friend' })).toBe(404);
    }
  });

  it('downloading and deleting: all bytes, or an error', async () => {
    for (const project of rounds) {
      const entry = await stored(project);
      const download = (async () => {
        const answer = await fetch(`${deployment.apiUrls[0]!}/v1/images/${entry.id}`, {
          headers: { 'x-auth-token': `u:${project}:member` },
        });
        return { ok: answer.ok, bytes: Buffer.from(await answer.arrayBuffer()) };
      })().catch(() => undefined);
      expect(await call(1, 'DELETE', `/${entry.id}`, { project })).toBe(200);
      const got = await download;
      if (got?.ok) expect(createHash('md5').update(got.bytes).digest('hex')).toBe(entry.md5);
      entry.deletion = 'acknowledged';
    }
  });

  it('many uploads against a quota: as many as fit', async () => {
    const project = 'limited';
    const answers = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const id = randomUUID();
        const body = randomBytes(QUOTA_BYTES / 10);
        const entry = entryOf(id, body);
        const headers = { 'x-image-meta-id': id };
        const status = await call(index % 2, 'POST', '', { headers, body, project });
        entry.stored = status === 201;
        return status;
      }),
    );
    expect(answers.filter((status) => status === 201)).toHaveLength(10);
    expect(answers.filter((status) => status === 413)).toHaveLength(20);
  });
});
