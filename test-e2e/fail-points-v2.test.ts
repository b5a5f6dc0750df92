import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { check, type JournalEntry } from './support/checker';
import { DATABASES, Deployment, eventually } from './support/deployment';
import { createV2, putFileV2, showV2 } from './support/v2-client';

jest.setTimeout(180_000);

const POINTS = ['U1', 'U2', 'U3', 'U4', 'U5', 'U6', 'U7'] as const;
const FAILING_POINTS = POINTS.slice(0, -1);
const SETTLE_MS = 60_000;
/** The database matters to leases as v1 shows it on each (fail-points.test.ts): one is enough here. */
const DATABASE = DATABASES.at(-1)!;

/**
 * What v2 adds to a failure at each step of an upload: the image is `queued` again, never `killed`,
 * and takes the data of the next attempt at once.
 */
describe(`a PUT of data in API v2 that fails on ${DATABASE}`, () => {
  let deployment: Deployment;
  let journal: JournalEntry[];

  beforeAll(async () => {
    deployment = await Deployment.start({
      database: DATABASE,
      nodes: 2,
      registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.5'] },
      api: { transfer: ['sweep_interval = 0.5'] },
    });
  });

  beforeEach(() => {
    journal = [];
  });

  afterAll(async () => {
    await deployment.stop();
  });

  async function image() {
    const id = randomUUID();
    const data = randomBytes(700_000);
    expect(await createV2(deployment.apiUrl, id)).toBe(201);
    const md5 = createHash('md5').update(data).digest('hex');
    const entry: JournalEntry = { id, md5, stored: false, deletion: 'no', neverKilled: true };
    journal.push(entry);
    return { id, data, entry };
  }

  const statusOf = async (id: string) => (await showV2(deployment.apiUrl, id))?.['status'];
  const findings = () => check(deployment, journal, { settleMs: SETTLE_MS });
  const failing = (action: string) =>
    Promise.all(
      POINTS.map(async (point) => ({
        point,
        ...(await image()),
        ...(await deployment.addApi(`${point}:${action}`)),
      })),
    );

  it('because the api is killed can be repeated once the lease has ended', async () => {
    const attempts = await failing('kill');
    for (const { point, id, data, url, service } of attempts) {
      expect([point, await putFileV2(url, id, data)]).toEqual([point, undefined]);
      expect(await service.exited).toBe('SIGKILL');
    }
    expect(await findings()).toEqual([]);
    for (const { point, id, data, entry } of attempts) {
      const committed = point === 'U7';
      expect([point, await statusOf(id)]).toEqual([point, committed ? 'active' : 'queued']);
      const again = await putFileV2(deployment.apiUrl, id, data);
      expect([point, again]).toEqual([point, committed ? 409 : 204]);
      entry.stored = true;
    }
    expect(await findings()).toEqual([]);
  });

  it('because of an error can be repeated at once', async () => {
    // Each point fails the first time it is passed: every attempt comes one step further.
    const { url } = await deployment.addApi(POINTS.map((point) => `${point}:throw`).join(','));
    const { id, data, entry } = await image();
    for (const point of FAILING_POINTS) {
      expect([point, await putFileV2(url, id, data)]).toEqual([point, 500]);
      expect(await showV2(deployment.apiUrl, id)).toMatchObject({ status: 'queued', size: null });
      const files = (await deployment.filesInStore()).filter((name) => name.includes(id));
      expect([point, files]).toEqual([point, []]);
    }
    // After the commit nothing can fail any more.
    expect(await putFileV2(url, id, data)).toBe(204);
    entry.stored = true;
    expect(await findings()).toEqual([]);
  });

  it('because the api hangs does no harm to the upload that took its place', async () => {
    const attempts = await failing('hang');
    const answers = attempts.map(({ url, id, data }) => putFileV2(url, id, data));
    for (const { service } of attempts) {
      const stat = `/proc/${service.child.pid}/stat`;
      await eventually(async () => expect(await readFile(stat, 'utf8')).toMatch(/\) T /));
    }
    expect(await findings()).toEqual([]);
    for (const { point, id, entry } of attempts) {
      entry.stored = true;
      if (point === 'U7') continue;
      const other = randomBytes(500_000);
      entry.md5 = createHash('md5').update(other).digest('hex');
      expect([point, await putFileV2(deployment.apiUrl, id, other)]).toEqual([point, 204]);
    }
    for (const { service } of attempts) service.child.kill('SIGCONT');
    for (const [index, { point }] of attempts.entries()) {
      // 410, or 503 where the pause outlasted a call that was under way.
      expect([point, (await answers[index]) === 204]).toEqual([point, point === 'U7']);
    }
    expect(await findings()).toEqual([]);
    for (const { service } of attempts) expect(service.child.exitCode).toBeNull();
  });
});
