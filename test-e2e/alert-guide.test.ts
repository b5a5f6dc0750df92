import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT, runProgram, runToEnd } from './support/deployment';

const SERVICES = ['glance-api', 'glance-registry'];
const ENOUGH_TO_START = {
  GLANCE_API__DEFAULT__BIND_HOST: '127.0.0.1',
  GLANCE_REGISTRY__DATABASE__CONNECTION: 'sqlite://',
};

/** docs/alerts.md, as somebody reads it who was woken up. */
describe('the guide to the alerts', () => {
  let chapters: { title: string; text: string; code: string[] }[];

  beforeAll(async () => {
    const guide = await readFile(path.join(ROOT, 'docs/alerts.md'), 'utf8');
    chapters = guide
      .split(/^## /m)
      .slice(1)
      .map((chapter) => {
        const text = chapter.slice(chapter.indexOf('\n')).replaceAll('\n', ' ');
        const code = [...text.matchAll(/`([^`]+)`/g)].map(([, each]) => each!);
        return { title: chapter.split('\n')[0]!, text, code };
      });
  });

  it('says in each chapter what to run, or which log, option or number to look at', () => {
    expect(chapters.length).toBeGreaterThan(10);
    for (const { title, text, code } of chapters) {
      const isExact = code.length > 0 || /As above, now/.test(text);
      expect([title, isExact]).toEqual([title, true]);
    }
  });

  it('names commands that there are', async () => {
    const known: string[] = [];
    for (const group of ['db', 'store', 'images', 'policy']) {
      const { out, err } = await runProgram('glance-manage', [group, 'help']);
      known.push(...`${out}${err}`.split('\n').map((line) => line.trim()));
    }
    const { out } = await runProgram('glance-manage', ['doctor', '--help']);
    expect(out).toMatch(/^usage: glance-manage .* doctor /);
    known.push('glance-manage doctor');
    for (const service of SERVICES) {
      const program = path.join(ROOT, `packages/${service}/bin/${service}.js`);
      const args = [program, '--config-file=/dev/null', 'healthcheck', 'help'];
      const { err } = await runToEnd(process.execPath, args, ENOUGH_TO_START);
      const [, there] = /there are: (.*)$/m.exec(err) ?? [];
      known.push(...(there ?? '').split(', ').map((command) => `${service} ${command}`));
    }
    const named = chapters
      .flatMap(({ code }) => code)
      .filter((each) => /^(glance-[a-z-]+ |db )/.test(each))
      .map((each) => (each.startsWith('db ') ? `glance-manage ${each}` : each));
    expect(named.length).toBeGreaterThan(5);
    const isKnown = (command: string) => known.some((each) => `${each} `.startsWith(`${command} `));
    expect(named.filter((command) => !isKnown(command))).toEqual([]);
  });

  it('names options that there are', async () => {
    const options = await readFile(path.join(ROOT, 'docs/configuration.md'), 'utf8');
    const named = chapters.flatMap(({ code }) =>
      code.flatMap((each) => /^\[(\w+)\] (\w+)$/.exec(each)?.slice(1, 3).join(' ') ?? []),
    );
    expect(named.length).toBeGreaterThan(3);
    const known = new Set<string>();
    for (const part of options.split(/^### \[/m).slice(1)) {
      const section = part.slice(0, part.indexOf(']'));
      for (const [, option] of part.matchAll(/^\| `(\w+)` /gm)) known.add(`${section} ${option}`);
    }
    expect(named.filter((option) => !known.has(option))).toEqual([]);
  });
});
