import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readAll, sourceOf } from '../../conformance/pattern';
import { InstrumentedStore } from '../../instrumented-store';
import type { StoreOptions } from '../../store-options';
import { newName } from '../../../testing/store-directory';
import { describeWithSwift, TestContainer } from '../../../testing/swift-test-server';
import { SwiftDriver } from './swift-driver';

describeWithSwift()('the swift store over TLS', () => {
  let directory: string;
  let container: TestContainer;
  let relay: tls.Server;
  const sockets = new Set<net.Socket>();

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'glance-swift-tls-'));
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const openssl = (...args: string[]): void => {
      execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
    };
    for (const ca of ['ca', 'other-ca']) {
      const files = ['-keyout', `${ca}.key`, '-out', `${ca}.crt`];
      openssl('req', '-x509', ...key, '-days', '2', '-subj', `/CN=${ca}`, ...files);
    }
    const subject = ['-subj', '/CN=swift', '-addext', 'subjectAltName=IP:127.0.0.1'];
    openssl('req', ...key, ...subject, '-keyout', 'swift.key', '-out', 'swift.csr');
    openssl(
      ...['x509', '-req', '-in', 'swift.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key'],
      ...['-copy_extensions', 'copy', '-days', '2', '-out', 'swift.crt'],
    );
    container = await TestContainer.make();
    const { hostname, port } = new URL(container.account.storageUrl);
    relay = tls.createServer({ key: read('swift.key'), cert: read('swift.crt') }, (near) => {
      const far = net.connect(Number(port), hostname);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    relay.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => relay.close(resolve));
    await container.dispose();
    rmSync(directory, { recursive: true });
  });

  const read = (name: string): Buffer => readFileSync(join(directory, name));

  async function withStore(
    options: StoreOptions,
    use: (store: InstrumentedStore) => Promise<void>,
  ) {
    const origin = `https://127.0.0.1:${(relay.address() as AddressInfo).port}`;
    const driver = await SwiftDriver.create(
      {
        ...container.options,
        swift_store_auth_address: `${origin}${new URL(container.authAddress).pathname}`,
        swift_store_endpoint: `${origin}${new URL(container.account.storageUrl).pathname}`,
        ...options,
      },
      { storeId: 'objects', warn: () => undefined },
    );
    const store = new InstrumentedStore(driver, { id: 'objects', type: 'swift' });
    try {
      await use(store);
    } finally {
      await store.close();
    }
  }

  it.each<[string, () => StoreOptions]>([
    [
      'with the authority in swift_store_cacert',
      () => ({ swift_store_cacert: join(directory, 'ca.crt') }),
    ],
    ['unverified, where that is wanted', () => ({ swift_store_auth_insecure: 'true' })],
  ])('stores, reads and removes %s', async (_name, options) => {
    await withStore(options(), async (store) => {
      const data = Buffer.from('over TLS');
      const added = await store.add({ ...newName(), source: sourceOf(data) });
      await added.settle();
      expect(await readAll((await store.get(added.locationUrl)).stream)).toEqual(data);
      await store.delete(added.locationUrl);
    });
    expect(await container.contents()).toEqual([]);
  });

  it.each<[string, () => StoreOptions]>([
    ['without swift_store_cacert', () => ({})],
    ['with another', () => ({ swift_store_cacert: join(directory, 'other-ca.crt') })],
  ])('says what is missing %s', async (_name, options) => {
    await withStore(options(), async (store) => {
      const failure = await store.checkWritable().catch((error: unknown) => error as Error);
      expect(failure).toMatchObject({
        code: 'store_unavailable',
        cause: {
          message: expect.stringMatching(
            /certificate of 127\.0\.0\.1 is not trusted .*: set swift_store_cacert/,
          ) as unknown,
        },
      });
    });
  });
});
