import { DomainError } from '@glance/common';

/** What a database error means (reliability sheet §7). */
export type FailureKind =
  /** The whole transaction was rolled back by the server. */
  | 'deadlock'
  /** A lock could not be had in time; the transaction may still be open. */
  | 'lock_wait'
  /** The connection broke: not applied, except when it broke during COMMIT. */
  | 'connection_lost'
  /** A node that takes no writes now: another one, or this one later. */
  | 'not_writable'
  | 'too_many_connections'
  /** A unique or foreign key forbids it. */
  | 'duplicate'
  | 'referenced'
  | 'bad_data'
  /** Killed, or longer than the statement time limit. */
  | 'killed'
  /** Wrong name, password or database, a full or broken disk: somebody must repair it. */
  | 'unusable'
  | 'other';

/** Kinds after which the same closure may be run again from its start. */
export const RETRIED: ReadonlySet<FailureKind> = new Set<FailureKind>([
  'deadlock',
  'lock_wait',
  'connection_lost',
  'not_writable',
]);

/** Kinds after which the connection must not be used again. */
export const POISONED: ReadonlySet<FailureKind> = new Set<FailureKind>([
  'connection_lost',
  'not_writable',
  'unusable',
]);

const MYSQL_ERRORS: ReadonlyMap<number, FailureKind> = new Map<number, FailureKind>([
  [1213, 'deadlock'],
  // MariaDB's snapshot check: the record changed since it was read.
  [1020, 'deadlock'],
  [1205, 'lock_wait'],
  ...kinds('connection_lost', 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1927),
  ...kinds('connection_lost', 2002, 2003, 2006, 2013, 4031),
  ...kinds('not_writable', 1047, 1290, 1792, 1836),
  ...kinds('too_many_connections', 1040, 1203, 1226),
  ...kinds('duplicate', 1062, 1586),
  ...kinds('referenced', 1451, 1452),
  ...kinds('bad_data', 1264, 1265, 1292, 1366, 1406, 1048, 3988),
  ...kinds('killed', 1317, 1969, 3024),
  ...kinds('unusable', 1044, 1045, 1049, 1021, 1114, 1146),
]);

const MYSQL_NETWORK_CODES = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

function kinds(kind: FailureKind, ...numbers: number[]): [number, FailureKind][] {
  return numbers.map((number) => [number, kind]);
}

interface DriverError {
  name?: unknown;
  code?: unknown;
  errno?: unknown;
  fatal?: unknown;
  message?: unknown;
}

export function classifyMysqlError(thrown: unknown): FailureKind {
  const error = (thrown ?? {}) as DriverError;
  const message = typeof error.message === 'string' ? error.message : '';
  // Galera reports a lost certification at COMMIT under several numbers.
  if (/wsrep aborted|deadlock\/conflict/i.test(message)) return 'deadlock';
  if (typeof error.errno === 'number') {
    const kind = MYSQL_ERRORS.get(error.errno);
    if (kind) return kind;
  }
  if (error.name === 'KnexTimeoutError') return 'too_many_connections';
  if (typeof error.code === 'string' && MYSQL_NETWORK_CODES.has(error.code)) {
    return 'connection_lost';
  }
  if (error.fatal === true || /closed state/.test(message)) return 'connection_lost';
  return 'other';
}

export function classifySqliteError(thrown: unknown): FailureKind {
  const error = (thrown ?? {}) as DriverError;
  if (error.name === 'KnexTimeoutError') return 'too_many_connections';
  const code = typeof error.code === 'string' ? error.code : '';
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return 'lock_wait';
  if (/^SQLITE_CONSTRAINT_(PRIMARYKEY|UNIQUE|ROWID)$/.test(code)) return 'duplicate';
  if (code === 'SQLITE_CONSTRAINT_FOREIGNKEY') return 'referenced';
  if (/^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/.test(code)) return 'bad_data';
  if (code === 'SQLITE_INTERRUPT') return 'killed';
  if (/^SQLITE_(READONLY|IOERR|CORRUPT|FULL|CANTOPEN|NOTADB|PERM|AUTH)/.test(code)) {
    return 'unusable';
  }
  return 'other';
}

/** The error a caller of the registry gets for a failure that stays. */
export function toDomainError(kind: FailureKind, cause: unknown): unknown {
  switch (kind) {
    case 'duplicate':
      return new DomainError('conflict', 'Something of this name exists already', { cause });
    case 'referenced':
      return new DomainError('conflict', 'Something else still refers to it', { cause });
    case 'bad_data':
      return new DomainError('invalid_request', 'A value does not fit its column', { cause });
    case 'too_many_connections':
      return new DomainError('overloaded', 'The database takes no more connections now', {
        cause,
      });
    case 'deadlock':
    case 'lock_wait':
    case 'connection_lost':
    case 'not_writable':
    case 'killed':
    case 'unusable':
      return new DomainError('database_unavailable', 'The database cannot be used now', { cause });
    case 'other':
      return cause;
  }
}
