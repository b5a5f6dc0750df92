import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { check, type JournalEntry } from './support/checker';
import { DATABASES, Deployment, eventually, type ServiceProcess } from './support/deployment';
import { ImageSource } from './support/image-source';
import { createV2, showV2 } from './support/v2-client';

jest.setTimeout(180_000);

/** I1: accepted, not answered. I2: before the first byte is read. I3: unpacked into a file. U…: of the store that is filled. I5: done. */
const POINTS = ['I1', 'I2', 'I3', 'U4', 'U6', 'U7', 'I5'] as const;
/** U2 and U4: before and after the bytes are copied. */
const CLONE_POINTS = ['I1', 'I2', 'U2', 'U4', 'U5', 'U6', 'U7', 'I5'] as const;
const SETTLE_MS = 60_000;
/** The database matters to leases as v1 shows it on each (fail-points.test.ts): one is enough here. */
const DATABASE = DATABASES.at(-1)!;

/** Reliability sheet §4, I1–I6: whatever dies, another process goes on, and nothing stays behind. */
describe(`an import whose process is killed, on ${DATABASE}`, () => {
  let deployment: Deployment;
  let source: ImageSource;
  const data = randomBytes(700_000);
  const md5 = createHash('md5').update(data).digest('hex');

  beforeAll(async () => {
    source = await ImageSource.start(data);
    deployment = await Deployment.start({
      database: DATABASE,
      nodes: 2,
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.5'] },
      api: {
        DEFAULT: ['enabled_import_methods = glance-direct, web-download'],
        glance_store: source.storeOptions,
        import_filtering_opts: [`allowed_ports = 80, ${source.port}`],
        image_import_opts: ['image_import_plugins = image_decompression, image_conversion'],
        import: ['poll_interval = 1'],
        transfer: ['sweep_interval = 0.5'],
      },
    });
  });

  afterAll(async () => {
    await deployment.stop();
    await source.close();
  });

  const staged = async (): Promise<string[]> => {
    const names = await readdir(deployment.stagingDirectory(0), { recursive: true });
    return names.filter((name) => /[0-9a-f]{8}-/.test(path.basename(name)));
  };
  const entryOf = (id: string): JournalEntry => ({
    id,
    md5,
    stored: true,
    deletion: 'no',
    neverKilled: true,
  });

  it.each(['glance-direct', 'web-download'])('by %s is finished by another', async (name) => {
    const attempts = await Promise.all(
      POINTS.map(async (point) => {
        const id = randomUUID();
        expect(await createV2(deployment.apiUrl, id)).toBe(201);
        if (name === 'glance-direct') {
          const answer = await fetch(`${deployment.apiUrl}/v2/images/${id}/stage`, {
            method: 'PUT',
            headers: { 'content-type': 'application/octet-stream' },
            body: gzipSync(data),
          });
          expect(answer.status).toBe(204);
        }
        // It reads the staging area of the first node.
        return { point, id, ...(await deployment.addApi(`${point}:kill`)) };
      }),
    );
    const method = name === 'glance-direct' ? { name } : { name, uri: source.url };
    const accepted = (url: string, id: string): Promise<number | undefined> =>
      fetch(`${url}/v2/images/${id}/import`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ method }),
      }).then(
        (answer) => answer.status,
        () => undefined,
      );
    for (const { point, id, url } of attempts) {
      // The later ones may die before their answer is out, of the import of another even before it came.
      const status = await accepted(url, id);
      expect([undefined, ...(point === 'I1' ? [] : [202])]).toContain(status);
      if (status === undefined) {
        expect([202, 409]).toContain(await accepted(deployment.apiUrl, id));
      }
    }
    await eventually(async () => {
      for (const { point, id } of attempts) {
        const image = await showV2(deployment.apiUrl, id);
        expect([point, image?.['status']]).toEqual([point, 'active']);
      }
      expect(await staged()).toEqual([]);
    }, SETTLE_MS);
    const journal = attempts.map(({ id }) => entryOf(id));
    expect(await check(deployment, journal, { settleMs: SETTLE_MS })).toEqual([]);
    expect(await killed(attempts)).toBeGreaterThan(POINTS.length / 2);
  });

  it('of another image, which the store copies, is finished by another', async () => {
    const original = randomUUID();
    expect(await createV2(deployment.apiUrl, original)).toBe(201);
    const stored = await fetch(`${deployment.apiUrl}/v2/images/${original}/file`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: data,
    });
    expect(stored.status).toBe(204);
    const attempts = await Promise.all(
      CLONE_POINTS.map((point) => deployment.addApi(`${point}:kill`)),
    );
    // At once: a process may also die of a clone that another has left.
    const statuses = await Promise.all(
      attempts.map(({ url }) =>
        fetch(`${url}/v2/tasks`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ type: 'clone', input: { image_id: original } }),
        }).then(
          (answer) => answer.status,
          () => undefined,
        ),
      ),
    );
    const answered = statuses.filter((status) => status !== undefined);
    expect(answered).toEqual(answered.map(() => 201));
    const clones = await eventually(async () => {
      const answer = await fetch(`${deployment.apiUrl}/v2/tasks?type=clone&limit=100`);
      const { tasks } = (await answer.json()) as { tasks: { id: string; status: string }[] };
      expect(tasks.map(({ status }) => status)).toEqual(tasks.map(() => 'success'));
      return tasks;
    }, SETTLE_MS);
    expect(clones.length).toBeGreaterThanOrEqual(Math.max(1, answered.length));
    expect(clones.length).toBeLessThanOrEqual(CLONE_POINTS.length);
    const journal = [entryOf(original)];
    for (const { id } of clones) {
      const task = await fetch(`${deployment.apiUrl}/v2/tasks/${id}`);
      const { result } = (await task.json()) as { result: { image_id: string } };
      journal.push(entryOf(result.image_id));
    }
    expect(await check(deployment, journal, { settleMs: SETTLE_MS })).toEqual([]);
    expect(await killed(attempts)).toBeGreaterThan(CLONE_POINTS.length / 2);
  });

  /** Each was claimed by the process that accepted it, or by one that searched in that very moment. */
  async function killed(attempts: readonly { service: ServiceProcess }[]): Promise<number> {
    const exits = await Promise.all(
      attempts.map(({ service }) => Promise.race([service.exited, Promise.resolve('alive')])),
    );
    return exits.filter((each) => each === 'SIGKILL').length;
  }
});
