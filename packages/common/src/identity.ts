/** Who asks, as established by the api's authentication and believed by the registry. */
export interface Identity {
  userId: string | null;
  projectId: string | null;
  roles: readonly string[];
  isAdmin: boolean;
  /** An anonymous caller: may read what is public, may change nothing. */
  readOnly: boolean;
}

export const ANONYMOUS: Identity = Object.freeze({
  userId: null,
  projectId: null,
  roles: Object.freeze([]),
  isAdmin: false,
  readOnly: true,
});

/** The service acting for itself (sweepers, command-line tools): sees and may change everything. */
export const SERVICE_IDENTITY: Identity = Object.freeze({
  userId: null,
  projectId: null,
  roles: ['admin'],
  isAdmin: true,
  readOnly: false,
});
