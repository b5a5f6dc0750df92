import { describeError } from '@glance/common';
import type { ManageInvocation } from '@glance/service-kit';
import { CHECKS, runCheck, type Check } from './checks';
import { EXIT, exitCodeOf } from './finding';
import { jsonReport, textReport, type AreaFindings } from './report';
import { isOfCommandLine, readSubject, type Subject } from './subject';

const DEFAULT_SAMPLE = 100;

/**
 * `glance-manage doctor` as a function: what of a configuration works, what is ignored and what must
 * change before this service takes over. It writes nothing anywhere.
 * @returns the exit code.
 */
export async function runDoctor(invocation: ManageInvocation): Promise<number> {
  const { print, printError } = invocation;
  try {
    const { rest, wantsHelp, asJson, sampleSize, registryFiles } = takeOptions(invocation.argv);
    if (wantsHelp) {
      print(doctorHelp());
      return EXIT.success;
    }
    const subject = readSubject({ ...invocation, argv: rest, registryFiles, sampleSize });
    if (subject.api.positionals.join(' ') !== 'doctor') {
      printError(doctorUsage());
      return EXIT.usage;
    }
    const mistakes = subject.api.problems.filter(isOfCommandLine);
    if (mistakes.length > 0) throw new CommandLineError(mistakes.join('\n'));
    const areas = await runChecks(CHECKS, subject);
    const context = { secrets: subject.secrets, asRoot: process.getuid?.() === 0 };
    for (const line of asJson ? [jsonReport(areas, context)] : textReport(areas, context)) {
      print(line);
    }
    return exitCodeOf(areas.flatMap(({ findings }) => findings));
  } catch (error) {
    if (error instanceof CommandLineError) {
      printError(error.message);
      return EXIT.usage;
    }
    printError(`ERROR: ${describeError(error)}`);
    return EXIT.error;
  }
}

/** One after the other; areas in which there is nothing to tell are left out. */
async function runChecks(checks: readonly Check[], subject: Subject): Promise<AreaFindings[]> {
  const areas = new Map<string, AreaFindings['findings']>();
  for (const check of checks) {
    const findings = await runCheck(check, subject);
    if (findings.length === 0) continue;
    areas.set(check.area, [...(areas.get(check.area) ?? []), ...findings]);
  }
  return [...areas].map(([area, findings]) => ({ area, findings }));
}

export function doctorUsage(): string {
  return 'usage: glance-manage [--config-file FILE]... doctor [--registry-config-file FILE]... [--sample N] [--json] [--help]';
}

function doctorHelp(): string {
  return `${doctorUsage()}

Says what of a configuration works, what is ignored and what must change before this service takes
over. It only reads.

  --config-file FILE           of glance-api, upstream's or this service's; repeatable
                               (/etc/glance/glance-api.conf)
  --registry-config-file FILE  of glance-registry; repeatable (glance-registry.conf beside the
                               first configuration file)
  --sample N                   image locations whose data is looked for (${DEFAULT_SAMPLE}; 0: none)
  --json                       one JSON document instead of lines

Each line says what it is about and one of:
  ok       works as it is
  ignored  has no effect here, and nothing is lost by that
  note     to be known, or done, before users come
  change   must be changed

Exit codes: 0 nothing is in the way; 1 there are notes; 2 something must change (or the command
line is wrong); 255 not everything could be looked at.`;
}

interface DoctorOptions {
  /** The options of the configuration and the words of the command. */
  rest: string[];
  wantsHelp: boolean;
  asJson: boolean;
  sampleSize: number;
  registryFiles: string[];
}

class CommandLineError extends Error {}

/** @throws CommandLineError */
function takeOptions(argv: readonly string[]): DoctorOptions {
  const options: DoctorOptions = {
    rest: [],
    wantsHelp: false,
    asJson: false,
    sampleSize: DEFAULT_SAMPLE,
    registryFiles: [],
  };
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const given = word;
    const equals = word.indexOf('=');
    const flag = equals === -1 ? word : word.slice(0, equals);
    const value = (): string => {
      const text = equals === -1 ? words.shift() : given.slice(equals + 1);
      if (text === undefined) throw new CommandLineError(`${flag}: needs a value`);
      return text;
    };
    if (word === '--help' || word === '-h') options.wantsHelp = true;
    else if (word === '--json') options.asJson = true;
    else if (flag === '--registry-config-file') options.registryFiles.push(value());
    else if (flag === '--sample') options.sampleSize = readSampleSize(value());
    else options.rest.push(word);
  }
  return options;
}

function readSampleSize(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new CommandLineError(`--sample ${text}: must be a number of locations`);
}
