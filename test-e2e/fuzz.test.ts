import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { DATABASES, Deployment, type ServiceProcess } from './support/deployment';
import { HostileRequests } from './support/hostile-requests';
import { Random } from './support/random';

const TOKEN = 'alice:project-a:member';
const CASES = Number(process.env['GLANCE_FUZZ_CASES'] ?? '2000');
const SEED = Number(process.env['GLANCE_FUZZ_SEED'] ?? String(Date.now() % 2 ** 31));
const AT_ONCE = 8;
/** New images are made for as many cases, since some cases delete some. */
const BATCH = 200;
/** What a process may hold more at the end than after a quarter of the cases, in KiB. */
const MAX_GROWTH_KIB = 200 * 1024;
/** Nothing here is a long transfer: an answer that takes this long has been forgotten. */
const ANSWER_MS = 20_000;
/** So long the client goes on listening before it says that nothing more will come. */
const PATIENCE_MS = 500;

jest.setTimeout(120_000 + CASES * 100);

describe.each(DATABASES)('hostile requests on %s', (database) => {
  let deployment: Deployment;
  let port: number;

  beforeAll(async () => {
    deployment = await Deployment.start({ database, flavor: 'fakeauth' });
    port = Number(new URL(deployment.apiUrl).port);
  });

  afterAll(async () => {
    await deployment.stop();
  });

  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${deployment.apiUrl}${path}`, {
      ...init,
      headers: { 'x-auth-token': TOKEN, ...(init.headers as object) },
    });

  async function newImage(isActive: boolean): Promise<string> {
    const body = { disk_format: 'raw', container_format: 'bare', visibility: 'shared' };
    const answer = await call('/v2/images', { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status).toBe(201);
    const { id } = (await answer.json()) as { id: string };
    if (isActive) expect(await upload(id)).toBe(204);
    return id;
  }

  const upload = async (id: string): Promise<number> =>
    (
      await call(`/v2/images/${id}/file`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream' },
        body: 'the data',
      })
    ).status;

  /** @returns the status line, or what there was instead of one. */
  async function send(bytes: Buffer): Promise<string> {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    const timer = setTimeout(() => {
      answer = 'no end of the answer';
      socket.destroy();
    }, ANSWER_MS);
    socket.write(bytes);
    // Of a request that is not whole the service waits for the rest.
    const end = setTimeout(() => socket.end(), PATIENCE_MS);
    await once(socket, 'close');
    clearTimeout(timer);
    clearTimeout(end);
    return answer.split('\r\n', 1)[0] ?? '';
  }

  /** 501 is for methods that HTTP does not know, 505 for versions. */
  const isFault = (status: string): boolean =>
    status === 'no end of the answer' || (/ 5\d\d/.test(status) && !/ 50[15]/.test(status));

  it(`seed ${SEED}: ${CASES} requests bring no error, no crash and no growth`, async () => {
    const random = new Random(SEED);
    const requests = new HostileRequests(random, TOKEN);
    const faults: string[] = [];
    const seen = new Map<string, number>();
    let warm: number[] | undefined;
    for (let done = 0; done < CASES; done += BATCH) {
      const ids = [await newImage(false), await newImage(true), await newImage(false)];
      ids.push(random.uuid());
      const batch = Array.from({ length: Math.min(BATCH, CASES - done) }, () => requests.next(ids));
      const sender = async (): Promise<void> => {
        for (let bytes = batch.pop(); bytes !== undefined; bytes = batch.pop()) {
          const status = await send(bytes);
          const code = status.split(' ')[1] ?? 'none';
          seen.set(code, (seen.get(code) ?? 0) + 1);
          if (isFault(status)) faults.push(`${status} for ${JSON.stringify(bytes.toString())}`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, sender));
      if (done + BATCH >= CASES / 4) warm ??= await residentKib();
    }
    // What is refused at the door alone would prove little.
    expect([...seen.keys()]).toEqual(
      expect.arrayContaining(['200', '201', '400', '403', '404', '409']),
    );
    expect(faults.map((fault) => fault.slice(0, 2000))).toEqual([]);
    expect(deployment.logs()).not.toMatch(/unhandledRejection|uncaughtException/i);
    for (const service of [...deployment.apis, ...deployment.registries]) {
      expect(service.child.exitCode).toBeNull();
    }
    const grown = (await residentKib()).map((kib, index) => kib - (warm?.[index] ?? 0));
    for (const kib of grown) expect(kib).toBeLessThan(MAX_GROWTH_KIB);
    const id = await newImage(true);
    expect(await (await call(`/v2/images/${id}/file`)).text()).toBe('the data');
  });

  /** What each process has in memory. */
  const residentKib = (): Promise<number[]> =>
    Promise.all([...deployment.apis, ...deployment.registries].map(residentKibOf));
});

async function residentKibOf({ child }: ServiceProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid ?? 0}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}
