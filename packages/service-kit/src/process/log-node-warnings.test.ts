import { spawnSync } from 'node:child_process';
import path from 'node:path';

/** A program that gets a warning of Node.js, run from the built package. */
const PROGRAM = `
  const kit = require(${JSON.stringify(path.join(__dirname, '../../dist/index.js'))});
  kit.logNodeWarnings(kit.createLogger({ name: 'glance-api', debug: false, json: true, secrets: [] }));
  const events = new (require('node:events'))();
  for (let count = 0; count < 11; count += 1) events.on('x', () => undefined);
`;

describe('a warning of Node.js', () => {
  it('is one more line of the log', () => {
    const { stderr } = spawnSync(process.execPath, ['-e', PROGRAM], { encoding: 'utf8' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({
        levelname: 'WARNING',
        name: 'glance-api',
        message: expect.stringMatching(/^Node\.js MaxListenersExceededWarning: .*11 x listeners/),
        stack: expect.stringContaining('MaxListenersExceededWarning'),
      }),
    ]);
  });
});
