import { ORPHAN_TABLES } from '../schema/registry-tables';
import type { Migration } from './migration';

export const orphans: Migration = {
  name: '20261121000220-orphans',
  phase: 'expand',

  async up(editor) {
    for (const table of ORPHAN_TABLES) await editor.ensureTable(table);
  },

  async down(editor) {
    for (const { name } of ORPHAN_TABLES) await editor.drop({ table: name });
  },
};
