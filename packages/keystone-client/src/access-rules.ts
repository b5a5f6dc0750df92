import type { AccessRule } from './validated-token';

/** Whether one of the rules lets a request to a service pass. */
export function permitsAccess(
  rules: readonly AccessRule[],
  request: { service: string; method: string; path: string },
): boolean {
  return rules.some(
    ({ service, method, path }) =>
      service === request.service &&
      method.toUpperCase() === request.method &&
      matchesPath(path.split('/'), request.path.split('/')),
  );
}

/**
 * `*` and `{name}` stand for one segment, `**` for any number of them (Identity API, access rules).
 * Only the last `**` is ever tried again, so that a user's rule costs no more than its length times
 * that of the path.
 */
function matchesPath(pattern: readonly string[], path: readonly string[]): boolean {
  let next = 0;
  let retry: { pattern: number; path: number } | undefined;
  for (let index = 0; index < path.length;) {
    const expected = pattern[next];
    if (expected === '**') {
      next += 1;
      retry = { pattern: next, path: index };
    } else if (expected !== undefined && matchesSegment(expected, path[index] as string)) {
      next += 1;
      index += 1;
    } else if (retry) {
      retry.path += 1;
      next = retry.pattern;
      index = retry.path;
    } else {
      return false;
    }
  }
  return pattern.slice(next).every((rest) => rest === '**');
}

function matchesSegment(expected: string, segment: string): boolean {
  const isAny = expected === '*' || /^\{[^}]*\}$/.test(expected);
  return isAny ? segment !== '' : expected === segment;
}
