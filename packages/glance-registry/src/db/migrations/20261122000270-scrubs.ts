import {
  DELAYED_REMOVAL_COLUMN,
  LOCATION_STATUS_INDEX,
  REMOVALS_TABLE,
  SCRUBS_COLUMN,
} from '../schema/registry-tables';
import type { Migration } from './migration';

const DELETIONS = 'registry_deletions';

export const scrubs: Migration = {
  name: '20261122000270-scrubs',
  phase: 'expand',

  async up(editor) {
    await editor.ensureColumn(DELETIONS, SCRUBS_COLUMN);
    await editor.ensureColumn(REMOVALS_TABLE.name, DELAYED_REMOVAL_COLUMN);
    await editor.ensureIndex('image_locations', LOCATION_STATUS_INDEX);
  },

  async down(editor) {
    await editor.drop({ table: DELETIONS, column: SCRUBS_COLUMN.name });
    await editor.drop({ table: REMOVALS_TABLE.name, column: DELAYED_REMOVAL_COLUMN.name });
    await editor.drop({ table: 'image_locations', index: LOCATION_STATUS_INDEX.name });
  },
};
