/** One `name = value` of a file, with the line it stands on for messages. */
export interface IniEntry {
  section: string;
  name: string;
  value: string;
  line: number;
}

/** A `[section]` of a file; one that stands there twice is two of them. */
export interface IniSection {
  name: string;
  line: number;
  entries: IniEntry[];
}

export class IniSyntaxError extends Error {
  constructor(
    readonly line: number,
    message: string,
  ) {
    super(message);
  }
}

/** Every entry of a file; see {@link parseIniSections}. */
export function parseIni(text: string, onMistake?: (mistake: IniSyntaxError) => void): IniEntry[] {
  return parseIniSections(text, onMistake).flatMap(({ entries }) => entries);
}

/**
 * Reads the dialect of oslo.config: `[section]` headers, `name = value` or `name: value`, `#` and
 * `;` comment lines, and lines that begin with white space continue the value above. Entries above
 * the first header belong to `DEFAULT`.
 * @param onMistake told of lines that are none of these, which are passed over then.
 * @throws IniSyntaxError with the line number, for such a line when nobody is told.
 */
export function parseIniSections(
  text: string,
  onMistake: (mistake: IniSyntaxError) => void = raise,
): IniSection[] {
  let section: IniSection = { name: 'DEFAULT', line: 1, entries: [] };
  const sections = [section];
  let open: IniEntry | undefined;
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = index + 1;
    const trimmed = raw.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) {
      if (trimmed === '') open = undefined;
      return;
    }
    if (/^\s/.test(raw)) {
      if (!open) {
        onMistake(new IniSyntaxError(line, 'a continuation line without an option above it'));
        return;
      }
      open.value = `${open.value}\n${trimmed}`.trim();
      return;
    }
    const header = /^\[(.+)\]$/.exec(trimmed);
    if (header) {
      section = { name: (header[1] as string).trim(), line, entries: [] };
      sections.push(section);
      open = undefined;
      return;
    }
    const pair = /^([^=:\s][^=:]*?)\s*[=:]\s*(.*)$/.exec(trimmed);
    if (!pair) {
      onMistake(new IniSyntaxError(line, `expected "name = value", found "${trimmed}"`));
      return;
    }
    const [, name, value] = pair as unknown as [string, string, string];
    open = { section: section.name, name, value: unquote(value), line };
    section.entries.push(open);
  });
  return sections;
}

function raise(mistake: IniSyntaxError): never {
  throw mistake;
}

/** oslo.config drops one pair of quotes around a whole value. */
function unquote(value: string): string {
  const match = /^(["'])(.*)\1$/.exec(value);
  return match ? (match[2] as string) : value;
}
