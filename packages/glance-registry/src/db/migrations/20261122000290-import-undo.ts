import { IMPORT_UNDO_COLUMN } from '../schema/registry-tables';
import type { Migration } from './migration';

export const importUndo: Migration = {
  name: '20261122000290-import-undo',
  phase: 'expand',

  async up(editor) {
    await editor.ensureColumn('registry_imports', IMPORT_UNDO_COLUMN);
  },

  async down(editor) {
    await editor.drop({ table: 'registry_imports', column: IMPORT_UNDO_COLUMN.name });
  },
};
