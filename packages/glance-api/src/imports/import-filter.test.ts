import { ImportFilter, type ImportFilterOptions } from './import-filter';

const filter = (options: Partial<ImportFilterOptions> = {}): ImportFilter =>
  new ImportFilter({
    allowed_schemes: ['http', 'https'],
    disallowed_schemes: [],
    allowed_hosts: [],
    disallowed_hosts: [],
    allowed_ports: ['80', '443'],
    disallowed_ports: [],
    ...options,
  });

const passes = (uri: string, options: Partial<ImportFilterOptions> = {}): boolean => {
  try {
    filter(options).check(uri);
    return true;
  } catch {
    return false;
  }
};

describe('the filter of imports', () => {
  it.each([
    'http://example.org/disk',
    'https://example.org:443/disk?x=y',
    'http://[2001:db8::1]/disk',
    'HTTP://EXAMPLE.org:80/',
  ])('lets %s pass', (uri) => {
    expect(passes(uri)).toBe(true);
  });

  it.each([
    '',
    'example.org/disk',
    'http:///disk',
    'ftp://example.org/disk',
    'file:///etc/passwd',
    'http://example.org:8080/disk',
    'http://example.org:22/',
    'http://example.org./disk',
    'http://exa mple.org/',
    'gopher://example.org/',
  ])('refuses %j', (uri) => {
    expect(passes(uri)).toBe(false);
  });

  it('uses a list of what is allowed alone', () => {
    const options = { allowed_hosts: ['Mirror.example'], disallowed_hosts: ['mirror.example'] };
    expect(passes('http://mirror.EXAMPLE/disk', options)).toBe(true);
    expect(passes('http://other.example/disk', options)).toBe(false);
  });

  it('uses a list of what is not allowed where nothing is', () => {
    const options = {
      disallowed_hosts: ['bad.example'],
      allowed_ports: [],
      disallowed_ports: ['22'],
    };
    expect(passes('http://bad.example/disk', options)).toBe(false);
    expect(passes('http://good.example:8080/disk', options)).toBe(true);
    expect(passes('http://good.example:22/disk', options)).toBe(false);
    expect(
      passes('https://x.example/', { allowed_schemes: [], disallowed_schemes: ['http'] }),
    ).toBe(true);
    expect(passes('http://x.example/', { allowed_schemes: [], disallowed_schemes: ['http'] })).toBe(
      false,
    );
  });

  it('takes one host for what it is, however it is written (OSSA-2026-004)', () => {
    const options = { disallowed_hosts: ['127.0.0.1', '169.254.169.254'] };
    for (const host of ['2130706433', '0x7f000001', '0177.0.0.1', '127.1', '0xa9fea9fe']) {
      expect([host, passes(`http://${host}/`, options)]).toEqual([host, false]);
    }
  });

  it('shows no credentials of a URL that it refuses', () => {
    const check = (): string => filter().check('http://user:secret@example.org:22/disk');
    expect(check).toThrow('does not pass filtering');
    expect(check).not.toThrow('secret');
  });
});
