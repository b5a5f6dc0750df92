/** The calls of API v2 that create, fill and read an image, without a client library. */

export const RAW_BARE = { disk_format: 'raw', container_format: 'bare' };

/** Headers of the caller, where there is authentication. */
type CallerHeaders = Record<string, string>;

/** @returns the status of the answer. */
export async function createV2(
  apiUrl: string,
  id: string,
  caller: CallerHeaders = {},
): Promise<number> {
  const answer = await fetch(`${apiUrl}/v2/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...caller },
    body: JSON.stringify({ id, ...RAW_BARE }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** @returns the status, or undefined when the connection broke. */
export async function putFileV2(
  apiUrl: string,
  id: string,
  data: Buffer,
  caller: CallerHeaders = {},
): Promise<number | undefined> {
  try {
    const answer = await fetch(`${apiUrl}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream', ...caller },
      body: new Uint8Array(data),
    });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return undefined;
  }
}

/** @returns undefined for an image that is not there. */
export async function showV2(
  apiUrl: string,
  id: string,
  caller: CallerHeaders = {},
): Promise<Record<string, unknown> | undefined> {
  const answer = await fetch(`${apiUrl}/v2/images/${id}`, { headers: caller });
  const body = await answer.text();
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw new Error(`Image ${id} answers ${answer.status}: ${body}`);
  return JSON.parse(body) as Record<string, unknown>;
}
