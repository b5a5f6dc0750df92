import { armFailPoints } from '@glance/common';
import { redact, type LogFields, type Logger } from '../logger';

/** A command for operators as a function: what a process would bring along. */
export interface ManageInvocation {
  /** Command line after the program name. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** Read when the command line names no file; the program's own unless set. */
  defaultFiles?: readonly string[];
  print: (line: string) => void;
  printError: (line: string) => void;
  /** Somebody watches: long work says how far it is. */
  isTerminal: boolean;
}

export const MANAGE_EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** Prepares the failures that a test wants of a command; see `fail-points.ts`. */
export function armCommand(failPoints: string | undefined): void {
  if (failPoints) armFailPoints(failPoints);
}

/** What parts of a service log, as lines for the operator who runs them by hand. */
export class OperatorLog implements Logger {
  /** Warnings and errors so far. */
  problems = 0;

  constructor(
    private readonly invocation: Pick<ManageInvocation, 'print' | 'printError'>,
    private readonly secrets: readonly string[] = [],
  ) {}

  error(message: string, fields?: LogFields): void {
    this.problems += 1;
    this.invocation.printError(`ERROR: ${this.line(message, fields)}`);
  }

  warn(message: string, fields?: LogFields): void {
    this.problems += 1;
    this.invocation.printError(`WARNING: ${this.line(message, fields)}`);
  }

  info(message: string, fields?: LogFields): void {
    this.invocation.print(this.line(message, fields));
  }

  debug(): void {
    // Not for this audience.
  }

  child(): Logger {
    return this;
  }

  private line(message: string, fields: LogFields = {}): string {
    const extra = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${String(value)}`);
    return redact(`${message}${extra.join('')}`, this.secrets);
  }
}
