import { setTimeout as pause } from 'node:timers/promises';
import { describeError } from '@glance/common';
import type { ManageInvocation } from '@glance/service-kit';
import { restoreImages } from './restore-images';
import { withRegistry, type ApiTools } from './with-registry';

/** As upstream's: the scrubber's own file adds to that of glance-api. */
const DEFAULT_FILES = ['/etc/glance/glance-api.conf', '/etc/glance/glance-scrubber.conf'];

interface ScrubberOptions {
  rest: string[];
  isDaemon: boolean;
  restore: string | undefined;
}

/**
 * `glance-scrubber` as a function (lifecycle sheet §3): removes the data of deleted images whose
 * scrub_time is over, as every glance-api does by itself; here once, again and again (`--daemon`), or
 * not at all: `--restore ID` brings an image back.
 * @param signal ends a daemon
 * @returns the exit code.
 */
export async function runScrubber(
  invocation: ManageInvocation,
  signal: AbortSignal,
): Promise<number> {
  const { print } = invocation;
  const defaultFiles = invocation.defaultFiles ?? DEFAULT_FILES;
  return await withRegistry({ ...invocation, defaultFiles }, (argv) => {
    const { rest, isDaemon, restore } = takeScrubberOptions(argv);
    return {
      rest,
      usage: scrubberUsage,
      command: (words) => {
        if (words.length > 0) return undefined;
        if (restore !== undefined) return (tools) => restoreImages([restore], tools, { print });
        return isDaemon
          ? (tools) => scrubUntil(signal, tools)
          : ({ withSweepers }) =>
              withSweepers(async ({ deletions }) => {
                print(`Finished ${await deletions.sweep()} deletions.`);
              });
      },
    };
  });
}

/** @throws Error for options that do not go together, and one without its value. */
function takeScrubberOptions(argv: readonly string[]): ScrubberOptions {
  const options: ScrubberOptions = { rest: [], isDaemon: false, restore: undefined };
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--daemon' || word === '-D') options.isDaemon = true;
    else if (word === '--restore' || word.startsWith('--restore=')) {
      options.restore = word === '--restore' ? argv[(index += 1)] : word.slice('--restore='.length);
      if (options.restore === undefined) throw new Error('--restore: needs the id of an image');
    } else options.rest.push(word);
  }
  if (options.isDaemon && options.restore !== undefined) {
    throw new Error('--restore and --daemon cannot be given together');
  }
  return options;
}

/** A pass that fails is told, and followed by the next one. */
async function scrubUntil(
  signal: AbortSignal,
  { config, log, withSweepers }: ApiTools,
): Promise<void> {
  await withSweepers(async ({ deletions }) => {
    while (!signal.aborted) {
      try {
        await deletions.sweep();
      } catch (error) {
        log.error(`The next pass tries again: ${describeError(error)}`);
      }
      await pause(config.DEFAULT.wakeup_time * 1000, undefined, { signal }).catch(() => undefined);
    }
  });
  // What was told on the way is no verdict on how it ended.
  log.problems = 0;
}

function scrubberUsage(): string {
  return 'usage: glance-scrubber [--config-file FILE] [--daemon | --restore ID]';
}
