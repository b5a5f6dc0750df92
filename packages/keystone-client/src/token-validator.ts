import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { KeystoneError } from './keystone-error';
import type { KeystoneSession } from './keystone-session';
import { readValidatedToken, type ValidatedToken } from './validated-token';

export interface TokenValidatorOptions {
  /** How long a token that was valid is not asked about again: as long a revoked one still works. */
  cacheSeconds: number;
  /** Tokens remembered at most. */
  cacheSize?: number;
}

export interface ValidateOptions {
  /** Takes a token that ended within Keystone's `[token] allow_expired_window` as well. */
  allowExpired?: boolean;
  /** For Keystone's log. */
  requestId?: string;
}

type Verdict = ValidatedToken | 'invalid';

const DEFAULT_CACHE_SIZE = 10_000;
const INVALID_CACHE_SECONDS = 10;
/** More than this many tokens nobody knows are not asked about at a time. */
const MAX_PENDING = 1000;
const LONGEST_TOKEN = 16 * 1024;

/**
 * Asks Keystone whose a token is, and remembers the answer under a digest of the token (security
 * sheet §7). A question that is under way is not asked again.
 */
export class TokenValidator {
  private readonly verdicts: LRUCache<string, Verdict>;
  private readonly pending = new Map<string, Promise<Verdict>>();

  constructor(
    private readonly session: Pick<KeystoneSession, 'get'>,
    private readonly options: TokenValidatorOptions,
  ) {
    this.verdicts = new LRUCache({ max: options.cacheSize ?? DEFAULT_CACHE_SIZE });
  }

  /**
   * @returns undefined for a token that is none, or none any more.
   * @throws KeystoneError when Keystone does not say.
   */
  async validate(
    token: string,
    options: ValidateOptions = {},
  ): Promise<ValidatedToken | undefined> {
    // Nothing else is a header value of ours to Keystone, and no token looks otherwise.
    if (!/^[\x21-\x7e]+$/.test(token) || token.length > LONGEST_TOKEN) return undefined;
    const { allowExpired = false } = options;
    const digest = createHash('sha256').update(token).digest('base64');
    const key = allowExpired ? `${digest} expired` : digest;
    const verdict = this.verdicts.get(key) ?? (await this.askOnce(key, token, options));
    if (verdict === 'invalid') return undefined;
    return allowExpired || verdict.expiresAt > Date.now() ? verdict : undefined;
  }

  private async askOnce(key: string, token: string, options: ValidateOptions): Promise<Verdict> {
    let question = this.pending.get(key);
    if (!question) {
      if (this.pending.size >= MAX_PENDING) {
        throw new KeystoneError('unavailable', `${MAX_PENDING} tokens are being asked about`);
      }
      question = this.ask(key, token, options).finally(() => this.pending.delete(key));
      this.pending.set(key, question);
    }
    return await question;
  }

  private async ask(key: string, token: string, options: ValidateOptions): Promise<Verdict> {
    const verdict = await this.verdictOn(token, options);
    const { cacheSeconds } = this.options;
    const seconds =
      verdict === 'invalid' ? Math.min(INVALID_CACHE_SECONDS, cacheSeconds) : cacheSeconds;
    if (seconds > 0) this.verdicts.set(key, verdict, { ttl: seconds * 1000 });
    return verdict;
  }

  private async verdictOn(token: string, options: ValidateOptions): Promise<Verdict> {
    try {
      const body = await this.session.get('/auth/tokens', {
        query: { nocatalog: '1', allow_expired: options.allowExpired ? '1' : undefined },
        headers: {
          'x-subject-token': token,
          // Without it Keystone knows no tokens whose use is restricted.
          'openstack-identity-access-rules': '1.0',
          ...(options.requestId === undefined
            ? {}
            : { 'x-openstack-request-id': options.requestId }),
        },
      });
      return readValidatedToken(body);
    } catch (error) {
      if (error instanceof KeystoneError && error.kind === 'not_found') return 'invalid';
      throw error;
    }
  }
}
