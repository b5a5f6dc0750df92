/** Where the database is, as an SQLAlchemy URL of an upstream configuration names it. */
export type DatabaseTarget = SqliteTarget | MysqlTarget;

export interface SqliteTarget {
  kind: 'sqlite';
  /** A path, or `:memory:`. */
  filename: string;
}

export interface MysqlTarget {
  kind: 'mysql';
  host: string;
  port: number;
  socketPath: string | undefined;
  user: string | undefined;
  password: string | undefined;
  database: string | undefined;
  tls: MysqlTls | undefined;
}

/** Files are PEM; the server's certificate and name are checked unless said otherwise. */
export interface MysqlTls {
  caFile: string | undefined;
  certFile: string | undefined;
  keyFile: string | undefined;
  verifyCertificate: boolean;
  verifyIdentity: boolean;
}

const URL_FORM =
  /^(?<name>[a-z0-9]+)(?:\+[a-z0-9_]+)?:\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@]*))?@)?(?:\[(?<ipv6>[^\]/?]+)\]|(?<host>[^:/?]*))?(?::(?<port>[^/?]*))?(?:\/(?<path>[^?]*))?(?:\?(?<query>.*))?$/i;

/**
 * Reads `mysql+pymysql://user:password@host[:port]/name?…`, `mysql://`, `mariadb+…://`,
 * `sqlite:///relative`, `sqlite:////absolute` and `sqlite://` (in memory). The driver named after
 * the plus sign and its `charset` do not matter here.
 * @throws Error that says what is wrong without showing the URL, which holds a password.
 */
export function parseConnectionUrl(url: string): DatabaseTarget {
  const parts = URL_FORM.exec(url.trim())?.groups;
  if (!parts) throw new Error('the connection is not a URL of the form dialect://user@host/name');
  const name = (parts['name'] ?? '').toLowerCase();
  if (name === 'sqlite') return sqliteTarget(parts);
  if (name === 'mysql' || name === 'mariadb') return mysqlTarget(parts);
  throw new Error(`the connection names ${name}; mysql, mariadb and sqlite can be used`);
}

type UrlParts = Readonly<Record<string, string | undefined>>;

function sqliteTarget(parts: UrlParts): SqliteTarget {
  if (parts['host'] || parts['ipv6']) {
    throw new Error('a sqlite connection has three slashes, and four before an absolute path');
  }
  const path = parts['path'] ?? '';
  return { kind: 'sqlite', filename: path === '' || path === ':memory:' ? ':memory:' : path };
}

function mysqlTarget(parts: UrlParts): MysqlTarget {
  const query = new URLSearchParams(parts['query'] ?? '');
  const port = parts['port'] || '3306';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new Error(`the port ${port} of the connection is not a number up to 65535`);
  }
  return {
    kind: 'mysql',
    host: parts['ipv6'] ?? (parts['host'] || 'localhost'),
    port: Number(port),
    socketPath: query.get('unix_socket') ?? undefined,
    user: decode(parts['user']),
    password: decode(parts['password']),
    database: decode(parts['path']) || undefined,
    tls: tlsOf(query),
  };
}

function tlsOf(query: URLSearchParams): MysqlTls | undefined {
  const caFile = query.get('ssl_ca') ?? undefined;
  const certFile = query.get('ssl_cert') ?? undefined;
  const keyFile = query.get('ssl_key') ?? undefined;
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return undefined;
  return {
    caFile,
    certFile,
    keyFile,
    verifyCertificate: isOn(query.get('ssl_verify_cert')),
    verifyIdentity: isOn(query.get('ssl_verify_identity') ?? query.get('ssl_check_hostname')),
  };
}

function isOn(text: string | null): boolean {
  return text === null || !/^(0|false|no|off)$/i.test(text);
}

function decode(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone percent sign in a password that nobody encoded.
    return text;
  }
}
