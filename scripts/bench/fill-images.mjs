/** Owner of every hundredth image. */
export const OWNER = 'bench-owner';
/** A project that owns nothing. */
export const STRANGER = 'bench-stranger';
/** A name that a few images of each kind have, whatever their number is. */
export const RARE_NAME = 'bench rare';
/** A time that a few images were changed after, whatever their number is. */
export const LATELY = '2026-06-01T00:00:00Z';

const SECOND_INDEXES = 'SET SESSION unique_checks = 0, foreign_key_checks = 0';

/**
 * Puts `count` active images with a location, two properties and a tag each into an empty database,
 * by SQL of the server's own: of ten images two are public, six shared, one community and one private,
 * and a hundredth belongs to OWNER. Those with RARE_NAME have it for a second tag. Ids look random, as real ones do, but are the same in each run.
 */
export async function fillImages(connection, count) {
  await connection.query(SECOND_INDEXES);
  const id = `INSERT(INSERT(INSERT(INSERT(MD5(seq), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')`;
  const created = `'2020-01-01 00:00:00' + INTERVAL seq MINUTE`;
  await connection.query(`
    INSERT INTO images (id, name, size, status, created_at, updated_at, deleted, disk_format,
      container_format, checksum, owner, min_disk, min_ram, protected, visibility, os_hidden,
      os_hash_algo, os_hash_value)
    SELECT ${id}, IF(seq % ${Math.ceil(count / 40)} = 0, '${RARE_NAME}', CONCAT('image ', seq)),
      seq * 4096, 'active', ${created},
      IF(seq % ${Math.ceil(count / 40)} = 1, '2026-07-01 00:00:00', ${created}), 0,
      ELT(1 + seq % 3, 'raw', 'qcow2', 'iso'), 'bare', MD5(seq),
      IF(seq % 100 < 2, '${OWNER}', CONCAT('project-', seq % 1000)), seq % 4, seq % 8, 0,
      ELT(1 + (seq DIV 7) % 10, 'public', 'public', 'private', 'community', 'shared', 'shared', 'shared',
        'shared', 'shared', 'shared'), 0,
      'sha512', SHA2(seq, 512)
    FROM seq_1_to_${count} ORDER BY 1`);
  const rows = (columns, values) => `(image_id, ${columns}, created_at, deleted)
    SELECT id, ${values}, created_at, 0 FROM images`;
  await connection.query(
    `INSERT INTO image_properties ${rows('name, value', `'os_distro', 'debian'`)}`,
  );
  await connection.query(`INSERT INTO image_properties ${rows('name, value', `'build', name`)}`);
  await connection.query(`INSERT INTO image_tags ${rows('value', `'bench'`)}`);
  await connection.query(
    `INSERT INTO image_tags ${rows('value', 'name')} WHERE name = '${RARE_NAME}'`,
  );
  await connection.query(
    `INSERT INTO image_locations (image_id, value, meta_data, status, created_at, deleted)
      SELECT id, CONCAT('file:///var/lib/glance/images/', id), '{"store": "file"}', 'active',
        created_at, 0 FROM images`,
  );
  await connection.query('ANALYZE TABLE images, image_properties, image_tags, image_locations');
}
