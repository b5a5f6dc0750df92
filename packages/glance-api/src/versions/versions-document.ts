export interface EnabledVersions {
  v1: boolean;
  v2: boolean;
  /** Whether stores have names, which is what some minors of v2 are about. */
  namedStores: boolean;
  /** Whether there is an image cache, which is what others are about. */
  cache: boolean;
}

/** Minors of v2 whose every part works, in upstream's order (api-v2 sheet §12). */
function v2Minors({ namedStores, cache }: EnabledVersions): readonly number[] {
  const ofStores = namedStores ? [13, 12, 11, 10, 9, 8] : [9];
  const first = cache ? [18, 17, 16, 15, 14, ...ofStores] : [15, ...ofStores, 17];
  return [...first, 7, 6, 5, 4, 3, 2, 1, 0];
}

/** The versions that work (api-v1 sheet §1, api-v2 sheet §12). */
export function versionsDocument(baseUrl: string, enabled: EnabledVersions): unknown {
  const entry = (id: string, status: string, path: string) => ({
    id,
    status,
    links: [{ rel: 'self', href: `${baseUrl}${path}` }],
  });
  return {
    versions: [
      ...(enabled.v2
        ? v2Minors(enabled).map((minor, _, minors) =>
            entry(`v2.${minor}`, minor === Math.max(...minors) ? 'CURRENT' : 'SUPPORTED', '/v2/'),
          )
        : []),
      ...(enabled.v1
        ? [entry('v1.1', 'DEPRECATED', '/v1/'), entry('v1.0', 'DEPRECATED', '/v1/')]
        : []),
    ],
  };
}

/** The segments of a path, or of an `Accept` header, that name a version, and where it is served. */
export function versionTokens(enabled: EnabledVersions): ReadonlyMap<string, string> {
  const { v1, v2 } = enabled;
  const tokens = new Map<string, string>();
  if (v1) for (const token of ['v1', 'v1.0', 'v1.1']) tokens.set(token, '/v1');
  if (v2) {
    tokens.set('v2', '/v2');
    for (const minor of v2Minors(enabled)) tokens.set(`v2.${minor}`, '/v2');
  }
  return tokens;
}
