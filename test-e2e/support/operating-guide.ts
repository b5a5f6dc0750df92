import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from './deployment';

/** A fenced block of docs/operating.md that somebody would type, or write into a file. */
export interface GuideBlock {
  /** The headings above it, the nearest last. */
  headings: readonly string[];
  language: 'sh' | 'ini';
  /** What stands behind the language: `each`, `exit=2`, `verify-ci`, or the file of an ini block. */
  info: string;
  text: string;
  /** Of the fence, to find it again. */
  line: number;
}

/** What runs the blocks with these words, and where it says so. */
const VERIFIED_ELSEWHERE: Readonly<Record<string, string>> = {
  'verify-ci': '.ci/run',
  'verify-containers': 'deploy/compose.yaml',
};

/** docs/operating.md, of which every block is to be taken once. */
export class OperatingGuide {
  private readonly taken = new Set<GuideBlock>();

  private constructor(
    readonly text: string,
    readonly blocks: readonly GuideBlock[],
  ) {}

  static async read(): Promise<OperatingGuide> {
    const text = await readFile(path.join(ROOT, 'docs/operating.md'), 'utf8');
    return new OperatingGuide(text, blocksOf(text));
  }

  /** The blocks below a heading that are to be run, in their order. @throws Error when there are none. */
  take(heading: string): GuideBlock[] {
    const found = this.blocks.filter(
      ({ headings, info }) => headings.includes(heading) && !(info in VERIFIED_ELSEWHERE),
    );
    if (found.length === 0) throw new Error(`docs/operating.md has no commands below "${heading}"`);
    for (const block of found) this.taken.add(block);
    return found;
  }

  /** Blocks that nobody has taken, but those below a heading that another test runs. */
  untaken({ except }: { except: string }): string[] {
    return this.blocks
      .filter((block) => !this.taken.has(block) && !block.headings.includes(except))
      .filter(({ info }) => !(info in VERIFIED_ELSEWHERE))
      .map(describeBlock);
  }

  /** Lines said to be run by a script that does not have them. */
  async unverified(): Promise<string[]> {
    const missing: string[] = [];
    for (const block of this.blocks) {
      const script = VERIFIED_ELSEWHERE[block.info];
      if (script === undefined) continue;
      const says = await readFile(path.join(ROOT, script), 'utf8');
      for (const line of block.text.trim().split('\n')) {
        if (!says.includes(line)) missing.push(`${describeBlock(block)}: "${line}" in ${script}`);
      }
    }
    return missing;
  }

  /** Commands within sentences and tables that no block has. */
  unprovenCommands(): string[] {
    const proven = this.blocks
      .filter(({ language }) => language === 'sh')
      .map(({ text }) => withoutConfigFile(text))
      .join('\n');
    const commands = [...withoutBlocks(this.text).matchAll(/`([^`]+)`/g)]
      .map(([, code]) => withoutConfigFile(code!))
      .filter((code) => /^(glance-[\w-]+|systemctl|mariadb|openstack|curl|npm) \S/.test(code));
    return commands.filter((command) => !proven.includes(command));
  }
}

export function describeBlock({ headings, line }: GuideBlock): string {
  return `docs/operating.md:${line} (${headings.at(-1)})`;
}

const FENCE = /^```(?:(sh|ini)(?: (.*))?)?$/;

function blocksOf(text: string): GuideBlock[] {
  const blocks: GuideBlock[] = [];
  const headings: string[] = [];
  let open: GuideBlock | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = FENCE.exec(line);
    if (open !== undefined) {
      if (fence === null) open.text += `${line}\n`;
      else open = undefined;
    } else if (fence !== null) {
      const [, language, info = ''] = fence;
      if (language !== 'sh' && language !== 'ini') throw new Error(`line ${index + 1}: of what?`);
      open = { headings: [...headings], language, info, text: '', line: index + 1 };
      blocks.push(open);
    } else {
      const heading = /^(#+) (.*)$/.exec(line);
      if (heading !== null) headings.splice(heading[1]!.length - 1, Infinity, heading[2]!);
    }
  }
  return blocks;
}

const withoutConfigFile = (command: string): string =>
  command.replaceAll(/ --config-file \S+/g, '');

const withoutBlocks = (text: string): string => text.replaceAll(/^```[^]*?^```$/gm, '');
