import {
  NULLABLE,
  autoIncrement,
  column,
  index,
  unique,
  varchar,
  type ColumnDefinition,
  type TableDefinition,
} from './table-definition';

/** Schema sheet §1: rows that are marked deleted instead of removed. */
const SOFT_DELETE: readonly ColumnDefinition[] = [
  column('created_at', 'datetime'),
  column('updated_at', 'datetime', NULLABLE),
  column('deleted_at', 'datetime', NULLABLE),
  column('deleted', 'boolean'),
];

const TIMESTAMPS: readonly ColumnDefinition[] = [
  column('created_at', 'datetime'),
  column('updated_at', 'datetime', NULLABLE),
];

const IMAGE_REFERENCE = { image_id: { table: 'images', column: 'id' } } as const;
const NAMESPACE_REFERENCE = {
  namespace_id: { table: 'metadef_namespaces', column: 'id' },
} as const;

/** The tables shared with upstream, column for column (schema sheet §2), in order of reference. */
export const UPSTREAM_TABLES: readonly TableDefinition[] = [
  {
    name: 'images',
    columns: [
      varchar('id', 36),
      varchar('name', 255, NULLABLE),
      column('size', 'bigint', NULLABLE),
      varchar('status', 30),
      ...SOFT_DELETE,
      varchar('disk_format', 20, NULLABLE),
      varchar('container_format', 20, NULLABLE),
      varchar('checksum', 32, NULLABLE),
      varchar('owner', 255, NULLABLE),
      column('min_disk', 'int'),
      column('min_ram', 'int'),
      column('protected', 'boolean', { default: 0 }),
      column('virtual_size', 'bigint', NULLABLE),
      {
        name: 'visibility',
        type: { kind: 'enum', values: ['private', 'public', 'shared', 'community'] },
        nullable: false,
        default: 'shared',
      },
      column('os_hidden', 'boolean', { default: 0 }),
      varchar('os_hash_algo', 64, NULLABLE),
      varchar('os_hash_value', 128, NULLABLE),
    ],
    primaryKey: ['id'],
    indexes: [
      index('checksum_image_idx', 'checksum'),
      index('ix_images_deleted', 'deleted'),
      index('owner_image_idx', 'owner'),
      index('created_at_image_idx', 'created_at'),
      index('updated_at_image_idx', 'updated_at'),
      index('visibility_image_idx', 'visibility'),
      index('os_hidden_image_idx', 'os_hidden'),
      index('os_hash_value_image_idx', 'os_hash_value'),
    ],
  },
  {
    name: 'image_properties',
    columns: [
      autoIncrement('id'),
      varchar('image_id', 36),
      varchar('name', 255),
      column('value', 'text', NULLABLE),
      ...SOFT_DELETE,
    ],
    primaryKey: ['id'],
    references: IMAGE_REFERENCE,
    indexes: [
      unique('ix_image_properties_image_id_name', 'image_id', 'name'),
      index('ix_image_properties_deleted', 'deleted'),
      index('ix_image_properties_image_id', 'image_id'),
    ],
  },
  {
    name: 'image_locations',
    columns: [
      autoIncrement('id'),
      varchar('image_id', 36),
      column('value', 'text'),
      ...SOFT_DELETE,
      column('meta_data', 'text', NULLABLE),
      varchar('status', 30, { default: 'active' }),
    ],
    primaryKey: ['id'],
    references: IMAGE_REFERENCE,
    indexes: [
      index('ix_image_locations_deleted', 'deleted'),
      index('ix_image_locations_image_id', 'image_id'),
    ],
  },
  {
    name: 'image_members',
    columns: [
      autoIncrement('id'),
      varchar('image_id', 36),
      varchar('member', 255),
      column('can_share', 'boolean'),
      ...SOFT_DELETE,
      varchar('status', 20, { default: 'pending' }),
    ],
    primaryKey: ['id'],
    references: IMAGE_REFERENCE,
    indexes: [
      unique('image_members_image_id_member_deleted_at_key', 'image_id', 'member', 'deleted_at'),
      index('ix_image_members_deleted', 'deleted'),
      index('ix_image_members_image_id', 'image_id'),
      index('ix_image_members_image_id_member', 'image_id', 'member'),
    ],
  },
  {
    name: 'image_tags',
    columns: [autoIncrement('id'), varchar('image_id', 36), varchar('value', 255), ...SOFT_DELETE],
    primaryKey: ['id'],
    references: IMAGE_REFERENCE,
    indexes: [
      index('ix_image_tags_image_id', 'image_id'),
      index('ix_image_tags_image_id_tag_value', 'image_id', 'value'),
    ],
  },
  {
    name: 'tasks',
    columns: [
      varchar('id', 36),
      varchar('type', 30),
      varchar('status', 30),
      varchar('owner', 255),
      column('expires_at', 'datetime', NULLABLE),
      ...SOFT_DELETE,
      varchar('image_id', 36, NULLABLE),
      varchar('request_id', 64, NULLABLE),
      varchar('user_id', 64, NULLABLE),
    ],
    primaryKey: ['id'],
    indexes: [
      index('ix_tasks_type', 'type'),
      index('ix_tasks_status', 'status'),
      index('ix_tasks_owner', 'owner'),
      index('ix_tasks_deleted', 'deleted'),
      index('ix_tasks_updated_at', 'updated_at'),
      index('ix_tasks_image_id', 'image_id'),
    ],
  },
  {
    name: 'task_info',
    columns: [
      varchar('task_id', 36),
      column('input', 'text', NULLABLE),
      column('result', 'text', NULLABLE),
      column('message', 'text', NULLABLE),
    ],
    primaryKey: ['task_id'],
    references: { task_id: { table: 'tasks', column: 'id' } },
  },
  {
    name: 'metadef_namespaces',
    columns: [
      autoIncrement('id'),
      varchar('namespace', 80),
      varchar('display_name', 80, NULLABLE),
      column('description', 'text', NULLABLE),
      varchar('visibility', 32, NULLABLE),
      column('protected', 'boolean', NULLABLE),
      varchar('owner', 255),
      ...TIMESTAMPS,
    ],
    primaryKey: ['id'],
    indexes: [
      unique('uq_metadef_namespaces_namespace', 'namespace'),
      index('ix_metadef_namespaces_owner', 'owner'),
    ],
  },
  {
    name: 'metadef_objects',
    columns: [
      autoIncrement('id'),
      column('namespace_id', 'int'),
      varchar('name', 80),
      column('description', 'text', NULLABLE),
      column('required', 'text', NULLABLE),
      column('json_schema', 'text'),
      ...TIMESTAMPS,
    ],
    primaryKey: ['id'],
    references: NAMESPACE_REFERENCE,
    indexes: [
      unique('uq_metadef_objects_namespace_id_name', 'namespace_id', 'name'),
      index('ix_metadef_objects_name', 'name'),
    ],
  },
  {
    name: 'metadef_properties',
    columns: [
      autoIncrement('id'),
      column('namespace_id', 'int'),
      varchar('name', 80),
      column('json_schema', 'text'),
      ...TIMESTAMPS,
    ],
    primaryKey: ['id'],
    references: NAMESPACE_REFERENCE,
    indexes: [
      unique('uq_metadef_properties_namespace_id_name', 'namespace_id', 'name'),
      index('ix_metadef_properties_name', 'name'),
    ],
  },
  {
    name: 'metadef_tags',
    columns: [
      autoIncrement('id'),
      column('namespace_id', 'int'),
      varchar('name', 80),
      ...TIMESTAMPS,
    ],
    primaryKey: ['id'],
    references: NAMESPACE_REFERENCE,
    indexes: [
      unique('uq_metadef_tags_namespace_id_name', 'namespace_id', 'name'),
      index('ix_metadef_tags_name', 'name'),
    ],
  },
  {
    name: 'metadef_resource_types',
    columns: [
      autoIncrement('id'),
      varchar('name', 80),
      column('protected', 'boolean'),
      ...TIMESTAMPS,
    ],
    primaryKey: ['id'],
    indexes: [unique('uq_metadef_resource_types_name', 'name')],
  },
  {
    name: 'metadef_namespace_resource_types',
    columns: [
      column('resource_type_id', 'int'),
      column('namespace_id', 'int'),
      varchar('properties_target', 80, NULLABLE),
      varchar('prefix', 80, NULLABLE),
      ...TIMESTAMPS,
    ],
    primaryKey: ['resource_type_id', 'namespace_id'],
    references: {
      resource_type_id: { table: 'metadef_resource_types', column: 'id' },
      ...NAMESPACE_REFERENCE,
    },
    indexes: [index('ix_metadef_ns_res_types_namespace_id', 'namespace_id')],
  },
  {
    name: 'node_reference',
    columns: [autoIncrement('node_reference_id', 'bigint'), varchar('node_reference_url', 255)],
    primaryKey: ['node_reference_id'],
    indexes: [unique('uq_node_reference_node_reference_url', 'node_reference_url')],
  },
  {
    name: 'cached_images',
    columns: [
      autoIncrement('id', 'bigint'),
      varchar('image_id', 36),
      column('last_accessed', 'datetime'),
      column('last_modified', 'datetime'),
      column('size', 'bigint'),
      column('hits', 'int'),
      varchar('checksum', 32, NULLABLE),
      column('node_reference_id', 'bigint'),
    ],
    primaryKey: ['id'],
    references: {
      node_reference_id: { table: 'node_reference', column: 'node_reference_id' },
    },
    indexes: [
      unique('ix_cached_images_image_id_node_reference_id', 'image_id', 'node_reference_id'),
    ],
  },
];
