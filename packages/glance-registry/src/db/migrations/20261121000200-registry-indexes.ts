import { REGISTRY_INDEXES } from '../schema/registry-tables';
import type { Migration } from './migration';

export const registryIndexes: Migration = {
  name: '20261121000200-registry-indexes',
  phase: 'expand',

  async up(editor) {
    for (const [table, indexes] of Object.entries(REGISTRY_INDEXES)) {
      for (const each of indexes) await editor.ensureIndex(table, each);
    }
  },

  async down(editor) {
    for (const [table, indexes] of Object.entries(REGISTRY_INDEXES)) {
      for (const { name } of indexes) await editor.drop({ table, index: name });
    }
  },
};
