import type { Readiness } from '../http/health';
import type { RepeatedTask } from '../process/repeated-task';
import type { Metrics, Sample } from './metrics';

/** What the readiness of the service depends on. */
export function describeReadiness(metrics: Metrics, readiness: Readiness): void {
  metrics.process.gauge(
    {
      name: `${metrics.prefix}_ready`,
      help: 'Whether /readyz says so (1) or not (0), in every process',
      read: () => [{ value: readiness.report().ready ? 1 : 0 }],
    },
    'min',
  );
  metrics.process.gauge(
    {
      name: `${metrics.prefix}_dependency_usable`,
      help: 'Whether the last checks found what the service depends on usable (1) or not (0)',
      labels: ['dependency'],
      read: () =>
        Object.entries(readiness.report().checks).map(([dependency, state]) => ({
          labels: { dependency },
          value: state === 'ok' ? 1 : 0,
        })),
    },
    'min',
  );
}

/** The sweeps and other work beside the requests. */
export function describeTasks(metrics: Metrics, tasks: readonly RepeatedTask[]): void {
  const labels = ['task'];
  const each =
    (value: (task: RepeatedTask) => number | undefined): (() => Sample[]) =>
    () =>
      tasks.flatMap((task) => {
        const found = value(task);
        return found === undefined ? [] : [{ labels: { task: task.id }, value: found }];
      });
  metrics.process.gauge(
    {
      name: `${metrics.prefix}_task_last_success_timestamp_seconds`,
      help: 'When a run of this work ended well last in any process; before the first, when the process began',
      labels,
      read: each((task) => task.lastSuccessAt),
    },
    'max',
  );
  metrics.process.gauge(
    {
      name: `${metrics.prefix}_task_interval_seconds`,
      help: 'Time between two runs of this work in a process',
      labels,
      read: each((task) => task.intervalSeconds),
    },
    'max',
  );
  metrics.process.counter({
    name: `${metrics.prefix}_task_runs_total`,
    help: 'Runs of this work that have ended, well or not',
    labels,
    read: each((task) => task.runs),
  });
  metrics.process.counter({
    name: `${metrics.prefix}_task_failures_total`,
    help: 'Runs of this work that failed; the log says why',
    labels,
    read: each((task) => task.failures),
  });
}
