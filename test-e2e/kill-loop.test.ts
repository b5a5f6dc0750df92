import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { DATABASES, Deployment, allImages, eventually } from './support/deployment';

jest.setTimeout(180_000);

const RUN_MS = 15_000;
const WRITERS = 4;

interface Attempt {
  md5: string;
  /** What the client was told; undefined when the connection broke. */
  status: number | undefined;
  deletionTried: boolean;
  deleted: number | undefined;
}

describe.each(DATABASES)(
  'killing processes at random while images are written on %s',
  (database) => {
    let deployment: Deployment;

    beforeAll(async () => {
      deployment = await Deployment.start({
        database,
        nodes: 2,
        registry: { uploads: ['lease_seconds = 4', 'sweep_interval = 0.5'] },
        api: { DEFAULT: ['wakeup_time = 0.5'], transfer: ['sweep_interval = 0.5'] },
      });
    });

    afterAll(async () => {
      await deployment.stop();
    });

    const url = () => deployment.apiUrls[randomInt(2)]!;

    async function attempt(id: string): Promise<Attempt> {
      const data = randomBytes(randomInt(1, 3_000_000));
      const md5 = createHash('md5').update(data).digest('hex');
      const call = async (method: string, path: string, body?: Buffer) => {
        try {
          const answer = await fetch(`${url()}${path}`, {
            method,
            headers: {
              'content-type': 'application/octet-stream',
              'x-image-meta-id': id,
              'x-image-meta-disk_format': 'raw',
              'x-image-meta-container_format': 'bare',
            },
            ...(body === undefined ? {} : { body }),
            signal: AbortSignal.timeout(20_000),
          });
          await answer.arrayBuffer();
          return answer.status;
        } catch {
          return undefined;
        }
      };
      const status = await call('POST', '/v1/images', data);
      const deletionTried = randomInt(3) === 0;
      const deleted = deletionTried ? await call('DELETE', `/v1/images/${id}`) : undefined;
      return { md5, status, deletionTried, deleted };
    }

    it('loses nothing that was acknowledged and leaves nothing behind', async () => {
      const journal = new Map<string, Attempt>();
      const ends = Date.now() + RUN_MS;
      const writers = Array.from({ length: WRITERS }, async () => {
        while (Date.now() < ends) {
          const id = randomUUID();
          journal.set(id, await attempt(id));
        }
      });
      let kills = 0;
      while (Date.now() < ends) {
        await pause(randomInt(300, 1500));
        const victims = [...deployment.apis, ...deployment.registries];
        const victim = victims[randomInt(victims.length)]!;
        victim.child.kill('SIGKILL');
        await victim.exited;
        await deployment.restart(victim);
        kills += 1;
      }
      await Promise.all(writers);

      // Leases end, sweepers run: what is left is active and nothing else.
      await eventually(async () => {
        const images = await allImages(deployment.apiUrl);
        expect(images.filter(({ status }) => status !== 'active')).toEqual([]);
        const files = await deployment.filesInStore();
        expect(files.map((name) => name.slice(0, 36))).toEqual(images.map(({ id }) => id).sort());
      }, 90_000);

      const active = new Map(
        (await allImages(deployment.apiUrl)).map((image) => [image.id, image]),
      );
      const findings: string[] = [];
      for (const [id, { md5, status, deletionTried, deleted }] of journal) {
        const image = active.get(id);
        if (status === 201 && !deletionTried && !image) {
          findings.push(`${id} was acknowledged and is gone`);
        }
        if (deleted === 200 && image) findings.push(`${id} was deleted and is there`);
        if (image && image.checksum !== md5) findings.push(`${id} has another checksum`);
        if (!image) continue;
        const download = await fetch(`${url()}/v1/images/${id}`);
        const bytes = Buffer.from(await download.arrayBuffer());
        if (createHash('md5').update(bytes).digest('hex') !== md5) {
          findings.push(`${id} has other bytes`);
        }
      }
      expect(findings).toEqual([]);
      expect(kills).toBeGreaterThan(3);
    });
  },
);
