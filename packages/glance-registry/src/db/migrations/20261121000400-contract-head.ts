import { CONTRACT_HEAD, EXPAND_HEAD, writeAlembicHeads } from '../schema/alembic';
import { readOrigin } from '../schema/schema-origin';
import type { Migration } from './migration';

/** Says in upstream's words that the schema is complete. */
export const contractHead: Migration = {
  name: '20261121000400-contract-head',
  phase: 'contract',

  async up({ connection }) {
    await writeAlembicHeads(connection, [CONTRACT_HEAD]);
  },

  async down({ connection }) {
    const heads = (await readOrigin(connection))?.heads ?? [];
    if (heads.includes(CONTRACT_HEAD)) return;
    const contractHeads = heads.filter((head) => head.includes('_contract'));
    await writeAlembicHeads(connection, [...contractHeads, EXPAND_HEAD]);
  },
};
