/** The versions that work, newest first (api-v1 sheet §1). */
export function versionsDocument(baseUrl: string, enableV1: boolean): unknown {
  const entry = (id: string, status: string, path: string) => ({
    id,
    status,
    links: [{ rel: 'self', href: `${baseUrl}${path}` }],
  });
  return {
    versions: enableV1
      ? [entry('v1.1', 'DEPRECATED', '/v1/'), entry('v1.0', 'DEPRECATED', '/v1/')]
      : [],
  };
}
