import {
  NULLABLE,
  column,
  index,
  varchar,
  type ColumnDefinition,
  type IndexDefinition,
  type TableDefinition,
} from './table-definition';

/** What happened to images, and who sends the announcements of that. */
export const EVENT_TABLES: readonly TableDefinition[] = [
  {
    // The story of each image, in the order of its numbers. It lives as long as the image.
    name: 'registry_timeline',
    columns: [
      varchar('image_id', 36, { binary: true }),
      column('number', 'bigint'),
      varchar('event', 32),
      varchar('step', 32),
      column('bytes', 'bigint', NULLABLE),
      // JSON: who, why, and what else was part of it.
      column('details', 'mediumtext'),
      column('created_at', 'datetime'),
    ],
    primaryKey: ['image_id', 'number'],
  },
  {
    // The one process that sends to a sink, and until when.
    name: 'registry_senders',
    columns: [
      varchar('sink', 32, { binary: true }),
      varchar('holder', 36, { binary: true }),
      column('expires_at', 'datetime'),
    ],
    primaryKey: ['sink'],
  },
];

/** Of `registry_outbox`: who is to get a row, and when. Rows of an older release have no sink. */
export const ANNOUNCEMENT_COLUMNS: readonly ColumnDefinition[] = [
  varchar('sink', 32, { ...NULLABLE, binary: true }),
  varchar('priority', 16, NULLABLE),
  varchar('message_id', 36, NULLABLE),
  column('attempts', 'int', { default: 0 }),
  column('next_attempt_at', 'datetime', NULLABLE),
];

export const ANNOUNCEMENT_INDEXES: readonly IndexDefinition[] = [
  index('registry_outbox_due', 'sink', 'delivered_at', 'id'),
  index('registry_outbox_postponed', 'sink', 'delivered_at', 'next_attempt_at'),
];
