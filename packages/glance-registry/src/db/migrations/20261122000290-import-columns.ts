import { IMPORT_COLUMNS } from '../schema/registry-tables';
import type { Migration } from './migration';

export const importColumns: Migration = {
  name: '20261122000290-import-columns',
  phase: 'expand',

  async up(editor) {
    for (const each of IMPORT_COLUMNS) await editor.ensureColumn('registry_imports', each);
  },

  async down(editor) {
    for (const { name } of IMPORT_COLUMNS) {
      await editor.drop({ table: 'registry_imports', column: name });
    }
  },
};
