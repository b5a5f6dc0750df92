import { describeEachDatabase, notHere } from '../../testing/test-databases';
import { selectRows, sql, sqlText } from '../sql';

/** Schema sheet §2, in its own words: column, type, `NN` for NOT NULL, `=` the server default. */
const SD = [
  'created_at datetime NN',
  'updated_at datetime',
  'deleted_at datetime',
  'deleted tinyint(1) NN',
];
const TS = ['created_at datetime NN', 'updated_at datetime'];

const SHEET: Record<string, { columns: string[]; keys: string[] }> = {
  images: {
    columns: [
      'id varchar(36) NN',
      'name varchar(255)',
      'size bigint',
      'status varchar(30) NN',
      ...SD,
      'disk_format varchar(20)',
      'container_format varchar(20)',
      'checksum varchar(32)',
      'owner varchar(255)',
      'min_disk int NN',
      'min_ram int NN',
      'protected tinyint(1) NN =0',
      'virtual_size bigint',
      "visibility enum('private','public','shared','community') NN =shared",
      'os_hidden tinyint(1) NN =0',
      'os_hash_algo varchar(64)',
      'os_hash_value varchar(128)',
    ],
    keys: [
      'PRIMARY(id)',
      'checksum_image_idx(checksum)',
      'ix_images_deleted(deleted)',
      'owner_image_idx(owner)',
      'created_at_image_idx(created_at)',
      'updated_at_image_idx(updated_at)',
      'visibility_image_idx(visibility)',
      'os_hidden_image_idx(os_hidden)',
      'os_hash_value_image_idx(os_hash_value)',
    ],
  },
  image_properties: {
    columns: [
      'id int NN ai',
      'image_id varchar(36) NN',
      'name varchar(255) NN',
      'value text',
      ...SD,
    ],
    keys: [
      'PRIMARY(id)',
      'unique ix_image_properties_image_id_name(image_id,name)',
      'ix_image_properties_deleted(deleted)',
      'ix_image_properties_image_id(image_id)',
    ],
  },
  image_locations: {
    columns: [
      'id int NN ai',
      'image_id varchar(36) NN',
      'value text NN',
      ...SD,
      'meta_data text',
      'status varchar(30) NN =active',
    ],
    keys: [
      'PRIMARY(id)',
      'ix_image_locations_deleted(deleted)',
      'ix_image_locations_image_id(image_id)',
    ],
  },
  image_members: {
    columns: [
      'id int NN ai',
      'image_id varchar(36) NN',
      'member varchar(255) NN',
      'can_share tinyint(1) NN',
      ...SD,
      'status varchar(20) NN =pending',
    ],
    keys: [
      'PRIMARY(id)',
      'unique image_members_image_id_member_deleted_at_key(image_id,member,deleted_at)',
      'ix_image_members_deleted(deleted)',
      'ix_image_members_image_id(image_id)',
      'ix_image_members_image_id_member(image_id,member)',
    ],
  },
  image_tags: {
    columns: ['id int NN ai', 'image_id varchar(36) NN', 'value varchar(255) NN', ...SD],
    keys: [
      'PRIMARY(id)',
      'ix_image_tags_image_id(image_id)',
      'ix_image_tags_image_id_tag_value(image_id,value)',
    ],
  },
  tasks: {
    columns: [
      'id varchar(36) NN',
      'type varchar(30) NN',
      'status varchar(30) NN',
      'owner varchar(255) NN',
      'expires_at datetime',
      ...SD,
      'image_id varchar(36)',
      'request_id varchar(64)',
      'user_id varchar(64)',
    ],
    keys: [
      'PRIMARY(id)',
      'ix_tasks_type(type)',
      'ix_tasks_status(status)',
      'ix_tasks_owner(owner)',
      'ix_tasks_deleted(deleted)',
      'ix_tasks_updated_at(updated_at)',
      'ix_tasks_image_id(image_id)',
    ],
  },
  task_info: {
    columns: ['task_id varchar(36) NN', 'input text', 'result text', 'message text'],
    keys: ['PRIMARY(task_id)'],
  },
  metadef_namespaces: {
    columns: [
      'id int NN ai',
      'namespace varchar(80) NN',
      'display_name varchar(80)',
      'description text',
      'visibility varchar(32)',
      'protected tinyint(1)',
      'owner varchar(255) NN',
      ...TS,
    ],
    keys: [
      'PRIMARY(id)',
      'unique uq_metadef_namespaces_namespace(namespace)',
      'ix_metadef_namespaces_owner(owner)',
    ],
  },
  metadef_objects: {
    columns: [
      'id int NN ai',
      'namespace_id int NN',
      'name varchar(80) NN',
      'description text',
      'required text',
      'json_schema text NN',
      ...TS,
    ],
    keys: [
      'PRIMARY(id)',
      'unique uq_metadef_objects_namespace_id_name(namespace_id,name)',
      'ix_metadef_objects_name(name)',
    ],
  },
  metadef_properties: {
    columns: [
      'id int NN ai',
      'namespace_id int NN',
      'name varchar(80) NN',
      'json_schema text NN',
      ...TS,
    ],
    keys: [
      'PRIMARY(id)',
      'unique uq_metadef_properties_namespace_id_name(namespace_id,name)',
      'ix_metadef_properties_name(name)',
    ],
  },
  metadef_tags: {
    columns: ['id int NN ai', 'namespace_id int NN', 'name varchar(80) NN', ...TS],
    keys: [
      'PRIMARY(id)',
      'unique uq_metadef_tags_namespace_id_name(namespace_id,name)',
      'ix_metadef_tags_name(name)',
    ],
  },
  metadef_resource_types: {
    columns: ['id int NN ai', 'name varchar(80) NN', 'protected tinyint(1) NN', ...TS],
    keys: ['PRIMARY(id)', 'unique uq_metadef_resource_types_name(name)'],
  },
  metadef_namespace_resource_types: {
    columns: [
      'resource_type_id int NN',
      'namespace_id int NN',
      'properties_target varchar(80)',
      'prefix varchar(80)',
      ...TS,
    ],
    keys: [
      'PRIMARY(resource_type_id,namespace_id)',
      'ix_metadef_ns_res_types_namespace_id(namespace_id)',
    ],
  },
  node_reference: {
    columns: ['node_reference_id bigint NN ai', 'node_reference_url varchar(255) NN'],
    keys: [
      'PRIMARY(node_reference_id)',
      'unique uq_node_reference_node_reference_url(node_reference_url)',
    ],
  },
  cached_images: {
    columns: [
      'id bigint NN ai',
      'image_id varchar(36) NN',
      'last_accessed datetime NN',
      'last_modified datetime NN',
      'size bigint NN',
      'hits int NN',
      'checksum varchar(32)',
      'node_reference_id bigint NN',
    ],
    keys: [
      'PRIMARY(id)',
      'unique ix_cached_images_image_id_node_reference_id(image_id,node_reference_id)',
    ],
  },
};

const REFERENCES = [
  'cached_images.node_reference_id>node_reference.node_reference_id',
  'image_locations.image_id>images.id',
  'image_members.image_id>images.id',
  'image_properties.image_id>images.id',
  'image_tags.image_id>images.id',
  'metadef_namespace_resource_types.namespace_id>metadef_namespaces.id',
  'metadef_namespace_resource_types.resource_type_id>metadef_resource_types.id',
  'metadef_objects.namespace_id>metadef_namespaces.id',
  'metadef_properties.namespace_id>metadef_namespaces.id',
  'metadef_tags.namespace_id>metadef_namespaces.id',
  'task_info.task_id>tasks.id',
];

describeEachDatabase('the tables shared with upstream', (current, dialect) => {
  const query = <Row>(text: ReturnType<typeof sql>): Promise<Row[]> =>
    selectRows<Row>(current().database.knex, text);
  const onMysql = dialect === 'mysql' ? it : notHere;
  const onSqlite = dialect === 'sqlite' ? it : notHere;

  it('are stamped with the contract head of 2024.1', async () => {
    expect(await query(sqlText('SELECT version_num FROM alembic_version'))).toEqual([
      { version_num: '2024_1_contract01' },
    ]);
  });

  onMysql.each(Object.keys(SHEET))('%s has the columns and keys of the sheet', async (table) => {
    const columns = await query<Record<string, string | null>>(
      sql`SELECT column_name AS name, column_type AS type, is_nullable AS nullable,
          column_default AS value, extra AS extra FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = ${table} ORDER BY ordinal_position`,
    );
    const described = columns.map(({ name, type, nullable, value, extra }) => {
      // MariaDB quotes text defaults and spells integer widths.
      const plain = value === null || value === 'NULL' ? null : value?.replace(/^'|'$/g, '');
      return [
        name,
        type?.replace(/^(int|bigint)\(\d+\)$/, '$1'),
        nullable === 'NO' ? 'NN' : '',
        plain === null ? '' : `=${plain}`,
        extra === 'auto_increment' ? 'ai' : '',
      ]
        .filter((part) => part !== '')
        .join(' ');
    });
    expect(described).toEqual(SHEET[table]?.columns);

    const indexes = await query<{ name: string; plain: number; columns: string }>(
      sql`SELECT index_name AS name, MAX(non_unique) AS plain,
          GROUP_CONCAT(column_name ORDER BY seq_in_index) AS columns
        FROM information_schema.statistics
        WHERE table_schema = DATABASE() AND table_name = ${table}
        GROUP BY index_name`,
    );
    const keys = indexes
      .filter(({ name }) => !name.startsWith('registry_'))
      // InnoDB makes an index of its own for a foreign key without one.
      .filter(({ name, columns: on }) => !(table === 'cached_images' && name === on))
      .map(({ name, plain, columns: on }) =>
        name === 'PRIMARY' || plain === 1 ? `${name}(${on})` : `unique ${name}(${on})`,
      );
    expect(keys.sort()).toEqual(SHEET[table]?.keys.sort());
  });

  onMysql('are InnoDB tables of three-byte utf8', async () => {
    const tables = await query<{ name: string; engine: string; collation: string }>(
      sql`SELECT table_name AS name, engine AS engine, table_collation AS collation
        FROM information_schema.tables WHERE table_schema = DATABASE()`,
    );
    for (const name of Object.keys(SHEET)) {
      expect(tables).toContainEqual({ name, engine: 'InnoDB', collation: 'utf8mb3_general_ci' });
    }
  });

  onMysql('refer to each other as the sheet says, without actions', async () => {
    const rows = await query<{ reference: string; rules: string }>(
      sql`SELECT CONCAT(k.table_name, '.', k.column_name, '>', k.referenced_table_name, '.',
            k.referenced_column_name) AS reference, CONCAT(r.delete_rule, '/', r.update_rule) AS rules
        FROM information_schema.key_column_usage k
        JOIN information_schema.referential_constraints r
          ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
        WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
        ORDER BY reference`,
    );
    expect(rows.map(({ reference }) => reference)).toEqual(REFERENCES);
    for (const { rules } of rows)
      expect(rules).toMatch(/^(RESTRICT|NO ACTION)\/(RESTRICT|NO ACTION)$/);
  });

  onSqlite.each(Object.keys(SHEET))('%s has the columns of the sheet', async (table) => {
    const columns = await query<{ name: string; notnull: number; pk: number }>(
      sql`SELECT name, "notnull", pk FROM pragma_table_info(${table})`,
    );
    const described = columns.map(
      ({ name, notnull, pk }) => `${name}${notnull === 1 || pk > 0 ? ' NN' : ''}`,
    );
    expect(described).toEqual(
      SHEET[table]?.columns.map((each) => each.replace(/^(\w+) .*?( NN)?( [=a].*)?$/, '$1$2')),
    );
  });

  onSqlite('refuse a visibility that the ENUM does not know', async () => {
    const insert = current().database.knex('images').insert({
      id: 'x',
      status: 'queued',
      visibility: 'secret',
      min_disk: 0,
      min_ram: 0,
      deleted: 0,
      created_at: '2026-01-01 00:00:00',
    });
    await expect(insert).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_CHECK' });
  });
});
