import type { BlobAccess } from '../../../store-driver';
import { isProjectId } from './tenant-accounts';

/** Everybody with a token of Keystone: nobody reads without one (stores sheet §6). */
const ALL_PROJECTS = '*:*';

/** The headers of a container that let these read, and the admin projects write. */
export function accessHeaders(
  { isPublic, readers }: BlobAccess,
  adminProjects: readonly string[],
): Record<string, string> {
  return {
    'x-container-read': isPublic ? ALL_PROJECTS : allUsersOf(readers),
    'x-container-write': allUsersOf(adminProjects),
  };
}

/** What is no id of a project could mean others in the list: `.r:*` anybody, a comma one more. */
function allUsersOf(projects: readonly string[]): string {
  return projects
    .filter(isProjectId)
    .map((project) => `${project}:*`)
    .join(',');
}
