import { randomBytes } from 'node:crypto';

/**
 * The leak gate (security sheet §0): whatever is secret is made known here, and everything that
 * the services write or answer in a test is searched for it.
 */
const secrets = new Map<string, string>();
const leaks: string[] = [];
const searches: Promise<void>[] = [];
/** `host:port` of the services whose answers are looked at. */
const services = new Set<string>();

/** Larger answers are data of images. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Makes something known as secret; shorter texts would be found anywhere. @returns it */
export function plantSecret(what: string, secret = randomBytes(12).toString('hex')): string {
  if (secret.length >= 12) secrets.set(secret, what);
  return secret;
}

export function watchAnswersOf(url: string): void {
  services.add(new URL(url).host);
}

/** Looks for every secret in a text. */
export function searchForLeaks(where: string, text: string): void {
  for (const [secret, what] of secrets) {
    const index = text.indexOf(secret);
    if (index === -1) continue;
    const around = text.slice(Math.max(0, index - 200), index + 20).replaceAll(secret, '<HERE>');
    leaks.push(`${what} in ${where}: …${around}`);
  }
}

/** What was found since the tests of this file began. */
export async function foundLeaks(): Promise<string[]> {
  await Promise.all(searches);
  return leaks;
}

/** Looks at every answer that a test gets from the services by `fetch`. */
export function watchFetch(): void {
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const answer = await fetch(input, init);
    const url = new URL(input instanceof Request ? input.url : input);
    if (services.has(url.host)) searches.push(searchAnswer(answer, url));
    return answer;
  };
}

async function searchAnswer(answer: Response, url: URL): Promise<void> {
  const where = `the answer to ${url.pathname}`;
  searchForLeaks(`${where}, headers`, JSON.stringify([...answer.headers]));
  const { headers } = answer;
  const isData = headers.get('content-type')?.startsWith('application/octet-stream') ?? true;
  if (isData || Number(headers.get('content-length') ?? 0) > MAX_ANSWER_BYTES) return;
  // A test may break an answer off.
  const text = await answer
    .clone()
    .text()
    .catch(() => '');
  searchForLeaks(where, text);
}
