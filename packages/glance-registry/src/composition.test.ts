import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { createRegistry } from './composition';
import { SchemaOutdatedError, migrateUp } from './db/migrator';
import { createDatabase } from './db/create-database';
import { ADMIN, RegistryWorld, memberOf } from './testing/registry-world';
import { startRegistryServer } from './testing/registry-server';

describe('glance-registry', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'glance-registry-'));
  });

  afterAll(() => rm(directory, { recursive: true }));

  const urlOf = (name: string): string => `sqlite:///${path.join(directory, name)}`;

  async function untilReady(app: Parameters<typeof request>[0], ready: boolean): Promise<void> {
    for (;;) {
      const { status } = await request(app).get('/readyz');
      if ((status === 200) === ready) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it('does not start on a database whose schema is not current', async () => {
    const start = createRegistry({ database: { url: urlOf('empty.sqlite') } });
    await expect(start).rejects.toBeInstanceOf(SchemaOutdatedError);
    await expect(start).rejects.toThrow(/glance-manage db sync/);
  });

  it('is ready between expand, migrate and contract, while an older release may still run', async () => {
    const settings = { database: { url: urlOf('upgraded.sqlite') } };
    const database = createDatabase(settings.database);
    try {
      await migrateUp(database, () => undefined, ['expand']);
      await expect(createRegistry(settings)).rejects.toThrow(/location-store-key/);
      await migrateUp(database, () => undefined, ['migrate']);
    } finally {
      await database.close();
    }
    const registry = await createRegistry(settings);
    registry.start();
    try {
      await untilReady(registry.app, true);
    } finally {
      await registry.close();
    }
  });

  it('starts without its database and says that it is not ready', async () => {
    const registry = await createRegistry({
      database: { url: 'mysql://nobody:secret@127.0.0.1:1/none' },
    });
    registry.start();
    try {
      expect((await request(registry.app).get('/livez')).status).toBe(200);
      const ready = await request(registry.app).get('/readyz');
      expect(ready.status).toBe(503);
      expect(ready.text).not.toContain('secret');
    } finally {
      await registry.close();
    }
  });

  it('is ready once its database answers, and red when it is stopped', async () => {
    const registry = await createRegistry(
      { database: { url: urlOf('ready.sqlite') } },
      { migrate: true },
    );
    registry.start();
    try {
      await untilReady(registry.app, true);
      registry.readiness.drain();
      await untilReady(registry.app, false);
    } finally {
      await registry.close();
    }
  });

  it('is taken out of a load balancer by a file', async () => {
    const file = path.join(directory, 'disable');
    const registry = await createRegistry(
      { database: { url: 'sqlite://' }, disableByFile: file },
      { migrate: true },
    );
    try {
      expect((await request(registry.app).get('/healthcheck')).status).toBe(200);
      await writeFile(file, '');
      expect((await request(registry.app).get('/healthcheck')).status).toBe(503);
    } finally {
      await registry.close();
    }
  });

  it('sweeps at intervals: what a dead upload left is rolled back without anybody asking', async () => {
    const url = urlOf('sweeping.sqlite');
    const database = createDatabase({ url });
    await migrateUp(database, () => undefined);
    const world = new RegistryWorld(database);
    const { id } = await world.create({}, memberOf('p'));
    await world.begin(id, {}, memberOf('p'));
    await world.letLeasesRunOut();
    await database.knex.batchInsert(
      'registry_request_keys',
      Array.from({ length: 1500 }, (_, index) => ({
        request_key: `old ${index}`,
        operation: 'POST /v1/images',
        answer: '{}',
        created_at: '2020-01-01 00:00:00',
      })),
      500,
    );
    const server = await startRegistryServer({ database: { url }, sweepIntervalMs: 20 });
    server.registry.start();
    try {
      const until = async (met: () => Promise<boolean>): Promise<void> => {
        while (!(await met())) await new Promise((resolve) => setTimeout(resolve, 10));
      };
      await until(async () => (await world.images.get(id, ADMIN, {})).status === 'queued');
      await until(async () => (await database.knex('registry_request_keys')).length === 0);
    } finally {
      await server.close();
      await database.close();
    }
  });

  it('purges what was deleted long ago, where the operator says so, and keeps its id taken', async () => {
    const url = urlOf('purging.sqlite');
    const database = createDatabase({ url });
    await migrateUp(database, () => undefined);
    const world = new RegistryWorld(database);
    const [old, young] = [await world.create(), await world.create()];
    for (const { id } of [old, young]) {
      await world.deletions.begin(id, { delayed: false }, ADMIN, {});
    }
    await database
      .knex('images')
      .where({ id: old.id })
      .update({ deleted_at: '2020-01-01 00:00:00' });
    const server = await startRegistryServer({
      database: { url },
      purge: { afterDays: 30, intervalMs: 20 },
    });
    server.registry.start();
    try {
      const ids = async (): Promise<string[]> =>
        (await database.knex<{ id: string }>('images').select('id')).map(({ id }) => id);
      while ((await ids()).includes(old.id)) await new Promise((done) => setTimeout(done, 10));
      expect(await ids()).toEqual([young.id]);
      await expect(world.create({ id: old.id })).rejects.toMatchObject({ code: 'image_exists' });
    } finally {
      await server.close();
      await database.close();
    }
  });
});
