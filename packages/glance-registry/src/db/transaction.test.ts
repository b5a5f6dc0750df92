import { randomUUID } from 'node:crypto';
import { DomainError } from '@glance/common';
import { createRepositories } from '../repositories';
import { LossyProxy, type CommitFate } from '../testing/lossy-proxy';
import { ADMIN, RegistryWorld, outcomesOf } from '../testing/registry-world';
import { describeEachDatabase, notHere } from '../testing/test-databases';
import { createDatabase, type Database } from './create-database';
import type { RequestKey } from './request-keys';
import { Deadline } from './retry';
import { TransactionRunner } from './transaction';

describeEachDatabase('a write', (current, dialect) => {
  /** For what only a server does. */
  const onMysql = dialect === 'mysql' ? it : notHere;
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const aKey = (operation = 'POST /v1/images'): RequestKey => ({ key: randomUUID(), operation });
  const createNamed = (name: string, requestKey: RequestKey | undefined, runner = world) =>
    runner.images.create({ image: { name } }, ADMIN, { requestKey });
  const countNamed = async (name: string): Promise<number> =>
    (await world.database.knex('images').where({ name })).length;

  it('returns its first answer when it is repeated with its key', async () => {
    const requestKey = aKey();
    const first = await createNamed('repeated', requestKey);
    const second = await createNamed('repeated', requestKey);
    expect(second).toEqual(first);
    expect(await countNamed('repeated')).toBe(1);
  });

  it('happens once when it is sent twice at the same time', async () => {
    const requestKey = aKey();
    const other = new RegistryWorld(current().another());
    const answers = await Promise.all([
      createNamed('twice', requestKey),
      createNamed('twice', requestKey, other),
    ]);
    expect(answers[0]).toEqual(answers[1]);
    expect(await countNamed('twice')).toBe(1);
  });

  it('is refused with the key of another operation', async () => {
    const { key } = aKey();
    await createNamed('first', { key, operation: 'POST /v1/images' });
    await expect(
      createNamed('other', { key, operation: 'PATCH /v1/images/1' }),
    ).rejects.toMatchObject({ code: 'conflict' });
    expect(await countNamed('other')).toBe(0);
  });

  it('does not keep an error as its answer', async () => {
    const requestKey = aKey();
    const refused = world.transactions.write({ requestKey }, () =>
      Promise.reject(new DomainError('conflict', 'not now')),
    );
    await expect(refused).rejects.toMatchObject({ code: 'conflict' });
    await expect(
      world.transactions.write({ requestKey }, () => Promise.resolve({ fine: true })),
    ).resolves.toEqual({ fine: true });
  });

  it('leaves nothing behind when it fails half-way', async () => {
    const failing = world.transactions.write({}, async ({ images }) => {
      await images.insert(randomUUID(), 'queued', { name: 'half' });
      throw new Error('half-way');
    });
    await expect(failing).rejects.toThrow('half-way');
    expect(await countNamed('half')).toBe(0);
  });

  it('is not made when nobody waits for it any more', async () => {
    const late = world.transactions.write(
      { deadline: new Deadline(performance.now() - 1) },
      async ({ images }) => images.insert(randomUUID(), 'queued', { name: 'late' }),
    );
    await expect(late).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await countNamed('late')).toBe(0);
  });

  onMysql('is run again as a whole after a deadlock', async () => {
    const [a, b] = [await world.create(), await world.create()];
    let runs = 0;
    // Each has its first row before any asks for its second.
    let arrived = 0;
    let bothArrived: () => void;
    const both = new Promise<void>((resolve) => {
      bothArrived = resolve;
    });
    const crossed = (first: string, second: string) =>
      world.transactions.write({}, async ({ connection }) => {
        runs += 1;
        await connection('images').where({ id: first }).increment('min_disk', 1);
        if ((arrived += 1) >= 2) bothArrived();
        await both;
        await connection('images').where({ id: second }).increment('min_disk', 1);
      });
    await Promise.all([crossed(a.id, b.id), crossed(b.id, a.id)]);
    expect(runs).toBeGreaterThan(2);
    for (const { id } of [a, b]) {
      expect((await world.images.get(id, ADMIN, {})).minDisk).toBe(2);
    }
  });

  onMysql('is run again when its connection is killed before the end', async () => {
    let runs = 0;
    const id = randomUUID();
    await world.transactions.write({}, async ({ connection, images }) => {
      runs += 1;
      await images.insert(id, 'queued', { name: 'killed once' });
      if (runs > 1) return;
      const [[{ connectionId }]] = (await connection.raw(
        'SELECT CONNECTION_ID() AS connectionId',
      )) as [[{ connectionId: number }]];
      await world.database.knex.raw(`KILL CONNECTION ${connectionId}`);
      await connection.raw('SELECT 1');
    });
    expect(runs).toBe(2);
    expect(await countNamed('killed once')).toBe(1);
  });

  (dialect === 'mysql' ? describe : notHere)('whose connection breaks at its COMMIT', () => {
    let proxy: LossyProxy;
    let fragile: Database;

    beforeAll(async () => {
      const url = new URL(current().url);
      proxy = await LossyProxy.start(url.hostname, Number(url.port));
      url.port = String(proxy.port);
      fragile = createDatabase({ url: url.href });
    });

    afterAll(async () => {
      await fragile.close();
      await proxy.close();
    });

    it.each<CommitFate>(['confirmation lost', 'never arrives'])(
      'happens exactly once with a request key: %s',
      async (fate) => {
        const runner = new TransactionRunner(fragile, createRepositories);
        const name = `unknown ${fate}`;
        proxy.breakNextCommit(fate);
        const answer = await runner.write({ requestKey: aKey() }, async ({ images }) => {
          const id = randomUUID();
          await images.insert(id, 'queued', { name });
          return { id };
        });
        expect(proxy.isArmed).toBe(false);
        expect(await countNamed(name)).toBe(1);
        expect((await world.images.get(answer.id, ADMIN, {})).name).toBe(name);
      },
    );

    it('is reported and not repeated without a request key', async () => {
      const runner = new TransactionRunner(fragile, createRepositories);
      proxy.breakNextCommit('confirmation lost');
      const write = runner.write({}, ({ images }) =>
        images.insert(randomUUID(), 'queued', { name: 'no key' }),
      );
      await expect(write).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(await countNamed('no key')).toBe(1);
    });
  });

  it('goes on after many failures at once', async () => {
    const id = randomUUID();
    const outcomes = await outcomesOf(
      Array.from({ length: 10 }, () =>
        world.transactions.write({}, async ({ images }) => {
          await images.insert(id, 'queued', {});
          return {};
        }),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'image_exists')).toHaveLength(9);
  });
});
