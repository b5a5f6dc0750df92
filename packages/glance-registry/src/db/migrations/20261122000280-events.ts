import { ANNOUNCEMENT_COLUMNS, ANNOUNCEMENT_INDEXES, EVENT_TABLES } from '../schema/event-tables';
import type { Migration } from './migration';

export const events: Migration = {
  name: '20261122000280-events',
  phase: 'expand',

  async up(editor) {
    for (const table of EVENT_TABLES) await editor.ensureTable(table);
    for (const each of ANNOUNCEMENT_COLUMNS) await editor.ensureColumn('registry_outbox', each);
    for (const each of ANNOUNCEMENT_INDEXES) await editor.ensureIndex('registry_outbox', each);
  },

  async down(editor) {
    for (const { name } of ANNOUNCEMENT_INDEXES) {
      await editor.drop({ table: 'registry_outbox', index: name });
    }
    for (const { name } of ANNOUNCEMENT_COLUMNS) {
      await editor.drop({ table: 'registry_outbox', column: name });
    }
    for (const { name } of EVENT_TABLES) await editor.drop({ table: name });
  },
};
