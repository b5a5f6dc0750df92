import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from './support/deployment';

const ADVISORY = /OSSA-\d{4}-\d{3}|OSSN-\d{4}|CVE-\d{4}-\d+|LP#\d+/g;
/** Titles of tests and groups of tests. */
const TITLE = /\b(?:it|test|describe\w*)(?:\.each(?:<[^(]*>)?\([\s\S]*?\))?\(\s*(['"`])(.*?)\1,/g;

const codeSpans = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, it]) => it!);

/** Rows of all tables: the names, and the files that test them. */
async function documented(): Promise<{ names: string[]; files: string[] }[]> {
  const text = await readFile(path.join(ROOT, 'docs/security.md'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|'))
    .map(([, names = '', , files = '']) => ({ names: codeSpans(names), files: codeSpans(files) }));
}

async function titlesIn(file: string): Promise<string[]> {
  const text = await readFile(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(TITLE)].map(([, , title]) => title!);
}

describe('docs/security.md', () => {
  it('names tests that are there', async () => {
    const rows = await documented();
    expect(rows.length).toBeGreaterThan(50);
    const missing: string[] = [];
    for (const { names, files } of rows) {
      expect({ names, files: files.length }).not.toEqual({ names, files: 0 });
      for (const file of files) {
        const titles = await titlesIn(file);
        for (const name of names) {
          if (!titles.some((title) => title.includes(name))) missing.push(`${name} in ${file}`);
        }
      }
    }
    expect(missing).toEqual([]);
  });

  it('has every advisory that a test is named after', async () => {
    const names = new Set((await documented()).flatMap((row) => row.names));
    const directories = ['packages', 'test-e2e'];
    const files = (
      await Promise.all(
        directories.map(async (directory) =>
          (await readdir(path.join(ROOT, directory), { recursive: true }))
            .filter((file) => /\.test\.ts$|-cases\.ts$/.test(file))
            .filter((file) => !/node_modules|dist/.test(file))
            .map((file) => path.join(directory, file)),
        ),
      )
    ).flat();
    const tested = (await Promise.all(files.map(titlesIn)))
      .flat()
      .flatMap((title) => title.match(ADVISORY) ?? []);
    expect(tested.length).toBeGreaterThan(30);
    expect(tested.filter((name) => !names.has(name))).toEqual([]);
  });
});
