import { parseTransportUrl } from './transport-url';

const host = (name: string, port = 5672, user = 'guest', password = 'guest') => ({
  host: name,
  port,
  user,
  password,
});

describe('transport URLs', () => {
  it.each([
    ['rabbit://mq', [host('mq')], '/', undefined],
    ['rabbit://mq/', [host('mq')], '/', undefined],
    ['rabbit://mq//', [host('mq')], '/', undefined],
    ['rabbit://u:p@mq:5671/glance?ssl=1', [host('mq', 5671, 'u', 'p')], 'glance', true],
    ['rabbit://u:p%40ss%2F@mq/a%2Fb?ssl=0', [host('mq', 5672, 'u', 'p@ss/')], 'a/b', false],
    [
      'rabbit://a:b@one:1,c:d@[fd00::2]:2/v',
      [host('one', 1, 'a', 'b'), host('fd00::2', 2, 'c', 'd')],
      'v',
      undefined,
    ],
  ])('reads %s', (url, hosts, virtualHost, tls) => {
    expect(parseTransportUrl(url)).toEqual({ hosts, virtualHost, tls });
  });

  it.each([
    'kafka://mq',
    'rabbit:mq',
    'rabbit://',
    'rabbit://u:hidden@mq:0',
    'rabbit://u:hidden@mq,,x',
    'rabbit://u:hidden%@mq',
  ])('refuses %s without a word of the password', (url) => {
    expect(() => parseTransportUrl(url)).toThrow(/^(?!.*hidden)/);
  });
});
