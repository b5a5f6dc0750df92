import type { Deployment } from './deployment';

export interface TokenClient {
  /** A request as the holder of a token. */
  send(token: string, route: string, init?: RequestInit): Promise<Response>;
  /** The same, of which only the status is wanted. */
  statusOf(token: string, route: string, init?: RequestInit): Promise<number>;
}

/** @param deployment whose first api is asked, as it is at each call. */
export function tokenClient(deployment: () => Deployment): TokenClient {
  const send: TokenClient['send'] = (token, route, init = {}) =>
    fetch(`${deployment().apiUrl}${route}`, {
      ...init,
      headers: { 'x-auth-token': token, ...(init.headers as Record<string, string> | undefined) },
    });
  return {
    send,
    statusOf: async (...request) => {
      const answer = await send(...request);
      await answer.arrayBuffer();
      return answer.status;
    },
  };
}
