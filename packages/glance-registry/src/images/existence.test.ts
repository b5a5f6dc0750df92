import { randomUUID } from 'node:crypto';
import { RegistryWorld, aCommit, anUpload, memberOf } from '../testing/registry-world';
import { describeEachDatabase } from '../testing/test-databases';

const OWNER = memberOf('owner-project');
const STRANGER = memberOf('stranger-project');

type Call = (world: RegistryWorld, id: string) => Promise<unknown>;

const CALLS: Record<string, Call> = {
  show: ({ images }, id) => images.get(id, STRANGER, {}),
  update: ({ images }, id) => images.update(id, { fields: { name: 'x' } }, STRANGER, {}),
  'set the status': ({ images }, id) =>
    images.setStatus(id, { status: 'deactivated' }, STRANGER, {}),
  upload: ({ uploads }, id) => uploads.begin(id, anUpload(), STRANGER, {}),
  'commit an upload': ({ uploads }, id) =>
    uploads.commit(id, randomUUID(), aCommit(), STRANGER, {}),
  delete: ({ deletions }, id) => deletions.begin(id, { delayed: false }, STRANGER, {}),
  'list members': ({ members }, id) => members.list(id, STRANGER, {}),
  'add a member': ({ members }, id) => members.put(id, 'm', { memberQuota: null }, STRANGER, {}),
  'remove a member': ({ members }, id) => members.delete(id, 'm', STRANGER, {}),
};

/** Security sheet §5: whether there is an image does not show in how long the answer takes. */
describeEachDatabase('the existence of an image that a caller may not see', (current) => {
  it.each(Object.keys(CALLS))('costs "%s" no other statement', async (name) => {
    const world = new RegistryWorld(current().database);
    const call = CALLS[name] as Call;
    const { id } = await world.createActive({ visibility: 'private' }, {}, OWNER);

    async function statementsOf(imageId: string): Promise<string[]> {
      const statements: string[] = [];
      const note = ({ sql }: { sql: string }): void => {
        statements.push(sql);
      };
      world.database.knex.on('query', note);
      await expect(call(world, imageId)).rejects.toMatchObject({ name: 'DomainError' });
      world.database.knex.removeListener('query', note);
      return statements;
    }

    const hidden = await statementsOf(id);
    expect(hidden.length).toBeGreaterThan(0);
    expect(hidden).toEqual(await statementsOf(randomUUID()));
  });
});
