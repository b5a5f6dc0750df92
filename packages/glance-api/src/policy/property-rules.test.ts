import { parsePropertyRules, type PropertyRuleFormat } from './property-rules';

const parse = (text: string, format: PropertyRuleFormat = 'roles') =>
  parsePropertyRules('props.conf', text, { format, hasRule: (name) => name === 'known' });

const ALL = 'create = @\nread = @\nupdate = @\ndelete = @\n';
const section = (name: string, keys = ALL): string => `[${name}]\n${keys}`;

describe('a property protection file', () => {
  it('OSSN-0013: is read in its order, with its roles in lower case', () => {
    const rules = parse(
      `# comment\n[^x_.*]\ncreate = Admin, member ,\nread: @\nupdate =\ndelete = !\n\n${section('.*')}`,
    );
    expect(rules.map(({ pattern }) => pattern.source)).toEqual(['^x_.*', '.*']);
    expect(rules[0]?.grants).toEqual({
      create: { to: 'roles', roles: ['admin', 'member'] },
      read: { to: 'everybody' },
      update: { to: 'roles', roles: [] },
      delete: { to: 'roles', roles: [] },
    });
  });

  it('names policy rules in the other format', () => {
    const [rule] = parse('[x]\ncreate = known\nread = @\nupdate = !\ndelete =', 'policies');
    expect(rule?.grants).toEqual({
      create: { to: 'rule', rule: 'known' },
      read: { to: 'everybody' },
      update: { to: 'roles', roles: [] },
      delete: { to: 'roles', roles: [] },
    });
  });

  it.each([
    ['[a-z]_[0-9]+', 'my_b_42', true],
    ['x', 'prefix', true],
    ['^x$', 'prefix', false],
    ['\\Ax\\Z', 'x', true],
    ['\\Ax\\Z', 'xx', false],
    ['(?i)OS', 'my_os', true],
    ['(?P<a>.)(?P=a)', 'foo', true],
    ['(?P<a>.)(?P=a)', 'bar', false],
    ['os\\-name\\:x', 'os-name:x', true],
    ['[\\-_]y', 'x-y', true],
  ])('takes [%s] for a regular expression as Python writes it: in %s %s', (name, text, found) => {
    expect(parse(section(name))[0]?.pattern.test(text)).toBe(found);
  });

  it.each([
    [section('*'), 'props.conf:1: [*] is no regular expression'],
    [section('a\\q'), '[a\\q] is no regular expression'],
    [section('x', 'create = @\nread = @\n'), ':1: [x] does not say who may update, delete'],
    [`${section('a')}[b]\n`, ':6: [b] does not say who may create, read, update, delete'],
    [section('x', `${ALL}remove = @`), ':6: [x] remove is none of: create, read, update, delete'],
    [section('x', `${ALL}read = !`), ':6: [x] read is given twice'],
    [section('x', ALL.replace('@', '@, !')), ':2: [x] create = @, !: "@" (everybody) and "!"'],
    [`${section('x')}${section('x')}`, ':6: [x] is there twice'],
    ['create = @\n', '[DEFAULT]'],
    ['[x]\nnonsense\n', 'props.conf:2: expected "name = value"'],
    ['', 'the file has no sections'],
  ])('%j is refused', (text, reason) => {
    expect(() => parse(text)).toThrow(reason);
  });

  it.each([
    ['known, other', 'this is one rule'],
    ['known,', 'this is one rule'],
    ['unknown', 'there is no policy rule "unknown"'],
  ])('with the policy rule %j is refused', (value, reason) => {
    expect(() => parse(section('x', ALL.replace('@', value)), 'policies')).toThrow(reason);
  });

  it.each(['(a+)+$', '^(x_|x|_)*!y', '(prov|ider|provider)+$', '([a-z_]+)*:', '(.*)*#'])(
    'is refused with a pattern that some names make slow: %s',
    (pattern) => {
      expect(() => parse(section(pattern))).toThrow(`props.conf:1: [${pattern}] takes too long`);
    },
  );

  it.each(['^provider_.*$', '.*', '^(a|b|c)+_[a-z0-9_-]{1,250}$', '(?i)^img_.*_.*_.*$'])(
    'may have the pattern %s',
    (pattern) => {
      expect(parse(section(pattern))).toHaveLength(1);
    },
  );
});
