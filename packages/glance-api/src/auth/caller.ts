import { ANONYMOUS, type Identity } from '@glance/common';

/** Who sent a request: the identity that the registry is told, and what policy rules may ask for. */
export interface Caller extends Identity {
  /** Roles of a service that acts for the caller. */
  serviceRoles: readonly string[];
  userDomainId: string | null;
  projectDomainId: string | null;
  isAdminProject: boolean;
  /** What the token is for; the actions of this service are for those of projects. */
  tokenScope: 'project' | 'domain' | 'system';
}

/** A caller of whom it is not decided yet whether he is an administrator. */
export type Credentials = Omit<Caller, 'isAdmin'>;

/** What a caller is when nothing is said about services and domains. */
export const NO_CALLER_DETAILS = {
  serviceRoles: [],
  userDomainId: null,
  projectDomainId: null,
  isAdminProject: true,
  tokenScope: 'project',
} as const satisfies Partial<Caller>;

export const ANONYMOUS_CALLER: Caller = Object.freeze({ ...ANONYMOUS, ...NO_CALLER_DETAILS });
