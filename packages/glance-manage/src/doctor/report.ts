import { redact } from '@glance/service-kit';
import { VERDICTS, exitCodeOf, type Finding } from './finding';

/** The findings under one heading. */
export interface AreaFindings {
  area: string;
  findings: readonly Finding[];
}

export interface ReportContext {
  secrets: readonly string[];
  /** Files and directories were looked at by somebody who may everything. */
  asRoot: boolean;
}

/** For a reader: the areas with their findings, and a line that sums them up. */
export function textReport(areas: readonly AreaFindings[], context: ReportContext): string[] {
  const width = Math.max(...VERDICTS.map(({ length }) => length));
  const lines = areas.flatMap(({ area, findings }) => [
    area,
    ...findings.map((finding) => {
      const subject = [finding.where, finding.option].filter((each) => each !== undefined);
      const about = subject.length === 0 ? '' : `${subject.join(' ')}: `;
      return `  ${finding.verdict.padEnd(width)}  ${redact(`${about}${finding.text}`, context.secrets)}`;
    }),
    '',
  ]);
  return [...lines, summaryLine(areas, context.asRoot)];
}

/** For machines: one JSON document. */
export function jsonReport(areas: readonly AreaFindings[], context: ReportContext): string {
  const shown = (text: string | undefined): string | null =>
    text === undefined ? null : redact(text, context.secrets);
  const all = areas.flatMap(({ findings }) => findings);
  return JSON.stringify(
    {
      exit_code: exitCodeOf(all),
      as_root: context.asRoot,
      summary: Object.fromEntries(VERDICTS.map((verdict) => [verdict, count(all, verdict)])),
      findings: areas.flatMap(({ area, findings }) =>
        findings.map(({ verdict, where, option, text }) => ({
          area,
          verdict,
          where: shown(where),
          option: shown(option),
          text: shown(text),
        })),
      ),
    },
    null,
    2,
  );
}

function summaryLine(areas: readonly AreaFindings[], asRoot: boolean): string {
  const all = areas.flatMap(({ findings }) => findings);
  const counts = VERDICTS.filter((verdict) => verdict !== 'failed' || count(all, verdict) > 0)
    .map((verdict) => `${count(all, verdict)} ${verdict}`)
    .join(', ');
  const root = asRoot
    ? ' Root may everything: run it as the user of glance-api to learn what that one may.'
    : '';
  return `${counts}: ${meaningOf(all)}${root}`;
}

function meaningOf(findings: readonly Finding[]): string {
  if (count(findings, 'failed') > 0) return 'not everything could be looked at.';
  if (count(findings, 'change') > 0) return 'do not switch before every "change" is made.';
  if (count(findings, 'note') > 0) return 'nothing is in the way; read the notes.';
  return 'nothing is in the way.';
}

function count(findings: readonly Finding[], verdict: Finding['verdict']): number {
  return findings.filter((each) => each.verdict === verdict).length;
}
