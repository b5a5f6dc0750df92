import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { check, type JournalEntry } from './support/checker';
import { DATABASES, Deployment, eventually, stopService } from './support/deployment';

jest.setTimeout(180_000);

const UPLOAD_POINTS = ['U1', 'U2', 'U3', 'U4', 'U5', 'U6'] as const;
const DELETION_POINTS = ['D1', 'D3', 'D4'] as const;
const SETTLE_MS = 60_000;
const HEADERS = {
  'content-type': 'application/octet-stream',
  'x-image-meta-disk_format': 'raw',
  'x-image-meta-container_format': 'bare',
};

/** Every step of an upload and of a deletion, each way to fail there, through real processes. */
describe.each(DATABASES)('failing at each step on %s', (database) => {
  let deployment: Deployment;
  let journal: JournalEntry[];

  const deploy = (leaseSeconds: number): Promise<Deployment> =>
    Deployment.start({
      database,
      nodes: 2,
      registry: { uploads: [`lease_seconds = ${leaseSeconds}`, 'sweep_interval = 0.5'] },
      api: {
        DEFAULT: ['wakeup_time = 0.5', 'deletion_grace = 2'],
        transfer: ['sweep_interval = 0.5'],
      },
    });

  beforeEach(async () => {
    journal = [];
    deployment = await deploy(4);
  });

  afterEach(async () => {
    await deployment.stop();
  });

  /** @returns the status, or undefined when the connection broke. */
  async function call(url: string, method: string, path: string, data?: Buffer, id?: string) {
    try {
      const answer = await fetch(`${url}${path}`, {
        method,
        ...(data ? { body: data } : {}),
        headers: { ...(data ? HEADERS : {}), ...(id ? { 'x-image-meta-id': id } : {}) },
      });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return undefined;
    }
  }

  function upload(url: string) {
    const id = randomUUID();
    const data = randomBytes(700_000);
    const md5 = createHash('md5').update(data).digest('hex');
    const entry: JournalEntry = { id, md5, stored: false, deletion: 'no' };
    journal.push(entry);
    const answer = call(url, 'POST', '/v1/images', data, id).then((status) => {
      entry.stored = status === 201;
      return status;
    });
    return { id, entry, answer };
  }

  async function remove(url: string, entry: JournalEntry) {
    entry.deletion = 'lost';
    const status = await call(url, 'DELETE', `/v1/images/${entry.id}`);
    if (status === 200) entry.deletion = 'acknowledged';
    return status;
  }

  const statusOf = async (id: string) => {
    const head = await fetch(`${deployment.apiUrl}/v1/images/${id}`, { method: 'HEAD' });
    return head.headers.get('x-image-meta-status');
  };
  const findings = () => check(deployment, journal, { settleMs: SETTLE_MS });
  const failing = <P extends string>(points: readonly P[], action: string) =>
    Promise.all(
      points.map(async (point) => ({ point, ...(await deployment.addApi(`${point}:${action}`)) })),
    );
  const isStopped = async (pid: number | undefined) => {
    expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) T /);
  };

  it('an api that is killed leaves no image without bytes and no bytes without an image', async () => {
    const uploads = await failing([...UPLOAD_POINTS, 'U7'], 'kill');
    const deletions = await failing(DELETION_POINTS, 'kill');
    const outcomes = await Promise.all(
      uploads.map(async ({ point, url, service }) => {
        const { id, answer } = upload(url);
        expect([point, await answer]).toEqual([point, undefined]);
        expect(await service.exited).toBe('SIGKILL');
        return { point, id };
      }),
    );
    const deleted = await Promise.all(
      deletions.map(async ({ point, url, service }) => {
        const { entry, answer } = upload(deployment.apiUrl);
        expect(await answer).toBe(201);
        expect([point, await remove(url, entry)]).toEqual([point, undefined]);
        expect(await service.exited).toBe('SIGKILL');
        // Row first: from the first step on nobody sees it, on any node.
        const get = await fetch(`${deployment.apiUrls[1]}/v1/images/${entry.id}`);
        await get.arrayBuffer();
        expect([point, get.status]).toEqual([point, 404]);
        return entry.id;
      }),
    );
    expect(await findings()).toEqual([]);
    for (const { point, id } of outcomes) {
      expect([point, await statusOf(id)]).toEqual([point, point === 'U7' ? 'active' : 'killed']);
    }
    for (const id of deleted) expect(await statusOf(id)).toBe('deleted');
  });

  it('an error takes everything back at once, with an answer', async () => {
    const uploads = await failing([...UPLOAD_POINTS, 'U7'], 'throw');
    const deletions = await failing(DELETION_POINTS, 'throw');
    for (const { point, url } of uploads) {
      const { id, answer } = upload(url);
      const committed = point === 'U7';
      expect([point, await answer]).toEqual([point, committed ? 201 : 500]);
      expect([point, await statusOf(id)]).toEqual([point, committed ? 'active' : 'killed']);
      const files = (await deployment.filesInStore()).filter((name) => name.includes(id));
      expect([point, files]).toEqual([point, committed ? [id] : []]);
    }
    for (const { point, url } of deletions) {
      const { entry, answer } = upload(deployment.apiUrl);
      expect(await answer).toBe(201);
      expect([point, await remove(url, entry)]).toEqual([point, 200]);
    }
    expect(await findings()).toEqual([]);
  });

  it('an api that hangs beyond its lease does no harm when it goes on', async () => {
    const uploads = await failing([...UPLOAD_POINTS, 'U7'], 'hang');
    const running = uploads.map(({ url }) => upload(url));
    for (const { service } of uploads) await eventually(() => isStopped(service.child.pid));
    // The other nodes take back what is not committed while the process is stopped.
    expect(await findings()).toEqual([]);
    for (const { service } of uploads) service.child.kill('SIGCONT');
    const answers = await Promise.all(running.map(({ answer }) => answer));
    uploads.forEach(({ point }, index) => {
      const status = answers[index];
      expect([point, status === 201]).toEqual([point, point === 'U7']);
    });
    expect(await findings()).toEqual([]);
    for (const { service } of uploads) expect(service.child.exitCode).toBeNull();
  });

  it('a deletion that hangs is finished by another node, and once', async () => {
    const deletions = await failing(DELETION_POINTS, 'hang');
    const running = await Promise.all(
      deletions.map(async ({ url }) => {
        const { entry, answer } = upload(deployment.apiUrl);
        expect(await answer).toBe(201);
        return { entry, removal: remove(url, entry) };
      }),
    );
    for (const { service } of deletions) await eventually(() => isStopped(service.child.pid));
    expect(await findings()).toEqual([]);
    for (const { service } of deletions) service.child.kill('SIGCONT');
    for (const { removal } of running) expect(await removal).toBe(200);
    expect(await findings()).toEqual([]);
  });

  it.each(['kill', 'throw'])(
    'an uploader whose image was deleted, and that meets a %s as it notices',
    async (action) => {
      const [hanging] = await failing(['U6'], `hang,D2:${action}`);
      const { entry, answer } = upload(hanging!.url);
      await eventually(() => isStopped(hanging!.service.child.pid));
      expect(await remove(deployment.apiUrl, entry)).toBe(200);
      hanging!.service.child.kill('SIGCONT');
      expect(await answer).not.toBe(201);
      expect(await findings()).toEqual([]);
    },
  );

  it.each([
    ['commit-begun', 'kill', [201]],
    ['commit-done', 'kill', [201]],
    // Refused for good, or until the time was up.
    ['commit-begun', 'throw', [500, 503]],
    ['commit-done', 'throw', [201]],
  ])('a registry that meets %s:%s is asked again', async (point, action, statuses) => {
    // With a lease that lasts longer than a restart on a slow machine.
    await deployment.stop();
    deployment = await deploy(60);
    const [calm] = deployment.registries;
    await stopService(calm!);
    const registry = await deployment.restart(calm!, {
      GLANCE_FAIL_POINTS: `${point}:${action}`,
    });
    const { answer, id } = upload(deployment.apiUrl);
    if (action === 'kill') {
      expect(await registry.exited).toBe('SIGKILL');
      await deployment.restart(registry);
    }
    expect(statuses).toContain(await answer);
    expect(await statusOf(id)).toBe(statuses.includes(201) ? 'active' : 'killed');
    expect(await findings()).toEqual([]);
  });
});
