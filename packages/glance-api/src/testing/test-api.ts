import { FakeRegistry } from '@glance/registry-client/testing';
import {
  HttpService,
  ServiceKeys,
  loadConfig,
  messagesOf,
  silentLogger,
} from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import { createApi, type Api } from '../composition';
import { API_OPTIONS } from '../config';
import { storeSections } from '../store-config/store-options';
import { DocumentedAnswers } from './documented-answers';

export interface TestApi {
  api: Api;
  registry: FakeRegistry;
  url: string;
  port: number;
  shutdown: AbortController;
  close(): Promise<void>;
}

/**
 * The whole api over a registry and a store in memory, listening on a free port. Its `close` fails
 * when it gave an answer that its OpenAPI document does not name.
 */
export function startTestApi(...flags: string[]): Promise<TestApi> {
  return startTestApiWith({}, ...flags);
}

/** The same over stores and directories of configuration of the test's own. */
export async function startTestApiWith(
  { configDirectories = [], ...overrides }: { stores?: StoreSet; configDirectories?: string[] },
  ...flags: string[]
): Promise<TestApi> {
  const { config } = loadConfig(API_OPTIONS, {
    program: 'glance-api',
    argv: [
      '--bind-host=127.0.0.1',
      '--paste-deploy-flavor=fakeauth',
      '--glance-store-stores=memory',
      '--glance-store-default-store=memory',
      '--transfer-hash-threads=2',
      ...flags,
    ],
    env: {},
    moreSections: storeSections,
  });
  const registry = new FakeRegistry();
  const shutdown = new AbortController();
  const api = await createApi(
    config,
    {
      logger: silentLogger,
      release: 'test',
      serviceKeys: new ServiceKeys(() => []),
      configDirectories,
      shutdown: shutdown.signal,
    },
    { registry, rulesMaxAgeMs: 0, ...overrides },
  );
  const answers = new DocumentedAnswers();
  const service = new HttpService({
    handler: (req, res) => {
      answers.watch(req, res);
      api.app(req, res);
    },
    messages: messagesOf(api.app),
    logger: silentLogger,
    backlog: 64,
    keepAliveTimeoutMs: 5000,
    maxHeaderBytes: 65_536,
    onAbort: () => shutdown.abort(),
  });
  const port = await service.listen('127.0.0.1', 0);
  return {
    api,
    registry,
    url: `http://127.0.0.1:${port}`,
    port,
    shutdown,
    close: async () => {
      await service.stop({ delayMs: 0, drainTimeoutMs: 0 });
      await api.close();
      answers.check();
    },
  };
}
