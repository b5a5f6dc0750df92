import { DomainError } from './errors';

/**
 * @param what is counted, as the caller reads it.
 * @param maximum null for no limit.
 * @throws DomainError `quota_exceeded`
 */
export function checkCountQuota(what: string, attempted: number, maximum: number | null): void {
  if (maximum === null || attempted <= maximum) return;
  throw new DomainError(
    'quota_exceeded',
    `The limit has been exceeded on the number of allowed ${what}. Attempted: ${attempted}, Maximum: ${maximum}`,
    { details: { attempted, maximum } },
  );
}
