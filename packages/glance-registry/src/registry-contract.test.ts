import { HttpRegistry } from '@glance/registry-client';
import { describeRegistryContract } from '@glance/registry-client/testing';
import { ServiceKeys } from '@glance/service-kit';
import { startRegistryServer } from './testing/registry-server';
import { BACKENDS } from './testing/test-databases';

const SERVICE_KEY = 'a key of the contract suite, long enough';

for (const backend of BACKENDS) {
  describeRegistryContract(`glance-registry on ${backend.name}`, {
    async start() {
      const { url, remove } = await backend.create();
      const server = await startRegistryServer(
        { database: { url }, serviceKeys: new ServiceKeys(() => [SERVICE_KEY]) },
        { migrate: true },
      );
      const { knex } = server.registry.database;
      const client = new HttpRegistry({
        baseUrls: [server.url],
        serviceKey: SERVICE_KEY,
        release: 'test',
      });
      return {
        registry: client,
        async addMember(imageId, projectId, status) {
          const now = '2026-01-01 00:00:00';
          await knex('image_members').insert({
            image_id: imageId,
            member: projectId,
            status,
            can_share: 0,
            created_at: now,
            updated_at: now,
            deleted: 0,
          });
        },
        async expireLeases() {
          await knex('registry_leases')
            .whereNull('finished_at')
            .update({ expires_at: '2000-01-01 00:00:00' });
          await server.registry.expireLeases();
        },
        async overwrite(imageId, { status, createdAt, updatedAt }) {
          const columns = {
            ...(status === undefined ? {} : { status }),
            ...(createdAt === undefined ? {} : { created_at: createdAt.replace('T', ' ') }),
            ...(updatedAt === undefined ? {} : { updated_at: updatedAt.replace('T', ' ') }),
          };
          await knex('images').where({ id: imageId }).update(columns);
        },
        async close() {
          client.close();
          await server.close();
          await remove();
        },
      };
    },
  });
}
