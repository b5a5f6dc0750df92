import { MIB, isDomainError, type ProjectLimits, type ProjectUsage } from '@glance/common';
import { silentLogger } from '@glance/service-kit';
import { RegistryWorld, aCommit, anUpload, memberOf, outcomesOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { expireLeases } from '../uploads/lease-sweeper';
import { auditUsage } from './usage-audit';
import { UsageService } from './usage-service';

jest.setTimeout(60_000);

describeEachDatabase('the limits of a project', (current) => {
  let world: RegistryWorld;
  let other: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
    other = new RegistryWorld(current().another());
  });

  const usageOf = (owner: string) => new UsageService(world.transactions).get(memberOf(owner), {});
  const spread = (count: number, call: (registry: RegistryWorld) => Promise<unknown>) =>
    outcomesOf(Array.from({ length: count }, (_, index) => call(index % 2 === 0 ? world : other)));
  const successes = (outcomes: readonly string[]) => {
    expect(outcomes.filter((each) => each !== 'done' && each !== 'quota_exceeded')).toEqual([]);
    return outcomes.filter((each) => each === 'done').length;
  };

  it('are not overshot by 20 images created at once through two registries', async () => {
    const owner = memberOf('crowd-of-images');
    const request = { image: {}, limits: { imageCountTotal: 7 } };
    const outcomes = await spread(20, ({ images }) => images.create(request, owner, {}));
    expect(successes(outcomes)).toBe(7);
    expect(await usageOf('crowd-of-images')).toMatchObject({ imageCountTotal: 7 });
  });

  it('are not overshot by 20 uploads at once, which start with their images', async () => {
    const owner = memberOf('crowd-of-uploads');
    const limits = { imageCountUploading: 7 };
    const outcomes = await spread(20, ({ images }) =>
      images.create({ image: {}, upload: anUpload({ limits }) }, owner, {}),
    );
    expect(successes(outcomes)).toBe(7);
    expect(await usageOf('crowd-of-uploads')).toMatchObject({
      imageCountTotal: 7,
      imageCountUploading: 7,
    });
  });

  it('are not overshot by 20 uploads of unknown size that grow at once', async () => {
    const owner = memberOf('crowd-of-bytes');
    const limits = { imageSizeTotalBytes: 7 * MIB };
    const outcomes = await spread(20, async ({ images, uploads }) => {
      const upload = anUpload({ limits });
      const { image } = await images.create({ image: {}, upload }, owner, {});
      const beat = { bytesReceived: 1, reserveBytes: MIB, limits };
      await uploads.heartbeat(image.id, upload.uploadId, beat, owner, {});
      const commit = aCommit({ sizeBytes: MIB, limits });
      await uploads.commit(image.id, upload.uploadId, commit, owner, {});
    });
    expect(successes(outcomes)).toBe(7);
    expect(await usageOf('crowd-of-bytes')).toMatchObject({ imageSizeTotalBytes: 7 * MIB });
  });

  it('give back what uploads held whose process died', async () => {
    const owner = memberOf('dead-process');
    const limits = { imageCountUploading: 1, imageSizeTotalBytes: MIB };
    const upload = () => anUpload({ limits, expectedSizeBytes: MIB, failureStatus: 'killed' });
    const start = () => world.images.create({ image: {}, upload: upload() }, owner, {});
    await start();
    await expect(start()).rejects.toMatchObject({ code: 'quota_exceeded' });
    await world.letLeasesRunOut();
    await expireLeases(world.transactions, silentLogger);
    expect(await usageOf('dead-process')).toMatchObject({ imageCountUploading: 0 });
    await start();
  });

  it('count what can be counted again, whatever happened at once before (P9)', async () => {
    const owner = memberOf('busy-project');
    const seed = 20_261_121;
    const limits = {
      imageSizeTotalBytes: 12 * MIB,
      imageCountTotal: 12,
      imageCountUploading: 4,
    } satisfies ProjectLimits;
    const usage = () => usageOf('busy-project');
    const expectWithin = ({ imageCountTotal, imageCountUploading, ...bytes }: ProjectUsage) => {
      expect(imageCountTotal).toBeLessThanOrEqual(limits.imageCountTotal + broughtBack);
      expect(imageCountUploading).toBeLessThanOrEqual(limits.imageCountUploading);
      expect(bytes.imageSizeTotalBytes).toBeLessThanOrEqual(limits.imageSizeTotalBytes);
    };
    const done = new Map<string, number>();
    // An image that a store does not give up is there again, whatever was made in its place.
    let broughtBack = 0;
    const actor = async (registry: RegistryWorld, pick: (of: number) => number) => {
      const uploads: { id: string; uploadId: string }[] = [];
      const images: string[] = [];
      const take = <T>(list: T[]): T | undefined => list.splice(pick(list.length), 1)[0];
      const steps: Record<string, () => Promise<unknown>> = {
        create: async () => {
          const { image } = await registry.images.create({ image: {}, limits }, owner, {});
          images.push(image.id);
        },
        promise: async () => {
          const copyFrom = {
            sourceUrl: 'https://host.example/disk',
            storeId: 'file',
            sizeBytes: MIB,
            storageQuotaBytes: null,
          };
          const { image } = await registry.images.create(
            { image: {}, limits, copyFrom },
            owner,
            {},
          );
          images.push(image.id);
        },
        begin: async () => {
          const id = images[pick(images.length)];
          if (id === undefined) return;
          const upload = anUpload({ limits, failureStatus: pick(2) === 0 ? 'killed' : 'queued' });
          await registry.uploads.begin(id, upload, owner, {});
          uploads.push({ id, uploadId: upload.uploadId });
        },
        grow: async () => {
          const upload = uploads[pick(uploads.length)];
          if (!upload) return;
          const beat = { bytesReceived: 1, reserveBytes: (1 + pick(4)) * MIB, limits };
          await registry.uploads.heartbeat(upload.id, upload.uploadId, beat, owner, {});
        },
        commit: async () => {
          const upload = take(uploads);
          if (!upload) return;
          const commit = aCommit({ sizeBytes: pick(3 * MIB), limits });
          await registry.uploads.commit(upload.id, upload.uploadId, commit, owner, {});
        },
        abandon: async () => {
          const upload = take(uploads);
          if (!upload) return;
          const why = { reason: 'test', locationUrl: null };
          await registry.uploads.abandon(upload.id, upload.uploadId, why, owner, {});
        },
        remove: async () => {
          const id = take(images);
          if (id === undefined) return;
          const { image } = await registry.deletions.begin(id, { delayed: false }, owner, {});
          const end = pick(3) === 0 ? 'revert' : 'finish';
          if (end === 'revert') broughtBack += 1;
          if (image.status === 'pending_delete') await registry.deletions[end](id, owner, {});
        },
        expire: async () => {
          await registry.transactions.write({}, async ({ connection }) => {
            await connection('registry_leases')
              .whereNull('finished_at')
              .update({ expires_at: '2000-01-01 00:00:00' });
          });
          await expireLeases(registry.transactions, silentLogger);
        },
      };
      const names = Object.keys(steps).flatMap((name) =>
        name === 'expire' ? [name] : [name, name, name],
      );
      for (let count = 0; count < 60; count += 1) {
        const name = names[pick(names.length)] ?? '';
        try {
          await steps[name]?.();
          done.set(name, (done.get(name) ?? 0) + 1);
        } catch (error) {
          if (!isDomainError(error, ...REFUSALS)) throw error;
        }
      }
    };
    const actors = [world, other, world, other].map((registry, index) =>
      actor(registry, choices(seed + index)),
    );
    const watch = { on: true };
    const watcher = (async () => {
      while (watch.on) {
        expectWithin(await usage());
        await new Promise(setImmediate);
      }
    })();
    await Promise.all(actors).finally(() => {
      watch.on = false;
    });
    await watcher;
    for (const name of ['create', 'promise', 'begin', 'grow', 'commit', 'abandon', 'remove']) {
      expect([name, (done.get(name) ?? 0) > 0]).toEqual([name, true]);
    }
    expect(await usage()).toEqual(await countedAgain('busy-project'));
    expect(await auditUsage({ transactions: world.transactions, logger: silentLogger })).toEqual(
      [],
    );
    await world.letLeasesRunOut();
    await expireLeases(world.transactions, silentLogger);
    expect(await world.usageOf('busy-project')).toMatchObject({ reservedBytes: 0 });
    expect(await usage()).toEqual(await countedAgain('busy-project'));
  });

  /** From whole tables, row by row, by the words of the sheets and not by what the service asks. */
  async function countedAgain(owner: string): Promise<ProjectUsage> {
    const { knex } = world.database;
    const images = await knex('images').where({ owner }).select('id', 'size', 'status');
    const promised = new Set(await knex('registry_copies').pluck('image_id'));
    const usage = { ...NO_USAGE };
    for (const { id, size, status } of images as { id: string; size: number; status: string }[]) {
      const rows = await knex('image_locations')
        .where({ image_id: id })
        .whereNot('status', 'deleted');
      const isGone = status === 'killed' || status === 'deleted';
      if (!isGone) usage.imageSizeTotalBytes += size * rows.length;
      if (isGone || status === 'pending_delete') continue;
      usage.imageCountTotal += 1;
      const isUploading = status === 'saving' || (status === 'queued' && promised.has(id));
      if (isUploading) usage.imageCountUploading += 1;
    }
    return usage;
  }
});

const NO_USAGE: ProjectUsage = {
  imageSizeTotalBytes: 0,
  imageStageTotalBytes: 0,
  imageCountTotal: 0,
  imageCountUploading: 0,
};

/** What calls may be told that meet others at the same image, or a limit. */
const REFUSALS = [
  'quota_exceeded',
  'conflict',
  'upload_fenced',
  'image_deleted',
  'image_not_found',
  'image_pending_delete',
] as const;

/** Whole numbers from 0 up to, not including, the argument; the seed repeats them (mulberry32). */
function choices(seed: number): (of: number) => number {
  let state = seed;
  return (of) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * of);
  };
}
