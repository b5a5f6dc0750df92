import type { HelperMemory } from './helper-memory';
import { HelperSession } from './helper-session';
import type { RbdCall, RbdCalls, RbdConnection } from './protocol';
import { HelperError, isShutOut } from './rbd-errors';

/** A call may consist of several operations. */
const OPERATIONS_IN_A_CALL = 3;
/** Where Ceph itself has no limit. */
const UNLIMITED_CALL_MS = 120_000;

/** A helper that is connected. What it has open belongs to it, not to the next one. */
export interface ConnectedHelper {
  fsid: string;
  memory: HelperMemory;
  /** @throws HelperError with what Ceph says; `store_unavailable` when the helper dies or hangs. */
  call<Call extends RbdCall>(
    call: Call,
    asked: RbdCalls[Call]['asked'],
  ): Promise<RbdCalls[Call]['answer']>;
}

/** The way to a cluster: a helper process that is started when it is needed and not there. */
export class RbdCluster {
  private session: HelperSession | undefined;
  private connecting: Promise<ConnectedHelper> | undefined;
  private knownFsid: string | undefined;
  private closed = false;

  constructor(
    private readonly settings: RbdConnection,
    private readonly log: (line: string) => void,
  ) {}

  /** Of the cluster, once it has told it. */
  get fsid(): string | undefined {
    return this.knownFsid;
  }

  get helperPid(): number | undefined {
    return this.session?.pid;
  }

  /** @throws as {@link ConnectedHelper.call} */
  connect(): Promise<ConnectedHelper> {
    if (this.connecting && this.session?.ended === false) return this.connecting;
    const connecting = this.open().catch((error: unknown) => {
      // The next call tries again.
      if (this.connecting === connecting) this.connecting = undefined;
      throw error;
    });
    this.connecting = connecting;
    return connecting;
  }

  /** A call that needs nothing of what an earlier one opened. */
  async call<Call extends RbdCall>(
    call: Call,
    asked: RbdCalls[Call]['asked'],
  ): Promise<RbdCalls[Call]['answer']> {
    const helper = await this.connect();
    return await helper.call(call, asked);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.session?.close();
  }

  private async open(): Promise<ConnectedHelper> {
    if (this.closed) throw new Error('The store is closed');
    if (this.session === undefined || this.session.ended) {
      this.session = new HelperSession(this.log);
    }
    const session = this.session;
    const timeoutMs = this.callMs();
    const { fsid, memory } = await session.call('connect', this.settings, timeoutMs);
    this.knownFsid = fsid;
    return {
      fsid,
      memory: session.openMemory(memory),
      call: async (call, asked) => {
        // Removing a large image takes its time, and its caller has a limit of his own.
        const limit = call === 'remove' || call === 'removeAttempt' ? undefined : timeoutMs;
        try {
          return await session.call(call, asked, limit);
        } catch (error) {
          if (isShutOut(error)) session.kill(`the cluster has shut it out: ${String(error)}`);
          throw error;
        }
      },
    };
  }

  private callMs(): number {
    const { timeoutSeconds } = this.settings;
    return timeoutSeconds === undefined || timeoutSeconds === 0
      ? UNLIMITED_CALL_MS
      : timeoutSeconds * 1000 * OPERATIONS_IN_A_CALL;
  }
}

/** What is wrong in the configuration, where that is why the cluster cannot be used. */
export function mistakeOf(error: unknown): { option: string; message: string } | undefined {
  if (!(error instanceof HelperError)) return undefined;
  const { option, message } = error.failure;
  return option === undefined ? undefined : { option, message };
}
