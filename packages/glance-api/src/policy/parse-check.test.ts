import { isPermitted, type Check } from './check';
import { parseCheck } from './parse-check';

const ALICE = {
  roles: ['member', 'Reader'],
  attributes: {
    user_id: 'alice',
    project_id: 'a',
    is_admin: false,
    domain: null,
    roles: ['member', 'Reader'],
    token: { project: { domain: { id: 'default' } } },
  },
};
const TARGET = new Map<string, unknown>([
  ['project_id', 'a'],
  ['owner', null],
  ['visibility', 'public'],
  ['min_ram', 512],
  ['protected', true],
  ['role', 'member'],
  ['odd name', 'x'],
]);
const RULES: Record<string, string> = { yes: '@', no: '!', mine: 'project_id:%(project_id)s' };

const permits = (rule: string): boolean =>
  isPermitted(parseCheck(rule), ALICE, TARGET, (name): Check => parseCheck(RULES[name]!));

describe('a policy rule', () => {
  it.each([
    ['', true],
    ['@', true],
    ['!', false],
    ['role:member', true],
    ['role:MEMBER', true],
    ['role:reader', true],
    ['role:admin', false],
    ['role:', false],
    ['role:%(role)s', true],
    ['role:%(nothing)s', false],
    ['rule:yes', true],
    ['rule:no', false],
    ['rule:mine', true],
    ['not role:admin', true],
    ['not not role:admin', false],
    ['role:member and role:reader', true],
    ['role:member AND role:admin', false],
    ['role:admin or role:member', true],
    // "not" binds closest, then "and".
    ['not role:admin and role:member', true],
    ['not role:member or role:member', true],
    ['role:member or role:admin and role:admin', true],
    ['(role:member or role:admin) and role:admin', false],
    ['not (role:member or role:admin)', false],
    ['((role:member))', true],
    ['  role:member\n  and\trole:reader ', true],
    ['(role:member)and(role:reader)', true],
  ])('%j is %s', (rule, expected) => {
    expect(permits(rule)).toBe(expected);
  });

  it.each([
    ['project_id:%(project_id)s', true],
    ['user_id:%(project_id)s', false],
    ['user_id:alice', true],
    ['roles:member', true],
    ['is_admin:False', true],
    ['is_admin:True', false],
    ['token.project.domain.id:default', true],
    ['token.project.nothing:default', false],
    ['nothing:x', false],
    ['nothing:None', false],
    ['constructor:x', false],
    ['domain:None', true],
    ['user_id:%(odd name)s', false],
    ["'public':%(visibility)s", true],
    ['"public":%(visibility)s', true],
    ["'private':%(visibility)s", false],
    ["'x':%(odd name)s", true],
    ["'a public thing':%(visibility)s", false],
    ["'a-public%':%(project_id)s-%(visibility)s%%", true],
    ['512:%(min_ram)s', true],
    ['True:%(protected)s', true],
    ['None:%(owner)s', true],
    ["'x':%(nothing)s", false],
    ["not 'x':%(nothing)s", true],
  ])('%j compares to %s', (rule, expected) => {
    expect(permits(rule)).toBe(expected);
  });

  it('does not take a caller without a project for the owner of what belongs to nobody', () => {
    expect(permits('domain:%(owner)s')).toBe(false);
  });

  it.each([
    ['role:a and', 11, 'a check is missing at the end'],
    ['and role:a', 1, 'a check is missing before "and"'],
    ['role:a or or role:b', 11, 'a check is missing before "or"'],
    ['not', 4, 'a check is missing at the end'],
    ['(role:a', 1, 'this parenthesis is not closed'],
    ['role:a)', 7, '"and" or "or" is missing before ")"'],
    ['()', 2, 'a check is missing before ")"'],
    ['role:a role:b', 8, '"and" or "or" is missing before "role:b"'],
    ['role:a or admin', 11, '"admin" is no check'],
    ["'text'", 1, 'is no check'],
    ["role:a or 'text", 11, 'this quotation mark is not closed'],
    ['   ', 4, 'a check is missing at the end'],
    ['role:a or http://server/%(name)s', 11, 'http:) are not supported'],
    ['https://server', 1, 'https:) are not supported'],
    ['user_id:%(user)', 9, '"%(name)s"'],
    ['user_id:100%', 12, '"%%"'],
    ['us?er:x', 1, '"us?er" is neither an attribute'],
    [':x', 1, '"" is neither an attribute'],
  ])('%j is refused at character %d', (rule, position, text) => {
    let refusal: Error | undefined;
    try {
      parseCheck(rule);
    } catch (error) {
      refusal = error as Error;
    }
    expect(refusal?.message).toContain(`at character ${position}: `);
    expect(refusal?.message).toContain(text);
  });
});
