import { CHECK_TASK_COLUMNS, COPIES_TABLE } from '../schema/registry-tables';
import type { Migration } from './migration';

export const checkTasks: Migration = {
  name: '20261122000295-check-tasks',
  phase: 'expand',

  async up(editor) {
    for (const each of CHECK_TASK_COLUMNS) await editor.ensureColumn(COPIES_TABLE.name, each);
  },

  async down(editor) {
    for (const { name } of CHECK_TASK_COLUMNS) {
      await editor.drop({ table: COPIES_TABLE.name, column: name });
    }
  },
};
