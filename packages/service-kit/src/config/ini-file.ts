/** One `name = value` of a file, with the line it stands on for messages. */
export interface IniEntry {
  section: string;
  name: string;
  value: string;
  line: number;
}

export class IniSyntaxError extends Error {
  constructor(
    readonly line: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Reads the dialect of oslo.config: `[section]` headers, `name = value` or `name: value`, `#` and
 * `;` comment lines, and lines that begin with white space continue the value above.
 * @throws IniSyntaxError with the line number.
 */
export function parseIni(text: string): IniEntry[] {
  const entries: IniEntry[] = [];
  let section = 'DEFAULT';
  let open: IniEntry | undefined;
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = index + 1;
    const trimmed = raw.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) {
      if (trimmed === '') open = undefined;
      return;
    }
    if (/^\s/.test(raw)) {
      if (!open) throw new IniSyntaxError(line, 'a continuation line without an option above it');
      open.value = `${open.value}\n${trimmed}`.trim();
      return;
    }
    const header = /^\[([^\]]+)\]$/.exec(trimmed);
    if (header) {
      section = (header[1] as string).trim();
      open = undefined;
      return;
    }
    const pair = /^([^=:\s][^=:]*?)\s*[=:]\s*(.*)$/.exec(trimmed);
    if (!pair) throw new IniSyntaxError(line, `expected "name = value", found "${trimmed}"`);
    open = { section, name: pair[1] as string, value: unquote(pair[2] as string), line };
    entries.push(open);
  });
  return entries;
}

/** oslo.config drops one pair of quotes around a whole value. */
function unquote(value: string): string {
  const match = /^(["'])(.*)\1$/.exec(value);
  return match ? (match[2] as string) : value;
}
