/**
 * What upstream's Queens release leaves in a database, written down apart from the definitions
 * under test. The statements are common to both databases but for the marked words.
 */
const SD = `created_at DATETIME NOT NULL, updated_at DATETIME, deleted_at DATETIME,
  deleted TINYINT(1) NOT NULL`;
const TS = 'created_at DATETIME NOT NULL, updated_at DATETIME';

const TABLES = [
  `images (id VARCHAR(36) NOT NULL, name VARCHAR(255), size BIGINT, status VARCHAR(30) NOT NULL,
    ${SD}, disk_format VARCHAR(20), container_format VARCHAR(20), checksum VARCHAR(32),
    owner VARCHAR(255), min_disk INTEGER NOT NULL, min_ram INTEGER NOT NULL,
    protected TINYINT(1) NOT NULL DEFAULT 0, virtual_size BIGINT,
    visibility {VISIBILITY} NOT NULL DEFAULT 'shared', PRIMARY KEY (id))`,
  `image_properties ({ID}, image_id VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, value TEXT,
    ${SD}, FOREIGN KEY (image_id) REFERENCES images (id))`,
  `image_locations ({ID}, image_id VARCHAR(36) NOT NULL, value TEXT NOT NULL, ${SD},
    meta_data TEXT, status VARCHAR(30) NOT NULL DEFAULT 'active',
    FOREIGN KEY (image_id) REFERENCES images (id))`,
  `image_members ({ID}, image_id VARCHAR(36) NOT NULL, member VARCHAR(255) NOT NULL,
    can_share TINYINT(1) NOT NULL, ${SD}, status VARCHAR(20) NOT NULL DEFAULT 'pending',
    FOREIGN KEY (image_id) REFERENCES images (id))`,
  `image_tags ({ID}, image_id VARCHAR(36) NOT NULL, value VARCHAR(255) NOT NULL, ${SD},
    FOREIGN KEY (image_id) REFERENCES images (id))`,
  `tasks (id VARCHAR(36) NOT NULL, type VARCHAR(30) NOT NULL, status VARCHAR(30) NOT NULL,
    owner VARCHAR(255) NOT NULL, expires_at DATETIME, ${SD}, PRIMARY KEY (id))`,
  `task_info (task_id VARCHAR(36) NOT NULL, input TEXT, result TEXT, message TEXT,
    PRIMARY KEY (task_id), FOREIGN KEY (task_id) REFERENCES tasks (id))`,
  `metadef_namespaces ({ID}, namespace VARCHAR(80) NOT NULL, display_name VARCHAR(80),
    description TEXT, visibility VARCHAR(32), protected TINYINT(1), owner VARCHAR(255) NOT NULL, ${TS})`,
  `metadef_objects ({ID}, namespace_id INTEGER NOT NULL, name VARCHAR(80) NOT NULL,
    description TEXT, required TEXT, json_schema TEXT NOT NULL, ${TS},
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id))`,
  `metadef_properties ({ID}, namespace_id INTEGER NOT NULL, name VARCHAR(80) NOT NULL,
    json_schema TEXT NOT NULL, ${TS},
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id))`,
  `metadef_tags ({ID}, namespace_id INTEGER NOT NULL, name VARCHAR(80) NOT NULL, ${TS},
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id))`,
  `metadef_resource_types ({ID}, name VARCHAR(80) NOT NULL, protected TINYINT(1) NOT NULL, ${TS})`,
  `metadef_namespace_resource_types (resource_type_id INTEGER NOT NULL,
    namespace_id INTEGER NOT NULL, properties_target VARCHAR(80), prefix VARCHAR(80), ${TS},
    PRIMARY KEY (resource_type_id, namespace_id),
    FOREIGN KEY (resource_type_id) REFERENCES metadef_resource_types (id),
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id))`,
];

const INDEXES = [
  'INDEX checksum_image_idx ON images (checksum)',
  'INDEX ix_images_deleted ON images (deleted)',
  'INDEX owner_image_idx ON images (owner)',
  'INDEX created_at_image_idx ON images (created_at)',
  'INDEX updated_at_image_idx ON images (updated_at)',
  'INDEX visibility_image_idx ON images (visibility)',
  'UNIQUE INDEX ix_image_properties_image_id_name ON image_properties (image_id, name)',
  'INDEX ix_image_properties_deleted ON image_properties (deleted)',
  'INDEX ix_image_properties_image_id ON image_properties (image_id)',
  'INDEX ix_image_locations_deleted ON image_locations (deleted)',
  'INDEX ix_image_locations_image_id ON image_locations (image_id)',
  'UNIQUE INDEX image_members_image_id_member_deleted_at_key ON image_members (image_id, member, deleted_at)',
  'INDEX ix_image_members_deleted ON image_members (deleted)',
  'INDEX ix_image_members_image_id ON image_members (image_id)',
  'INDEX ix_image_members_image_id_member ON image_members (image_id, member)',
  'INDEX ix_image_tags_image_id ON image_tags (image_id)',
  'INDEX ix_image_tags_image_id_tag_value ON image_tags (image_id, value)',
  ...['type', 'status', 'owner', 'deleted', 'updated_at'].map(
    (column) => `INDEX ix_tasks_${column} ON tasks (${column})`,
  ),
  'UNIQUE INDEX uq_metadef_namespaces_namespace ON metadef_namespaces (namespace)',
  'INDEX ix_metadef_namespaces_owner ON metadef_namespaces (owner)',
  ...['objects', 'properties', 'tags'].flatMap((name) => [
    `UNIQUE INDEX uq_metadef_${name}_namespace_id_name ON metadef_${name} (namespace_id, name)`,
    `INDEX ix_metadef_${name}_name ON metadef_${name} (name)`,
  ]),
  'UNIQUE INDEX uq_metadef_resource_types_name ON metadef_resource_types (name)',
  'INDEX ix_metadef_ns_res_types_namespace_id ON metadef_namespace_resource_types (namespace_id)',
];

const CREATED = "'2018-03-01 10:00:00', '2018-03-01 10:00:01', NULL, 0";

const ROWS = [
  `INSERT INTO images VALUES ('71c675ab-d94f-49cd-a114-e12490b328d9', 'old', 5, 'active', ${CREATED},
    'raw', 'bare', '5d41402abc4b2a76b9719d911017c592', 'a-project', 1, 2, 1, NULL, 'private')`,
  `INSERT INTO image_properties VALUES (1, '71c675ab-d94f-49cd-a114-e12490b328d9', 'os', 'linux', ${CREATED})`,
  `INSERT INTO image_locations VALUES (1, '71c675ab-d94f-49cd-a114-e12490b328d9',
    'file:///images/old', ${CREATED}, '{"backend": "fast", "n": 1}', 'active')`,
  `INSERT INTO image_tags VALUES (1, '71c675ab-d94f-49cd-a114-e12490b328d9', 'kept', ${CREATED})`,
  `INSERT INTO tasks VALUES ('0e7f9a7a-8a1d-4b5e-9d9c-2f2b7f6f0a11', 'import', 'success', 'a-project', NULL, ${CREATED})`,
  'CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)',
  `INSERT INTO alembic_version VALUES ('queens_contract01')`,
];

export const QUEENS_IMAGE_ID = '71c675ab-d94f-49cd-a114-e12490b328d9';

/** Statements that make a Queens database with one image in it. */
export function queensStatements(dialect: 'mysql' | 'sqlite'): string[] {
  const mysql = dialect === 'mysql';
  const visibility = mysql
    ? `ENUM('private','public','shared','community')`
    : `VARCHAR(9) CHECK (visibility IN ('private','public','shared','community'))`;
  const id = mysql
    ? 'id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY'
    : 'id INTEGER NOT NULL PRIMARY KEY';
  const tables = TABLES.map((table) => {
    const text = table.replace('{VISIBILITY}', visibility).replace('{ID}', id);
    return `CREATE TABLE ${text}${mysql ? ' ENGINE=InnoDB DEFAULT CHARSET=utf8' : ''}`;
  });
  return [...tables, ...INDEXES.map((index) => `CREATE ${index}`), ...ROWS];
}
