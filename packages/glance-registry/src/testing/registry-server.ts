import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messagesOf } from '@glance/service-kit';
import {
  createRegistry,
  type RegistryApplication,
  type RegistryOverrides,
  type RegistrySettings,
} from '../composition';

export interface RegistryServer {
  registry: RegistryApplication;
  url: string;
  close(): Promise<void>;
}

/** The real application on a free loopback port. */
export async function startRegistryServer(
  settings: RegistrySettings,
  overrides: RegistryOverrides = {},
): Promise<RegistryServer> {
  const registry = await createRegistry(settings, overrides);
  const server: Server = createServer(messagesOf(registry.app), registry.app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    registry,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await registry.close();
    },
  };
}
