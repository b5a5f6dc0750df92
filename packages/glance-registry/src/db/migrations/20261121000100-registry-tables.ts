import { REGISTRY_TABLES } from '../schema/registry-tables';
import type { Migration } from './migration';

export const registryTables: Migration = {
  name: '20261121000100-registry-tables',
  phase: 'expand',

  async up(editor) {
    for (const table of REGISTRY_TABLES) await editor.ensureTable(table);
  },

  async down(editor) {
    for (const { name } of [...REGISTRY_TABLES].reverse()) await editor.drop({ table: name });
  },
};
