import { REMOVALS_TABLE } from '../schema/registry-tables';
import type { Migration } from './migration';

export const removals: Migration = {
  name: '20261121000250-removals',
  phase: 'expand',

  async up(editor) {
    await editor.ensureTable(REMOVALS_TABLE);
  },

  async down(editor) {
    await editor.drop({ table: REMOVALS_TABLE.name });
  },
};
