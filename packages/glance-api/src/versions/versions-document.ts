export interface EnabledVersions {
  v1: boolean;
  v2: boolean;
  /** Whether stores have names, which is what some minors of v2 are about. */
  namedStores: boolean;
}

/** Minors of v2 whose every part works, in upstream's order without a cache (api-v2 sheet §12). */
function v2Minors({ namedStores }: EnabledVersions): readonly number[] {
  return [15, ...(namedStores ? [13, 12, 11, 10, 9, 8] : [9]), 17, 7, 6, 5, 4, 3, 2, 1, 0];
}

const CURRENT_V2_MINOR = 17;

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
        ? v2Minors(enabled).map((minor) =>
            entry(`v2.${minor}`, minor === CURRENT_V2_MINOR ? 'CURRENT' : 'SUPPORTED', '/v2/'),
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
