import { randomUUID } from 'node:crypto';
import { TransactionRunner } from '../db/transaction';
import { createRepositories, type Repositories } from '../repositories';
import { ADMIN, RegistryWorld } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';
import type { Announcing } from './event-log';

interface Row {
  event: string;
  priority: string;
  sink: string;
  message_id: string;
  payload: string;
}

describeEachDatabase('the event log', (current) => {
  let world: RegistryWorld;

  beforeAll(() => {
    world = new RegistryWorld(current().database);
  });

  const rowsOf = async (imageId: string): Promise<Row[]> =>
    (await world.database
      .knex('registry_outbox')
      .where({ image_id: imageId })
      .orderBy('id')) as Row[];

  const announcingTo = (announcing: Announcing): TransactionRunner<Repositories> =>
    new TransactionRunner(current().database, (connection, dialect, actor) =>
      createRepositories(connection, dialect, actor, { announcing }),
    );

  it('forgets with the transaction what was written in it', async () => {
    const { id } = await world.create();
    const before = await rowsOf(id);
    const work = world.transactions.write({}, async ({ events }) => {
      await events.record(id, [{ kind: 'image.updated' }]);
      throw new Error('and then it failed');
    });
    await expect(work).rejects.toThrow('and then it failed');
    expect(await rowsOf(id)).toEqual(before);
    const timeline = await world.database.knex('registry_timeline').where({ image_id: id });
    expect(timeline).toHaveLength(1);
  });

  it('says all that the sheet has of an image, and no location', async () => {
    const image = await world.createActive({
      name: 'told',
      visibility: 'public',
      properties: [['os', 'plan 9 ☃']],
      tags: ['t'],
      diskFormat: 'raw',
    });
    const row = (await rowsOf(image.id)).find(({ event }) => event === 'image.activate');
    expect(row).toMatchObject({ priority: 'INFO', sink: 'test' });
    expect(JSON.parse(row?.payload ?? '')).toEqual({
      id: image.id,
      name: 'told',
      status: 'active',
      created_at: `${image.createdAt}Z`,
      updated_at: `${image.updatedAt}Z`,
      min_disk: 0,
      min_ram: 0,
      protected: false,
      checksum: image.checksum,
      owner: 'admin-project',
      disk_format: 'raw',
      container_format: null,
      size: 5,
      virtual_size: null,
      is_public: true,
      visibility: 'public',
      properties: { os: 'plan 9 ☃' },
      tags: ['t'],
      deleted: false,
      deleted_at: null,
    });
  });

  it('says of a failed upload why, with the priority of an error', async () => {
    const { id } = await world.create();
    const uploadId = await world.begin(id);
    const failure = { reason: 'ECONNRESET 10.0.0.1', locationUrl: null, message: 'Client is gone' };
    await world.uploads.abandon(id, uploadId, failure, ADMIN, {});
    const failed = (await rowsOf(id)).filter(({ priority }) => priority === 'ERROR');
    expect(failed.map(({ event, payload }) => [event, JSON.parse(payload) as unknown])).toEqual([
      ['image.upload', expect.stringMatching(/could not be uploaded: Client is gone$/)],
    ]);
  });

  it('gives each sink each message, by one id, but for those that are disabled', async () => {
    const { id } = await world.create();
    await world.database.knex('registry_outbox').where({ image_id: id }).delete();
    const transactions = announcingTo({ sinks: ['a', 'b'], disabled: ['image.prepare', 'task'] });
    await transactions.write({}, ({ events }) =>
      events.record(id, [{ kind: 'upload.started' }, { kind: 'import.started' }]),
    );
    const rows = await rowsOf(id);
    expect(rows.map(({ event, sink }) => [event, sink])).toEqual([
      ['image.update', 'a'],
      ['image.update', 'b'],
    ]);
    expect(new Set(rows.map(({ message_id }) => message_id)).size).toBe(1);
  });

  it('takes the first part of a name for all that begin so', async () => {
    const { id } = await world.create();
    const member = {
      memberId: 'm',
      canShare: false,
      status: 'pending',
      createdAt: '2026-01-01T00:00:00',
      updatedAt: '2026-01-01T00:00:00',
    } as const;
    const before = await rowsOf(id);
    await announcingTo({ sinks: ['test'], disabled: ['image'] }).write({}, ({ events }) =>
      events.record(id, [{ kind: 'member.added', member }, { kind: 'image.updated' }]),
    );
    expect(await rowsOf(id)).toEqual(before);
  });

  it('writes nothing to send where nobody listens', async () => {
    const id = randomUUID();
    await announcingTo({ sinks: [], disabled: [] }).write({}, ({ events }) =>
      events.record(id, [{ kind: 'image.updated' }]),
    );
    expect(await rowsOf(id)).toEqual([]);
    const timeline = await world.database.knex('registry_timeline').where({ image_id: id });
    expect(timeline).toHaveLength(1);
  });
});
