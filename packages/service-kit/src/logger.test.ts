import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createLogger, redact, type Logger, type LoggerOptions } from './logger';
import { runInRequest } from './request-context';

describe('the log', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'glance-log-'));
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  async function logged(
    write: (logger: Logger) => void,
    options: Partial<LoggerOptions> = {},
  ): Promise<string> {
    const file = path.join(directory, 'log');
    write(
      createLogger({
        name: 'glance-api',
        debug: false,
        json: false,
        secrets: [],
        ...options,
        file,
      }),
    );
    for (;;) {
      const text = readIfThere(file);
      if (text.endsWith('\n')) return text;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it('has the line format of oslo.log, with the request it belongs to', async () => {
    const text = await logged((logger) =>
      runInRequest({ requestId: 'req-1', userId: 'u', projectId: 'p' }, () =>
        logger.child('http').info('hello', { status: 200 }),
      ),
    );
    expect(text).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ INFO glance-api\.http \[req-1 u p - - -\] hello status=200\n$/,
    );
  });

  it('writes one JSON object a line when asked', async () => {
    const text = await logged((logger) => logger.warn('careful', { image: 'i' }), { json: true });
    expect(JSON.parse(text)).toMatchObject({
      levelname: 'WARNING',
      name: 'glance-api',
      message: 'careful',
      image: 'i',
    });
  });

  it('keeps debug lines out unless they are wanted', async () => {
    const text = await logged((logger) => {
      logger.debug('quiet');
      logger.info('loud');
    });
    expect(text).not.toContain('quiet');
  });
});

describe('redact', () => {
  it.each([
    ['mysql+pymysql://user:p@ss:w@db.example/glance', 'mysql+pymysql://***@db.example/glance'],
    ['swift+https://a%3Ab:key@host/v1/c/o failed', 'swift+https://***@host/v1/c/o failed'],
    ['GET https://host/o?X-Amz-Signature=abc#f', 'GET https://host/o?***'],
    ['file:///var/lib/glance/images/1', 'file:///var/lib/glance/images/1'],
    ['user:pass@[::1]', 'user:pass@[::1]'],
  ])('%s', (text, expected) => {
    expect(redact(text, [])).toBe(expected);
  });

  it('replaces configured secrets and escapes what would forge a line', () => {
    expect(redact('key hunter2222 sent\r\n2026 forged \u001b[31m', ['hunter2222'])).toBe(
      'key *** sent\\x0d\\n2026 forged \\x1b[31m',
    );
  });
});

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
