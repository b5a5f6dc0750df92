import type { Identity } from '@glance/common';

/**
 * Flavor unset: one identity for everybody. It has a project, so that the images it makes have an
 * owner and stand in its lists.
 */
const EVERYBODY: Identity = Object.freeze({
  userId: 'admin',
  projectId: 'admin',
  roles: ['admin', 'member', 'reader'],
  isAdmin: true,
  readOnly: false,
});

export function noAuth(): Identity {
  return EVERYBODY;
}
