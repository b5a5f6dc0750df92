import type { Option, OptionTable } from './options';

/** The sample file of a program: every option, commented out, with its default. */
export function renderSampleFile(program: string, table: OptionTable): string {
  const lines = [`# Sample configuration of ${program}. Every option stands at its default.`];
  for (const [section, options] of Object.entries(table)) {
    lines.push('', `[${section}]`);
    for (const [name, option] of Object.entries(options)) {
      lines.push('', ...wrap(option.help, 96).map((line) => `# ${line}`));
      lines.push(`# Accepts ${option.accepts}.`);
      lines.push(`#${name} = ${defaultText(option)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The section of docs/configuration.md about one program. */
export function renderMarkdown(program: string, table: OptionTable): string {
  const lines = [`## ${program}`];
  for (const [section, options] of Object.entries(table)) {
    lines.push('', `### [${section}]`, '', '| option | default | accepts | meaning |');
    lines.push('| --- | --- | --- | --- |');
    for (const [name, option] of Object.entries(options)) {
      const cells = [
        `\`${name}\``,
        defaultText(option) === '' ? '–' : `\`${defaultText(option)}\``,
        option.accepts,
        option.help,
      ];
      lines.push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function defaultText(option: Option<unknown>): string {
  if (option.defaultText !== undefined) return option.defaultText;
  const value = option.default;
  if (value === undefined || option.secret) return '';
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
