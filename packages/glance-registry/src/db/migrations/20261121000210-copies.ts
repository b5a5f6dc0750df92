import { COPIES_TABLE } from '../schema/registry-tables';
import type { Migration } from './migration';

export const copies: Migration = {
  name: '20261121000210-copies',
  phase: 'expand',

  async up(editor) {
    await editor.ensureTable(COPIES_TABLE);
  },

  async down(editor) {
    await editor.drop({ table: COPIES_TABLE.name });
  },
};
