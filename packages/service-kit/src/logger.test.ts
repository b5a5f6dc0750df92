import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createLogger, redact, type LoggerOptions, type RootLogger } from './logger';
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
    write: (logger: RootLogger) => void,
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

  it.each([false, true])('names the trace that a request belongs to, json = %s', async (json) => {
    const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', flags: '00' };
    const text = await logged(
      (logger) => runInRequest({ requestId: 'req-1', trace }, () => logger.info('hello')),
      { json },
    );
    if (json) expect(JSON.parse(text)).toMatchObject({ trace_id: trace.traceId });
    else expect(text).toContain(` hello trace=${trace.traceId}\n`);
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

  it.each([true, false])('is no place to forge a line in, json = %s', async (json) => {
    const forged = 'u - - -]\n2026-01-01 00:00:00.000 1 INFO forged\u2028\u0085';
    const text = await logged(
      (logger) =>
        runInRequest({ requestId: 'req-1', userId: forged, projectId: 'p [q]' }, () =>
          logger.info('"GET /\u001b[2J"', { client: 'a\r\nb' }),
        ),
      { json },
    );
    expect(text.split('\n')).toHaveLength(2);
    // eslint-disable-next-line no-control-regex -- what must not be there
    expect(text.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/);
    if (json) expect(JSON.parse(text)).toMatchObject({ levelname: 'INFO', request_id: 'req-1' });
    else expect(text).toMatch(/ \[req-1 u_-_-_-_\S* p__q_ - - -\] "GET /);
  });

  it('keeps debug lines out unless they are wanted', async () => {
    const text = await logged((logger) => {
      logger.debug('quiet');
      logger.info('loud');
    });
    expect(text).not.toContain('quiet');
  });

  it('goes on in a new file when the old one was renamed, and loses no line', async () => {
    const file = path.join(directory, 'log');
    const logger = createLogger({ name: 'n', debug: false, json: false, secrets: [], file });
    logger.info('before');
    await untilContains(file, 'before');
    renameSync(file, `${file}.1`);
    logger.info('between');
    expect(logger.reopen()).toBe(true);
    logger.info('after');
    await untilContains(file, 'after');
    await untilContains(`${file}.1`, 'between');
    expect(readIfThere(file)).not.toContain('between');
    expect(readIfThere(`${file}.1`)).not.toContain('after');
  });

  it('stays in the old file when there can be no new one', async () => {
    const place = path.join(directory, 'logs');
    mkdirSync(place);
    const file = path.join(place, 'log');
    const logger = createLogger({ name: 'n', debug: false, json: false, secrets: [], file });
    logger.info('before');
    await untilContains(file, 'before');
    renameSync(place, `${place}.old`);
    expect(() => logger.reopen()).toThrow(/log_file = .*log: cannot be written to/);
    logger.info('after');
    await untilContains(path.join(`${place}.old`, 'log'), 'after');
  });

  it('hides secrets that came later', async () => {
    const text = await logged((logger) => {
      logger.hide(['the next key']);
      logger.info('shown: the next key');
    });
    expect(text).toContain('shown: ***');
  });
});

describe('redact', () => {
  it.each([
    ['mysql+pymysql://user:p@ss:w@db.example/glance', 'mysql+pymysql://***@db.example/glance'],
    ['swift+https://a%3Ab:key@host/v1/c/o failed', 'swift+https://***@host/v1/c/o failed'],
    ['GET https://host/o?X-Amz-Signature=abc#f', 'GET https://host/o?***'],
    ['file:///var/lib/glance/images/1', 'file:///var/lib/glance/images/1'],
    ['user:pass@[::1]', 'user:pass@[::1]'],
    ["at 'http://u:p'w<>\"s@h/o': none", "at 'http://***@h/o': none"],
    ['"url":"https://h/o?sig=a\'b"}, next', '"url":"https://h/o?***"}, next'],
    ['http://h/cb#access_token=t.', 'http://h/cb?***.'],
    ['http://u%3Ap%40h/o', 'http://***@h/o'],
    ['http%3A%2F%2Fu%3Ap%40h%2Fo', '***'],
    ['https://h/x?u=http://a:b@c d', 'https://*** d'],
    ['see http://h/a, http://h/b.', 'see http://h/a, http://h/b.'],
  ])('%s', (text, expected) => {
    expect(redact(text, [])).toBe(expected);
  });

  it('takes no longer for text that looks like many URIs', () => {
    // Each of these would take minutes where one were searched from each place it may begin at.
    for (const piece of ['a.', 'a://x"', 'http%3a', "://'", 'a+', '@', 'x://@"']) {
      expect(redact(piece.repeat(300_000), []).length).toBeGreaterThan(0);
    }
  });

  it('replaces configured secrets and escapes what would forge a line', () => {
    expect(redact('key hunter2222 sent\r\n2026 forged \u001b[31m', ['hunter2222'])).toBe(
      'key *** sent\\x0d\\n2026 forged \\x1b[31m',
    );
  });
});

async function untilContains(file: string, text: string): Promise<void> {
  while (!readIfThere(file).includes(text)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
