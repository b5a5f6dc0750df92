import { IMPORT_TABLES } from '../schema/registry-tables';
import type { Migration } from './migration';

export const imports: Migration = {
  name: '20261121000260-imports',
  phase: 'expand',

  async up(editor) {
    for (const table of IMPORT_TABLES) await editor.ensureTable(table);
  },

  async down(editor) {
    for (const { name } of IMPORT_TABLES) await editor.drop({ table: name });
  },
};
