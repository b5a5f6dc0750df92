import { parseConnectionUrl } from './connection-url';

describe('a connection URL', () => {
  it.each([
    ['mysql+pymysql://glance:secret@db.example:3307/glance?charset=utf8', 'db.example', 3307],
    ['mysql://glance:secret@db.example/glance', 'db.example', 3306],
    ['mariadb+mariadbconnector://glance:secret@[::1]:3306/glance', '::1', 3306],
    ['mysql+mysqldb://glance:secret@/glance', 'localhost', 3306],
  ])('names a MySQL server: %s', (url, host, port) => {
    expect(parseConnectionUrl(url)).toMatchObject({
      kind: 'mysql',
      host,
      port,
      user: 'glance',
      password: 'secret',
      database: 'glance',
      tls: undefined,
    });
  });

  it('decodes user and password, and takes a lone percent sign for itself', () => {
    expect(parseConnectionUrl('mysql://us%40er:p%3A%2F%25@h/d')).toMatchObject({
      user: 'us@er',
      password: 'p:/%',
    });
    expect(parseConnectionUrl('mysql://u:100%@h/d')).toMatchObject({ password: '100%' });
  });

  it('names a socket', () => {
    const url = 'mysql+pymysql://u:p@localhost/d?unix_socket=/run/mysqld/mysqld.sock';
    expect(parseConnectionUrl(url)).toMatchObject({ socketPath: '/run/mysqld/mysqld.sock' });
  });

  it('asks for TLS, checked unless it says otherwise', () => {
    expect(parseConnectionUrl('mysql://u:p@h/d?ssl_ca=/ca.pem')).toMatchObject({
      tls: { caFile: '/ca.pem', verifyCertificate: true, verifyIdentity: true },
    });
    const relaxed = 'mysql://u:p@h/d?ssl_ca=/ca.pem&ssl_check_hostname=false';
    expect(parseConnectionUrl(relaxed)).toMatchObject({
      tls: { verifyCertificate: true, verifyIdentity: false },
    });
  });

  it.each([
    ['sqlite:///glance.sqlite', 'glance.sqlite'],
    ['sqlite:////var/lib/glance.sqlite', '/var/lib/glance.sqlite'],
    ['sqlite+pysqlite:////var/lib/glance.sqlite', '/var/lib/glance.sqlite'],
    ['sqlite://', ':memory:'],
    ['sqlite:///:memory:', ':memory:'],
  ])('names an SQLite file: %s', (url, filename) => {
    expect(parseConnectionUrl(url)).toEqual({ kind: 'sqlite', filename });
  });

  it.each(['postgresql://u:topsecret@h/d', 'u:topsecret', 'mysql://u:topsecret@h:99999/d'])(
    'is refused without showing the password: %s',
    (url) => {
      expect(() => parseConnectionUrl(url)).toThrow();
      expect(() => parseConnectionUrl(url)).not.toThrow(/topsecret/);
    },
  );

  it('is refused with two slashes before a path', () => {
    expect(() => parseConnectionUrl('sqlite://glance.sqlite')).toThrow(/three slashes/);
  });
});
