/** The Swift of the tests (`TEST_SWIFT_URL`, the v1 login with credentials); `npm test` starts one. */
export class SwiftServer {
  private readonly url = new URL(process.env['TEST_SWIFT_URL'] ?? 'http://unset');
  readonly authAddress = `${this.url.origin}${this.url.pathname}`;
  readonly user = decodeURIComponent(this.url.username);
  readonly key = decodeURIComponent(this.url.password);
  private access: Promise<{ storageUrl: string; token: string }> | undefined;

  async contentsOf(container: string): Promise<string[]> {
    const answer = await this.ask('GET', `/${container}?format=json`);
    if (answer.status === 404 || answer.status === 204) return [];
    return ((await answer.json()) as { name: string }[]).map(({ name }) => name);
  }

  async removeContainer(container: string): Promise<void> {
    for (const name of await this.contentsOf(container)) {
      await this.ask('DELETE', `/${container}/${name}`);
    }
    await this.ask('DELETE', `/${container}`);
  }

  async ask(method: string, place: string): Promise<Response> {
    this.access ??= this.logIn();
    const { storageUrl, token } = await this.access;
    return await fetch(`${storageUrl}${place}`, { method, headers: { 'x-auth-token': token } });
  }

  private async logIn(): Promise<{ storageUrl: string; token: string }> {
    const headers = { 'x-auth-user': this.user, 'x-auth-key': this.key };
    const answer = await fetch(this.authAddress, { headers });
    expect(answer.status).toBe(200);
    return {
      storageUrl: answer.headers.get('x-storage-url')!,
      token: answer.headers.get('x-auth-token')!,
    };
  }
}

/** `tests` where there is such a server; else skipped, aloud, and an error in CI. */
export function withSwift(tests: jest.Describe): jest.Describe {
  if ((process.env['TEST_SWIFT_URL'] ?? '') !== '') return tests;
  const text = 'NO SWIFT (TEST_SWIFT_URL): images in Swift are not tested, SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}
