import { DomainError, imageNotFound, type Identity } from '@glance/common';
import type { Dialect } from '../db/dialect';
import { anyOf, sql, sqlText, type Sql } from '../db/sql';
import type { ImageRow } from './image-rows';

/** The caller's project; an empty one is none. */
export function projectOf(identity: Identity): string | null {
  return identity.projectId === '' ? null : identity.projectId;
}

export function isOwnedBy(dialect: Dialect, project: string): Sql {
  return dialect.exactly(sqlText('images.owner'), project);
}

/** Whether one image, deleted or not, may be seen by its id (schema sheet §5.1). */
export function isVisibleTo(dialect: Dialect, identity: Identity): Sql {
  if (identity.isAdmin) return sqlText('1 = 1');
  const conditions = [
    sqlText('images.owner IS NULL'),
    sqlText(`images.visibility IN ('public', 'community')`),
  ];
  const project = projectOf(identity);
  if (project !== null) {
    conditions.push(
      sql`(${isOwnedBy(dialect, project)})`,
      sql`(images.visibility = 'shared' AND EXISTS (
        SELECT 1 FROM image_members
        WHERE image_members.image_id = images.id AND image_members.deleted = 0
          AND ${dialect.exactly(sqlText('image_members.member'), project)}))`,
    );
  }
  return anyOf(conditions);
}

/**
 * Refuses a change by anybody but an admin or the owner (registry sheet §3.2). What is private to
 * somebody else is not found, for its members as well; an image without owner is an admin's.
 */
export function checkMayChange(
  identity: Identity,
  image: Pick<ImageRow, 'id' | 'owner' | 'visibility'>,
): void {
  if (!identity.readOnly) {
    if (identity.isAdmin) return;
    if (image.owner !== null && image.owner === projectOf(identity)) return;
  }
  if (image.visibility === 'public' || image.visibility === 'community') {
    throw new DomainError('forbidden', 'You are not permitted to modify this image.', {
      details: { imageId: image.id },
    });
  }
  if (identity.readOnly) throw mayOnlyRead();
  throw imageNotFound(image.id);
}

export function mayOnlyRead(): DomainError {
  return new DomainError('forbidden', 'You are only permitted to read.');
}
