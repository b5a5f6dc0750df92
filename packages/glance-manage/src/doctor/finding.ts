/**
 * - `ok`: works as it is.
 * - `ignored`: has no effect here, and nothing is lost by that.
 * - `note`: to be known, or done, before users come.
 * - `change`: must be changed, or images cannot be served as they were.
 * - `failed`: could not be found out, by a fault of the doctor's own.
 */
export const VERDICTS = ['ok', 'ignored', 'note', 'change', 'failed'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** One thing that was found out, in a sentence that an operator can act on. */
export interface Finding {
  verdict: Verdict;
  /** What it is about: `file:line`, a file, an image, a server. */
  where?: string | undefined;
  /** `[section] name`, where it is about an option. */
  option?: string | undefined;
  text: string;
}

export type FindingPlace = Pick<Finding, 'where' | 'option'>;

export const ok = (text: string, place: FindingPlace = {}): Finding => finding('ok', text, place);
export const ignored = (text: string, place: FindingPlace = {}): Finding =>
  finding('ignored', text, place);
export const note = (text: string, place: FindingPlace = {}): Finding =>
  finding('note', text, place);
export const change = (text: string, place: FindingPlace = {}): Finding =>
  finding('change', text, place);

function finding(verdict: Verdict, text: string, { where, option }: FindingPlace): Finding {
  return { verdict, where, option, text };
}

/** Those of upstream's `glance-status upgrade check`, and of its unexpected errors. */
export const EXIT = { success: 0, warning: 1, failure: 2, usage: 2, error: 255 } as const;

/** What the worst of the findings means for whoever runs the program. */
export function exitCodeOf(findings: readonly Finding[]): number {
  const verdicts = new Set(findings.map(({ verdict }) => verdict));
  if (verdicts.has('failed')) return EXIT.error;
  if (verdicts.has('change')) return EXIT.failure;
  return verdicts.has('note') ? EXIT.warning : EXIT.success;
}
