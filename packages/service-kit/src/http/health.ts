import { existsSync } from 'node:fs';
import { describeError } from '@glance/common';
import { Router } from 'express';
import type { Logger } from '../logger';

/** Asks one dependency whether it can be used; rejects with the reason when not. */
export type ReadinessCheck = () => Promise<void>;

const INTERVAL_MS = 10_000;
const TROUBLED_INTERVAL_MS = 500;
const FAILURES_UNTIL_RED = 3;

interface CheckState {
  isNeeded: boolean;
  ok: boolean;
  failures: number;
  reason: string;
}

/**
 * Samples the dependencies beside the requests, so that a readiness answer never waits for one:
 * red after three failures, green after one success (reliability sheet §12).
 */
export class Readiness {
  private readonly states = new Map<string, CheckState>();
  private readonly checks: Readonly<Record<string, ReadinessCheck>>;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private draining = false;

  constructor(
    needed: Readonly<Record<string, ReadinessCheck>>,
    private readonly logger: Logger,
    /** Dependencies without which the service is ready all the same. */
    optionalChecks: Readonly<Record<string, ReadinessCheck>> = {},
  ) {
    this.checks = { ...needed, ...optionalChecks };
    for (const name of Object.keys(this.checks)) {
      this.states.set(name, {
        isNeeded: Object.hasOwn(needed, name),
        ok: false,
        failures: FAILURES_UNTIL_RED,
        reason: 'not checked yet',
      });
    }
  }

  start(): void {
    void this.sample();
  }

  /** Red from now on: a load balancer sends no new work while the process ends. */
  drain(): void {
    this.draining = true;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  report(): { ready: boolean; checks: Record<string, string> } {
    const checks: Record<string, string> = {};
    for (const [name, state] of this.states) checks[name] = state.ok ? 'ok' : state.reason;
    if (this.draining) checks['process'] = 'stopping';
    return {
      ready:
        !this.draining && [...this.states.values()].every(({ ok, isNeeded }) => ok || !isNeeded),
      checks,
    };
  }

  private async sample(): Promise<void> {
    await Promise.all(
      Object.entries(this.checks).map(async ([name, check]) => {
        const state = this.states.get(name) as CheckState;
        try {
          await check();
          if (!state.ok && state.reason !== 'not checked yet') {
            this.logger.info(`Readiness: ${name} is usable again`);
          }
          Object.assign(state, { ok: true, failures: 0, reason: 'ok' });
        } catch (error) {
          state.failures += 1;
          const reason = describeError(error);
          if (state.ok || state.reason !== reason) {
            this.logger.warn(`Readiness: ${name} is not usable: ${reason}`);
          }
          state.reason = reason;
          if (state.failures >= FAILURES_UNTIL_RED) state.ok = false;
        }
      }),
    );
    if (this.closed) return;
    const green = [...this.states.values()].every(
      ({ failures, isNeeded }) => failures === 0 || !isNeeded,
    );
    this.timer = setTimeout(() => void this.sample(), green ? INTERVAL_MS : TROUBLED_INTERVAL_MS);
    this.timer.unref();
  }
}

export interface HealthOptions {
  readiness: Readiness;
  /** While this file exists `/healthcheck` answers 503, as upstream's disable_by_file. */
  disableByFile: string | undefined;
}

/** `/healthcheck` and `/livez`: the process runs. `/readyz`: its dependencies answer as well. */
export function healthRouter(options: HealthOptions): Router {
  const router = Router();
  router.get('/healthcheck', (_req, res) => {
    const disabled = options.disableByFile !== undefined && existsSync(options.disableByFile);
    res
      .status(disabled ? 503 : 200)
      .type('text/plain')
      .send(disabled ? 'DISABLED BY FILE' : 'OK');
  });
  router.get('/livez', (_req, res) => {
    res.type('text/plain').send('OK');
  });
  router.get('/readyz', (_req, res) => {
    const { ready, checks } = options.readiness.report();
    // Which dependency is down is for the log, not for whoever reaches the public port.
    const failing = Object.keys(checks).filter((name) => checks[name] !== 'ok');
    res.status(ready ? 200 : 503).json({ ready, failing });
  });
  return router;
}
