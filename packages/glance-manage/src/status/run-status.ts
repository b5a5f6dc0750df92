import { describeError } from '@glance/common';
import type { ManageInvocation } from '@glance/service-kit';
import { CHECKS, runCheck } from '../doctor/checks';
import { EXIT, exitCodeOf, type Finding } from '../doctor/finding';
import { isOfCommandLine, readSubject, type Subject } from '../doctor/subject';
import {
  UPGRADE_CHECKS,
  jsonResults,
  tableOfResults,
  toResult,
  type UpgradeCheckResult,
} from './upgrade-check';

const USAGE = 'usage: glance-status [--config-file FILE] upgrade [--json] check';

/**
 * `glance-status upgrade check` as a function (lifecycle sheet §8): whether this release serves what
 * an upstream Glance is configured for. It asks nobody but the files: those checks of
 * `glance-manage doctor` that are upgrade checks.
 * @returns the exit code.
 */
export async function runStatus(invocation: ManageInvocation): Promise<number> {
  const { print, printError } = invocation;
  try {
    const argv = invocation.argv.filter((word) => word !== '--json');
    const subject = readSubject({ ...invocation, argv, registryFiles: [], sampleSize: 0 });
    if (subject.api.positionals.join(' ') !== 'upgrade check') {
      printError(USAGE);
      return EXIT.usage;
    }
    const mistakes = subject.api.problems.filter(isOfCommandLine);
    if (mistakes.length > 0) {
      for (const mistake of mistakes) printError(mistake);
      return EXIT.usage;
    }
    const findings = await runUpgradeChecks(subject);
    const results = findings.map(({ result }) => result);
    if (argv.length < invocation.argv.length) print(jsonResults(results));
    else for (const line of tableOfResults(results)) print(line);
    return exitCodeOf(findings.flatMap((each) => each.findings));
  } catch (error) {
    printError(`ERROR: ${describeError(error)}`);
    return EXIT.error;
  }
}

async function runUpgradeChecks(subject: Subject) {
  const done: { result: UpgradeCheckResult; findings: Finding[] }[] = [];
  for (const name of UPGRADE_CHECKS) {
    const findings: Finding[] = [];
    for (const check of CHECKS) {
      if (check.upgradeCheck === name) findings.push(...(await runCheck(check, subject)));
    }
    done.push({ result: toResult(name, findings, subject.secrets), findings });
  }
  return done;
}
