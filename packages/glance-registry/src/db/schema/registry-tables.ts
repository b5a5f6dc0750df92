import {
  NULLABLE,
  autoIncrement,
  column,
  index,
  unique,
  varchar,
  type ColumnDefinition,
  type IndexDefinition,
  type TableDefinition,
} from './table-definition';

/** Side tables of our own. None refers to an upstream table, so that upstream never trips on one. */
export const REGISTRY_TABLES: readonly TableDefinition[] = [
  {
    // One attempt to upload an image: who may commit, until when, and what it holds of the quota.
    name: 'registry_leases',
    columns: [
      varchar('upload_id', 36, { binary: true }),
      varchar('image_id', 36, { binary: true }),
      varchar('kind', 16),
      varchar('node', 255),
      varchar('state', 16),
      varchar('failure_status', 30),
      varchar('owner', 255, { nullable: true, binary: true }),
      column('reserved_bytes', 'bigint'),
      column('quota_limit', 'bigint', NULLABLE),
      column('bytes_received', 'bigint'),
      column('created_at', 'datetime'),
      column('expires_at', 'datetime'),
      column('finished_at', 'datetime', NULLABLE),
    ],
    primaryKey: ['upload_id'],
    indexes: [
      index('registry_leases_image', 'image_id', 'state'),
      index('registry_leases_unfinished', 'finished_at', 'expires_at'),
    ],
  },
  {
    // Answers already given, found again when the call is repeated.
    name: 'registry_request_keys',
    columns: [
      varchar('request_key', 64, { binary: true }),
      varchar('operation', 255, { binary: true }),
      column('answer', 'mediumtext'),
      column('created_at', 'datetime'),
    ],
    primaryKey: ['request_key'],
    indexes: [index('registry_request_keys_created', 'created_at')],
  },
  {
    // Bytes per owner: stored and promised to running uploads.
    name: 'registry_quota_usage',
    columns: [
      varchar('owner', 255, { binary: true }),
      column('used_bytes', 'bigint'),
      column('reserved_bytes', 'bigint'),
      column('created_at', 'datetime'),
      column('updated_at', 'datetime'),
    ],
    primaryKey: ['owner'],
  },
  {
    // Committed changes still to be announced.
    name: 'registry_outbox',
    columns: [
      autoIncrement('id', 'bigint'),
      varchar('image_id', 36, { binary: true }),
      varchar('event', 64),
      column('payload', 'mediumtext'),
      column('created_at', 'datetime'),
      column('delivered_at', 'datetime', NULLABLE),
    ],
    primaryKey: ['id'],
    indexes: [
      index('registry_outbox_undelivered', 'delivered_at', 'id'),
      index('registry_outbox_created', 'created_at'),
    ],
  },
  {
    // Ids of deleted images. They outlive a purge, so that no id is ever used twice (OSSN-0075).
    name: 'registry_tombstones',
    columns: [varchar('image_id', 36), column('created_at', 'datetime')],
    primaryKey: ['image_id'],
  },
  {
    // Deletions begun and not finished: what to go back to when the store refuses.
    name: 'registry_deletions',
    columns: [
      varchar('image_id', 36, { binary: true }),
      varchar('previous_status', 30),
      column('is_delayed', 'boolean'),
      column('created_at', 'datetime'),
    ],
    primaryKey: ['image_id'],
  },
];

/** Data that is promised to an image and still to be copied from where a user said. */
export const COPIES_TABLE: TableDefinition = {
  name: 'registry_copies',
  columns: [
    varchar('image_id', 36, { binary: true }),
    // It may carry credentials; the row lives no longer than the promise.
    column('source_url', 'mediumtext'),
    varchar('store_id', 255),
    column('size_bytes', 'bigint', NULLABLE),
    column('attempts', 'int'),
    column('next_attempt_at', 'datetime'),
    column('created_at', 'datetime'),
  ],
  primaryKey: ['image_id'],
  indexes: [index('registry_copies_next_attempt', 'next_attempt_at')],
};

/** Of a row of `registry_copies` that promises a check of data that stays where it is. */
export const CHECK_COLUMNS: readonly ColumnDefinition[] = [
  // What the data must hash to; null for a copy.
  varchar('check_algorithm', 64, NULLABLE),
  varchar('check_value', 128, NULLABLE),
  // No attempt follows the one that runs.
  column('is_last_attempt', 'boolean', { default: 0 }),
];

/** Of the same: the task that shows how the check goes, if one does. */
export const CHECK_TASK_COLUMNS: readonly ColumnDefinition[] = [
  varchar('task_id', 36, { ...NULLABLE, binary: true }),
  column('task_hours', 'int', NULLABLE),
];

/** Locations taken from images that have others, whose data is still to be removed. */
export const REMOVALS_TABLE: TableDefinition = {
  name: 'registry_removals',
  columns: [
    column('location_id', 'bigint'),
    varchar('image_id', 36, { binary: true }),
    column('created_at', 'datetime'),
  ],
  primaryKey: ['location_id'],
  indexes: [index('registry_removals_image', 'image_id')],
};

/** Of a row of `registry_deletions`: how many have begun to remove the data, and not taken it back. */
export const SCRUBS_COLUMN: ColumnDefinition = column('scrubs', 'int', { default: 0 });

/** Of a row of `registry_removals`: the data is kept as that of images deleted with delay. */
export const DELAYED_REMOVAL_COLUMN: ColumnDefinition = column('is_delayed', 'boolean', {
  default: 0,
});

/** Finds locations that wait for their removal, which are few or none. */
export const LOCATION_STATUS_INDEX: IndexDefinition = index(
  'registry_image_locations_status',
  'status',
);

/** Imports that run or wait, and the data that clients have left for them. */
export const IMPORT_TABLES: readonly TableDefinition[] = [
  {
    // One import of an image, from its acceptance to its end; what users see of it is its task.
    name: 'registry_imports',
    columns: [
      varchar('image_id', 36, { binary: true }),
      varchar('task_id', 36, { binary: true }),
      varchar('method', 32),
      // It may carry credentials; the row lives no longer than the import.
      column('source_url', 'mediumtext', NULLABLE),
      // The only staging area that the data can be read from; null once any process can go on.
      varchar('area_id', 36, { ...NULLABLE, binary: true }),
      // JSON: each store with its state, and the location that it got.
      column('targets', 'mediumtext'),
      column('all_must_succeed', 'boolean'),
      column('stores_are_named', 'boolean'),
      // The attempt that runs, or ran last.
      varchar('upload_id', 36, { ...NULLABLE, binary: true }),
      column('attempts', 'int'),
      column('is_last_attempt', 'boolean'),
      column('time_to_live_hours', 'int'),
      column('created_at', 'datetime'),
    ],
    primaryKey: ['image_id'],
    indexes: [
      unique('registry_imports_task', 'task_id'),
      index('registry_imports_created', 'created_at'),
    ],
  },
  {
    // Data in a staging area, until its import has ended.
    name: 'registry_staged',
    columns: [
      varchar('image_id', 36, { binary: true }),
      varchar('upload_id', 36, { binary: true }),
      varchar('area_id', 36, { binary: true }),
      column('url', 'mediumtext'),
      column('size_bytes', 'bigint'),
      varchar('checksum', 32),
      varchar('hash_algorithm', 64),
      varchar('hash_value', 128),
      column('created_at', 'datetime'),
    ],
    primaryKey: ['image_id'],
  },
  {
    // Staging areas, and when a process that reads one was last heard of.
    name: 'registry_staging_areas',
    columns: [
      varchar('area_id', 36, { binary: true }),
      varchar('node', 255),
      column('seen_at', 'datetime'),
    ],
    primaryKey: ['area_id'],
  },
];

/** What the search for blobs without image remembers, and when it was last begun. */
export const ORPHAN_TABLES: readonly TableDefinition[] = [
  {
    // Blobs that no image had when they were last looked at.
    name: 'registry_orphans',
    columns: [
      autoIncrement('id', 'bigint'),
      varchar('store_id', 255, { binary: true }),
      varchar('name', 73, { binary: true }),
      varchar('image_id', 36, { binary: true }),
      column('first_seen_at', 'datetime'),
      column('last_seen_at', 'datetime'),
    ],
    primaryKey: ['id'],
    indexes: [
      unique('registry_orphans_blob', 'store_id', 'name'),
      index('registry_orphans_image', 'image_id'),
      index('registry_orphans_last_seen', 'last_seen_at'),
    ],
  },
  {
    // Work that one process does for all of them, once per interval.
    name: 'registry_sweeps',
    columns: [varchar('name', 64, { binary: true }), column('claimed_at', 'datetime')],
    primaryKey: ['name'],
  },
];

/** Columns by which lists are ordered, besides `id`. */
export const SORTED_COLUMNS = [
  'created_at',
  'updated_at',
  'name',
  'size',
  'status',
  'disk_format',
  'container_format',
] as const;

/**
 * Indexes on upstream tables. Two for each order hold the pages of the image list: one group of
 * equal prefix per branch of the list query (see images/image-list-query.ts). They cost about a
 * kilobyte per image and a tenth of a millisecond per insert. The others find the few rows of a
 * selective filter.
 */
export const REGISTRY_INDEXES: Readonly<Record<string, readonly IndexDefinition[]>> = {
  images: [
    ...SORTED_COLUMNS.flatMap((key) => {
      const order = key === 'created_at' ? [key, 'id'] : [key, 'created_at', 'id'];
      const columns = ['visibility', 'deleted', 'os_hidden', ...order];
      return [
        index(`registry_images_visibility_${key}`, ...columns),
        index(`registry_images_owner_${key}`, 'owner', ...columns),
      ];
    }),
    index('registry_images_status', 'status', 'deleted'),
  ],
  image_members: [
    index('registry_image_members_member', 'member', 'deleted', 'status', 'image_id'),
  ],
  image_tags: [index('registry_image_tags_value', 'value', 'deleted', 'image_id')],
  image_properties: [index('registry_image_properties_value', 'name', 'value(64)')],
  image_locations: [index('registry_image_locations_value', 'value(255)')],
};

/** The same two for the pages of a list ordered by id. */
export const ID_ORDER_INDEXES: readonly IndexDefinition[] = [
  index('registry_images_visibility_id', 'visibility', 'deleted', 'os_hidden', 'id'),
  index('registry_images_owner_id', 'owner', 'visibility', 'deleted', 'os_hidden', 'id'),
];

/** Of a row of `registry_imports`. */
export const IMPORT_COLUMNS: readonly ColumnDefinition[] = [
  // JSON: what the image was before its first store was filled.
  column('before_import', 'mediumtext', NULLABLE),
  // PEM, of the signature that the data must have.
  column('certificate', 'mediumtext', NULLABLE),
  // The image whose data is cloned.
  varchar('source_image_id', 36, { ...NULLABLE, binary: true }),
  // The image was made for this, and goes when it comes to nothing.
  column('deletes_image', 'boolean', { default: 0 }),
];
