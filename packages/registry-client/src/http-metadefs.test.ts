import { HttpRegistry } from './http-registry';
import type { CallContext } from './registry';
import { json, ScriptedPeer, type Reply } from './testing/scripted-peer';

const context: CallContext = {
  identity: { userId: 'u', projectId: 'p', roles: [], isAdmin: false, readOnly: false },
  requestId: 'req-1',
};
const ODD = '../%2F a::b?ü';
const TIMES = { createdAt: '2026-01-02T03:04:05', updatedAt: null };
const TAG = { name: ODD, description: null, required: null, schema: null };

describe('the metadata definitions of HttpRegistry', () => {
  let peer: ScriptedPeer;
  let registry: HttpRegistry;

  async function play(reply: Reply): Promise<void> {
    peer = await ScriptedPeer.start(reply);
    registry = new HttpRegistry({ baseUrls: [peer.url], release: '1' });
  }

  afterEach(async () => {
    registry.close();
    await peer.close();
  });

  it('has names of any character in the query or the body, never in the path', async () => {
    await play(json(200, { item: { ...TAG, ...TIMES } }));
    const { metadefs } = registry;
    expect((await metadefs.getItem(ODD, 'tags', ODD, context)).name).toBe(ODD);
    await metadefs.updateItem(ODD, 'tags', ODD, TAG, context);
    await metadefs.deleteItem(ODD, 'tags', ODD, context);
    const sought = { namespace: ODD, kind: 'tags', name: ODD };
    const query = encodeURIComponent(JSON.stringify(sought));
    expect(peer.seen.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['GET', `/v1/metadefs/item?query=${query}`, ''],
      ['PUT', '/v1/metadefs/item', JSON.stringify({ ...sought, item: TAG })],
      ['DELETE', `/v1/metadefs/item?query=${query}`, ''],
    ]);
  });

  it.each(['', 'x'.repeat(81), 'a\u0000'])('finds no %j, without a call', async (name) => {
    await play(json(500, {}));
    const { metadefs } = registry;
    const query = { sortKey: 'id', sortDirection: 'asc', limit: 1, marker: name } as const;
    for (const call of [
      metadefs.getNamespace(name, context),
      metadefs.listNamespaces(query, context),
      metadefs.listItems('n', 'tags', query, context),
      metadefs.getItem('n', 'objects', name, context),
      metadefs.deleteAssociation('n', name, context),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'not_found' });
    }
    expect(await metadefs.listAppliedProperties(name, context)).toEqual([]);
    expect(peer.seen).toHaveLength(0);
  });

  it('lets many resource types be asked for', async () => {
    await play(json(200, { namespaces: [] }));
    const resourceTypes = Array.from({ length: 1000 }, (_, index) => `☃${index}`);
    const query = { sortKey: 'id', sortDirection: 'asc', limit: 1 } as const;
    await registry.metadefs.listNamespaces({ ...query, resourceTypes }, context);
    expect(JSON.parse(peer.seen[0]?.body ?? '')).toEqual({ ...query, resourceTypes });
    expect(peer.seen[0]?.headers['x-glance-request-key']).toBeUndefined();
  });

  it('takes nothing for a namespace that is none', async () => {
    await play(json(200, { namespace: { namespace: 'n', visibility: 'shared' } }));
    await expect(registry.metadefs.getNamespace('n', context)).rejects.toMatchObject({
      code: 'registry_unavailable',
    });
  });
});
