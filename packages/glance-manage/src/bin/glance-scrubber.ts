import { runScrubber } from '@glance/glance-api';
import { runOperatorProgram } from '@glance/service-kit';

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // A second one ends the process at once.
  process.once(signal, () => stopping.abort());
}

runOperatorProgram((invocation) => runScrubber(invocation, stopping.signal));
