import { runScrubber } from '@glance/glance-api';
import { runProcess } from './run-process';

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // A second one ends the process at once.
  process.once(signal, () => stopping.abort());
}

runProcess((invocation) => runScrubber(invocation, stopping.signal));
