import { CHECK_COLUMNS, COPIES_TABLE } from '../schema/registry-tables';
import type { Migration } from './migration';

export const copyChecks: Migration = {
  name: '20261121000240-copy-checks',
  phase: 'expand',

  async up(editor) {
    for (const each of CHECK_COLUMNS) await editor.ensureColumn(COPIES_TABLE.name, each);
  },

  async down(editor) {
    for (const { name } of CHECK_COLUMNS) {
      await editor.drop({ table: COPIES_TABLE.name, column: name });
    }
  },
};
