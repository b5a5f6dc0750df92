/** A domain, by either of its names. */
export type DomainName = { id: string } | { name: string };

export type UserName = { id: string } | { name: string; domain: DomainName };

/** What the token of a service is for. */
export type Scope =
  | { project: { id: string } | { name: string; domain: DomainName } }
  | { domain: DomainName }
  | { system: { all: true } };

/** How the service proves to Keystone who it is. */
export type ServiceCredentials =
  | { by: 'password'; user: UserName; password: string; scope: Scope }
  | {
      by: 'application_credential';
      credential: ({ id: string } | { name: string; user: UserName }) & { secret: string };
    };

/** The body of `POST /v3/auth/tokens` (Identity API v3). */
export function loginBody(credentials: ServiceCredentials): object {
  if (credentials.by === 'application_credential') {
    const { credential } = credentials;
    const identity = { methods: ['application_credential'], application_credential: credential };
    return { auth: { identity } };
  }
  const { user, password, scope } = credentials;
  const identity = { methods: ['password'], password: { user: { ...user, password } } };
  return { auth: { identity, scope } };
}
