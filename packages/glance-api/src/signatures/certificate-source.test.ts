import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describeError } from '@glance/common';
import { Barbican } from './certificate-source';

describe('a certificate in a key manager that cannot be read', () => {
  const token = 'gAAAAA-the-token-of-a-user';
  const id = randomUUID();
  let keyManager: http.Server;
  let port: number;
  let status: number;

  beforeAll(async () => {
    keyManager = http.createServer((_, res) => {
      res.writeHead(status).end('what it says of it');
    });
    await new Promise<void>((resolve) => keyManager.listen(0, '127.0.0.1', resolve));
    ({ port } = keyManager.address() as AddressInfo);
  });

  afterAll(async () => {
    await new Promise((resolve) => keyManager.close(resolve));
  });

  it.each([
    [404, 'invalid_request'],
    [403, 'invalid_request'],
    [401, 'invalid_request'],
    [429, 'identity_unavailable'],
    [503, 'identity_unavailable'],
  ])('leaves its status %d for the log, and no credential', async (answered, code) => {
    status = answered;
    const barbican = new Barbican({
      endpoint: `http://somebody:a-password@127.0.0.1:${port}/`,
      version: 'v1',
      ca: undefined,
      verifyTls: true,
      timeoutMs: 10_000,
    });
    const error: unknown = await barbican
      .find(id, { token, endpoint: undefined })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).not.toContain(String(answered));
    expect(describeError(error)).toContain(
      `caused by: GET http://127.0.0.1:${port}/v1/secrets/${id}: status ${answered}`,
    );
    expect(describeError(error)).not.toMatch(/gAAAAA|a-password|what it says/);
  });
});
