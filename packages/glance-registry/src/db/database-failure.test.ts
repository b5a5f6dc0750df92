import { classifyMysqlError, classifySqliteError, toDomainError } from './database-failure';

describe('an error of the database', () => {
  it.each([
    [{ errno: 1213 }, 'deadlock'],
    [{ errno: 1020 }, 'deadlock'],
    [{ errno: 1180, message: 'WSREP detected deadlock/conflict and aborted' }, 'deadlock'],
    [{ errno: 1205 }, 'lock_wait'],
    [{ errno: 1927 }, 'connection_lost'],
    [{ code: 'PROTOCOL_CONNECTION_LOST', fatal: true }, 'connection_lost'],
    [{ code: 'ECONNREFUSED', errno: -111 }, 'connection_lost'],
    [{ errno: 1047 }, 'not_writable'],
    [{ errno: 1290 }, 'not_writable'],
    [{ errno: 1792 }, 'not_writable'],
    [{ errno: 1836 }, 'not_writable'],
    [{ errno: 1040 }, 'too_many_connections'],
    [{ errno: 1203 }, 'too_many_connections'],
    [{ name: 'KnexTimeoutError' }, 'too_many_connections'],
    [{ errno: 1062 }, 'duplicate'],
    [{ errno: 1451 }, 'referenced'],
    [{ errno: 1406 }, 'bad_data'],
    [{ errno: 1264 }, 'bad_data'],
    [{ errno: 1366 }, 'bad_data'],
    [{ errno: 1292 }, 'bad_data'],
    [{ errno: 1317 }, 'killed'],
    [{ errno: 1969 }, 'killed'],
    [{ errno: 3024 }, 'killed'],
    [{ errno: 1045 }, 'unusable'],
    [{ errno: 1064 }, 'other'],
    [undefined, 'other'],
  ])('of MySQL, %j, means %s', (error, kind) => {
    expect(classifyMysqlError(error)).toBe(kind);
  });

  it.each([
    ['SQLITE_BUSY', 'lock_wait'],
    ['SQLITE_BUSY_SNAPSHOT', 'lock_wait'],
    ['SQLITE_CONSTRAINT_PRIMARYKEY', 'duplicate'],
    ['SQLITE_CONSTRAINT_UNIQUE', 'duplicate'],
    ['SQLITE_CONSTRAINT_FOREIGNKEY', 'referenced'],
    ['SQLITE_CONSTRAINT_NOTNULL', 'bad_data'],
    ['SQLITE_FULL', 'unusable'],
    ['SQLITE_READONLY', 'unusable'],
    ['SQLITE_ERROR', 'other'],
  ])('of SQLite, %s, means %s', (code, kind) => {
    expect(classifySqliteError({ code })).toBe(kind);
  });

  it.each([
    ['connection_lost', 'database_unavailable'],
    ['killed', 'database_unavailable'],
    ['too_many_connections', 'overloaded'],
    ['duplicate', 'conflict'],
    ['bad_data', 'invalid_request'],
  ] as const)('that stays %s is %s to a caller, with its cause', (kind, code) => {
    const cause = new Error('inner');
    expect(toDomainError(kind, cause)).toMatchObject({ code, cause });
  });

  it('of no known kind is passed on as it is', () => {
    const cause = new Error('inner');
    expect(toDomainError('other', cause)).toBe(cause);
  });
});
