import { redact } from '@glance/service-kit';
import { exitCodeOf, type Finding } from '../doctor/finding';

/** One row of `upgrade check`, with oslo.upgradecheck's code: 0 success, 1 warning, 2 failure. */
export interface UpgradeCheckResult {
  check: string;
  result: number;
  details: string | null;
}

/** The rows, upstream's first and in its order. Where a check is a row, it says so. */
export const UPGRADE_CHECKS = [
  // Upstream has none any more; here it is about kinds of stores that there are not.
  'Sheepdog Driver Removal',
  'Policy File JSON to YAML Migration',
  'Config option owner_is_tenant removal',
  'Place of metadata_encryption_key',
  'Values of options',
] as const;

const TITLE = 'Upgrade Check Results';
const VERDICTS = ['Success', 'Warning', 'Failure'];
/** Characters of a line of details, and what each but the first begins with. */
const DETAILS_WIDTH = 60;
const INDENT = '  ';

export function toResult(
  check: string,
  findings: readonly Finding[],
  secrets: readonly string[],
): UpgradeCheckResult {
  const bad = findings.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'ignored');
  const details = bad.map(({ text }) => redact(text, secrets)).join('; ');
  // There is no fourth code: a check that came to nothing counts as failed.
  const result = Math.min(exitCodeOf(findings), 2);
  return { check, result, details: details === '' ? null : details };
}

/** As `upgrade check --json` of oslo.upgradecheck prints it. */
export function jsonResults(results: readonly UpgradeCheckResult[]): string {
  return JSON.stringify({ name: TITLE, checks: results });
}

/** As oslo.upgradecheck draws it. */
export function tableOfResults(results: readonly UpgradeCheckResult[]): string[] {
  const rows = results.map(({ check, result, details }) => {
    const [first = 'None', ...others] = details === null ? [] : wrap(details);
    const verdict = VERDICTS[result] ?? 'Failure';
    return [`Check: ${check}`, `Result: ${verdict}`, `Details: ${first}`, ...others];
  });
  const width = Math.max(...[[TITLE], ...rows].flat().map(({ length }) => length));
  const rule = `+${'-'.repeat(width + 2)}+`;
  const line = (text: string): string => `| ${text.padEnd(width)} |`;
  return [rule, line(TITLE), rule, ...rows.flatMap((row) => [...row.map(line), rule])];
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    const longer = line.trim() === '' ? `${line}${word}` : `${line} ${word}`;
    if (longer.length <= DETAILS_WIDTH || line.trim() === '') {
      line = longer;
      continue;
    }
    lines.push(line);
    line = `${INDENT}${word}`;
  }
  return [...lines, line];
}
