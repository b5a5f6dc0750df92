import type { StoreCaller } from '../../../store-driver';
import { storeUnavailable } from '../../../store-errors';
import { SwiftAccount } from '../swift-account';
import type { SwiftHttp } from '../swift-http';
import type { SwiftAccess, SwiftLogin } from '../swift-login';

/** How the URLs of accounts are made: the id of a project between these. */
export interface AccountUrls {
  before: string;
  after: string;
  /** The service's own project. */
  ownProjectId: string;
}

/** The accounts of projects, as callers and as the service itself. */
export class TenantAccounts {
  /** As they were at the last login. */
  private known: AccountUrls | undefined;

  constructor(
    private readonly service: SwiftLogin,
    private readonly http: SwiftHttp,
  ) {}

  /** What is known of the URLs without asking; undefined before the first login. */
  get urlsIfKnown(): AccountUrls | undefined {
    return this.known;
  }

  /**
   * The catalog of the service's user has the URL of its own account; those of other projects
   * differ by the id of the project, as the endpoints of Swift are made in Keystone.
   * @throws what a login throws; `store_unavailable` when the id is not in the URL.
   */
  async urls(): Promise<AccountUrls> {
    this.known = urlsIn(await this.service.access());
    return this.known;
  }

  /** @param caller who asks Swift; the service itself unless there is a token. */
  of(storageUrl: string, caller?: StoreCaller): SwiftAccount {
    return new SwiftAccount(new TenantLogin(this.service, storageUrl, caller?.token), this.http);
  }

  /** The service's own account. */
  own(): SwiftAccount {
    return new SwiftAccount(this.service, this.http);
  }

  close(): void {
    this.service.close();
  }
}

/** What else stands in the place of an id could mean other accounts, or everybody in a list. */
export function isProjectId(text: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(text);
}

export function accountUrl({ before, after }: AccountUrls, projectId: string): string {
  return `${before}${projectId}${after}`;
}

/**
 * Access to one account by the token of a caller, and by the service's own once that has ended:
 * what began with it may go on, such as a long upload or the removal of one that failed.
 */
class TenantLogin implements SwiftLogin {
  constructor(
    private readonly service: SwiftLogin,
    private readonly storageUrl: string,
    private callerToken: string | undefined,
  ) {}

  async access(): Promise<SwiftAccess> {
    const { storageUrl } = this;
    if (this.callerToken !== undefined) return { token: this.callerToken, storageUrl };
    const { token } = await this.service.access();
    return { token, storageUrl };
  }

  forget(token: string): void {
    if (token === this.callerToken) this.callerToken = undefined;
    else this.service.forget(token);
  }

  close(): void {
    // The login of the service is not its own.
  }
}

function urlsIn({ storageUrl, projectId }: SwiftAccess): AccountUrls {
  const at = projectId === undefined ? -1 : storageUrl.lastIndexOf(projectId);
  if (projectId === undefined || at < 0) {
    throw storeUnavailable(
      new Error(
        'the URL of the Swift account of swift_store_user does not hold the id of its project, so those of other projects are not known: set swift_store_endpoint, with %(project_id)s in it',
      ),
    );
  }
  return {
    before: storageUrl.slice(0, at),
    after: storageUrl.slice(at + projectId.length),
    ownProjectId: projectId,
  };
}
