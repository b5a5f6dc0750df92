import { closeSync, openSync } from 'node:fs';
import { redactUri } from '@glance/common';
import winston from 'winston';
import { currentRequest } from './request-context';

/** Levels: error = somebody must act now, warn = degraded but handled, info = life cycle and one line per request. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** The same log under a component's name. */
  child(component: string): Logger;
}

/** The log of a process, with what changes while it runs. */
export interface RootLogger extends Logger {
  /**
   * Writes to a new file of the same name from now on, after the old one was renamed.
   * @returns whether it logs to a file. @throws Error when it cannot: then the old one stays in use.
   */
  reopen(): boolean;
  /** More texts to be replaced by `***`. */
  hide(secrets: readonly string[]): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface LoggerOptions {
  /** The program, and the name of its lines. */
  name: string;
  debug: boolean;
  json: boolean;
  /** Standard error when absent. */
  file?: string | undefined;
  /** Replaced by `***` wherever they turn up. */
  secrets: readonly string[];
}

const LEVEL_NAMES: Readonly<Record<string, string>> = {
  error: 'ERROR',
  warn: 'WARNING',
  info: 'INFO',
  debug: 'DEBUG',
};

/** From a scheme to the next blank: where a URI ends depends on what its password may hold. */
const URI = /\b[a-z][a-z0-9+.-]{0,31}(?::\/\/|%3a%2f%2f)\S*/gi;
const MAY_HOLD_SECRETS = /[@?#]|%40/;

/** Drops credentials from every URI of a text, every configured secret, and control characters. */
export function redact(text: string, secrets: Iterable<string>): string {
  let clean = text.replace(URI, redactUriInText);
  for (const secret of secrets) {
    if (secret.length >= 4) clean = clean.replaceAll(secret, '***');
  }
  return clean.replace(
    // eslint-disable-next-line no-control-regex -- control characters would forge or hide log lines
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) =>
      character === '\n' ? '\\n' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Keeps the punctuation that the sentence around the URI put at its end. */
function redactUriInText(uri: string): string {
  if (!MAY_HOLD_SECRETS.test(uri)) return uri;
  let end = uri.length;
  while (end > 0 && `"'<>()[]{},.;:`.includes(uri.charAt(end - 1))) end -= 1;
  return `${redactUri(uri.slice(0, end))}${uri.slice(end)}`;
}

export function createLogger(options: LoggerOptions): RootLogger {
  const secrets = new Set(options.secrets);
  const format = winston.format.printf((info) => {
    const { level, message, component, fields } = info as unknown as {
      level: string;
      message: string;
      component: string;
      fields: LogFields | undefined;
    };
    const context = currentRequest();
    const line = redact(message, secrets);
    const extra = Object.entries(fields ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, redact(String(value), secrets)] as const);
    const now = new Date().toISOString();
    if (options.json) {
      return JSON.stringify({
        timestamp: now,
        process: process.pid,
        levelname: LEVEL_NAMES[level],
        name: component,
        request_id: context?.requestId,
        trace_id: context?.trace?.traceId,
        user: clean(context?.userId),
        project: clean(context?.projectId),
        message: line,
        ...Object.fromEntries(extra),
      });
    }
    const who = context
      ? `[${context.requestId} ${word(context.userId)} ${word(context.projectId)} - - -]`
      : '[-]';
    const trace = context?.trace === undefined ? '' : ` trace=${context.trace.traceId}`;
    const tail = `${extra.map(([key, value]) => ` ${key}=${value}`).join('')}${trace}`;
    const time = `${now.slice(0, 10)} ${now.slice(11, 23)}`;
    return `${time} ${process.pid} ${LEVEL_NAMES[level] ?? level} ${component} ${who} ${line}${tail}`;
  });
  const { file } = options;
  let transport: winston.transport =
    file === undefined
      ? new winston.transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] })
      : new winston.transports.File({ filename: file });
  const root = winston.createLogger({
    level: options.debug ? 'debug' : 'info',
    format,
    transports: [transport],
  });
  return {
    ...wrap(root, options.name),
    reopen: () => {
      if (file === undefined) return false;
      checkAppendable(file);
      const next = new winston.transports.File({ filename: file });
      root.add(next);
      // It still writes what it was given.
      root.remove(transport);
      transport = next;
      return true;
    },
    hide: (more) => {
      for (const secret of more) secrets.add(secret);
    },
  };
}

/** An id, that could else end its place in the line and begin another. */
function word(id: string | null | undefined): string {
  return (clean(id) ?? '').replace(/[\s[\]]/g, '_') || '-';
}

function clean(id: string | null | undefined): string | null | undefined {
  return typeof id === 'string' ? redact(id, []) : id;
}

/** @throws Error when nothing can be added to the file; a transport would only tell later. */
function checkAppendable(file: string): void {
  try {
    closeSync(openSync(file, 'a'));
  } catch (error) {
    throw new Error(`log_file = ${file}: cannot be written to`, { cause: error });
  }
}

function wrap(root: winston.Logger, component: string): Logger {
  const at =
    (level: string) =>
    (message: string, fields?: LogFields): void => {
      root.log({ level, message, component, fields });
    };
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: (name) => wrap(root, `${component}.${name}`),
  };
}

/** A log that keeps nothing, for callers that have none. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};
