import { silentLogger } from '@glance/service-kit';
import { RegistryWorld, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import { auditUsage } from './usage-audit';

jest.setTimeout(60_000);

describeEachDatabase('the usage audit', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const audit = () => auditUsage({ transactions: world.transactions, logger: silentLogger });
  const drift = (owner: string, change: object) =>
    world.database.knex('registry_quota_usage').where({ owner }).update(change);

  it('finds nothing in accounts that this service has kept', async () => {
    const owner = memberOf('kept');
    await world.createActive({}, { sizeBytes: 70 }, owner);
    const { id } = await world.create({}, owner);
    await world.begin(id, { expectedSizeBytes: 30 }, owner);
    expect(await world.usageOf('kept')).toEqual({ usedBytes: 70, reservedBytes: 30 });
    expect(await audit()).toEqual([]);
  });

  it('repairs what another program has made wrong, and only that', async () => {
    const owner = memberOf('drifted');
    await world.createActive({}, { sizeBytes: 70 }, owner);
    const { id } = await world.create({}, owner);
    await world.begin(id, { expectedSizeBytes: 30 }, owner);
    await drift('drifted', { used_bytes: 5, reserved_bytes: 1000 });
    expect(await audit()).toEqual([
      {
        owner: 'drifted',
        was: { usedBytes: 5, reservedBytes: 1000 },
        is: { usedBytes: 70, reservedBytes: 30 },
      },
    ]);
    expect(await world.usageOf('drifted')).toEqual({ usedBytes: 70, reservedBytes: 30 });
    expect(await audit()).toEqual([]);
  });

  it('looks at every account, page by page', async () => {
    const names = Array.from(
      { length: 1001 },
      (_, index) => `owner-${String(index).padStart(4, '0')}`,
    );
    const row = { used_bytes: 0, reserved_bytes: 0, created_at: '2026-01-01 00:00:00' };
    for (let start = 0; start < names.length; start += 100) {
      const rows = names.slice(start, start + 100).map((owner) => ({
        ...row,
        owner,
        updated_at: row.created_at,
      }));
      await world.database.knex('registry_quota_usage').insert(rows);
    }
    await drift('owner-1000', { used_bytes: 1 });
    const progress: number[] = [];
    const repairs = await auditUsage({
      transactions: world.transactions,
      logger: silentLogger,
      onProgress: (accounts) => progress.push(accounts),
    });
    expect(repairs.map(({ owner }) => owner)).toEqual(['owner-1000']);
    expect(progress.length).toBeGreaterThan(2);
  });

  it('does not disturb uploads that run meanwhile', async () => {
    const owner = memberOf('busy');
    await world.createActive({}, { sizeBytes: 1 }, owner);
    const uploads = (async () => {
      for (let count = 0; count < 20; count += 1) {
        await world.createActive({}, { sizeBytes: 10 }, owner);
      }
      return false;
    })();
    do {
      const repairs = await audit();
      expect(repairs.filter((repair) => repair.owner === 'busy')).toEqual([]);
    } while (await Promise.race([uploads, Promise.resolve(true)]));
    expect(await world.usageOf('busy')).toEqual({ usedBytes: 201, reservedBytes: 0 });
  });
});
