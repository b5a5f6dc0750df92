import { ID_ORDER_INDEXES } from '../schema/registry-tables';
import type { Migration } from './migration';

export const idOrderIndexes: Migration = {
  name: '20261121000230-id-order-indexes',
  phase: 'expand',

  async up(editor) {
    for (const each of ID_ORDER_INDEXES) await editor.ensureIndex('images', each);
  },

  async down(editor) {
    for (const { name } of ID_ORDER_INDEXES) await editor.drop({ table: 'images', index: name });
  },
};
