import { randomUUID } from 'node:crypto';
import { silentLogger } from '@glance/service-kit';
import type { Knex } from 'knex';
import { Sweeper } from './sweeper';
import { RegistryWorld } from './testing/registry-world';
import { describeEachDatabase } from './testing/test-databases';

describeEachDatabase('a sweep', (current) => {
  it('forgets what is old and finished, however much it is, and nothing else', async () => {
    const { database } = current();
    const { knex, dialect } = database;
    const now = knex.raw(dialect.now.text);
    const old = '2020-01-01 00:00:00';
    const answer = (created: string | Knex.Raw) => ({
      request_key: randomUUID(),
      operation: 'POST /v1/images',
      answer: '{}',
      created_at: created,
    });
    const lease = (finished: string | null) => ({
      upload_id: randomUUID(),
      image_id: randomUUID(),
      kind: 'upload',
      node: 'test',
      state: finished === null ? 'live' : 'committed',
      failure_status: 'queued',
      reserved_bytes: 0,
      bytes_received: 0,
      created_at: old,
      expires_at: '2999-01-01 00:00:00',
      finished_at: finished,
    });
    const event = (created: string | Knex.Raw, delivered: string | null = null) => ({
      image_id: randomUUID(),
      event: 'image.create',
      payload: '{}',
      sink: 'webhook',
      created_at: created,
      delivered_at: delivered,
    });
    const orphan = (lastSeen: string | Knex.Raw) => ({
      store_id: 'file',
      name: randomUUID(),
      image_id: randomUUID(),
      first_seen_at: old,
      last_seen_at: lastSeen,
    });
    const many = Array.from({ length: 2100 }, () => answer(old));
    await knex.batchInsert('registry_request_keys', many, 500);
    await knex('registry_request_keys').insert(answer(now));
    await knex('registry_leases').insert([lease(old), lease(null)]);
    await knex('registry_outbox').insert(event(old));
    await knex('registry_outbox').insert(event(now));
    await knex('registry_outbox').insert(event(now, old));
    await knex('registry_orphans').insert(orphan(old));
    await knex('registry_orphans').insert(orphan(now));

    const { transactions } = new RegistryWorld(database);
    const errors: string[] = [];
    const logger = { ...silentLogger, error: (text: string) => errors.push(text) };
    await new Sweeper(transactions, logger, 1000).sweep();

    expect(await knex('registry_request_keys')).toHaveLength(1);
    expect(await knex('registry_leases')).toEqual([expect.objectContaining({ state: 'live' })]);
    const kept = [expect.objectContaining({ delivered_at: null })];
    expect(await knex('registry_outbox')).toEqual(kept);
    expect(errors).toEqual([expect.stringMatching(/EVENTS ARE LOST: 1 announcements for webhook/)]);
    expect(await knex('registry_orphans')).toHaveLength(1);
  });
});
