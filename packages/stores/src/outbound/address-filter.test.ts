import { AddressFilter } from './address-filter';

describe('the address filter', () => {
  const filter = new AddressFilter();

  it.each([
    ...['0.0.0.0', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255'],
    ...['127.0.0.0', '127.255.255.255', '169.254.0.0', '169.254.169.254', '169.254.255.255'],
    ...['172.16.0.0', '172.31.255.255', '192.0.0.0', '192.0.0.255', '192.0.2.0', '192.0.2.255'],
    ...['192.88.99.0', '192.88.99.255', '192.168.0.0', '192.168.255.255', '198.18.0.0'],
    ...['198.19.255.255', '198.51.100.0', '198.51.100.255', '203.0.113.0', '203.0.113.255'],
    ...['224.0.0.0', '239.255.255.255', '240.0.0.0', '255.255.255.255'],
    ...['::', '::1', '::7f00:1', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '0:0:0:0:0:FFFF:10.1.2.3'],
    ...['64:ff9b::a9fe:a9fe', '64:ff9b:1::1', '100::', '100::ffff:ffff:ffff:ffff', '2001::1'],
    ...['2001:0:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8::', '2001:db8:ffff::', '2002:7f00:1::'],
    ...['3fff::', '3fff:fff::', 'fc00::', 'fd00:ec2::254', 'fdff:ffff::', 'fe80::1', 'febf::1'],
    ...['fec0::1', 'ff00::', 'ff02::1', '4000::1', '5f00::1', '8000::1', 'fe80::1%eth0'],
    ...['', 'localhost', '127.1', '2130706433', '0x7f000001', '1.2.3.4/8', '[::1]'],
  ])('refuses %s', (address) => {
    expect(filter.permits(address)).toBe(false);
  });

  it.each([
    ...['1.1.1.1', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255'],
    ...['128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0'],
    ...['192.0.1.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0'],
    ...['223.255.255.255', '::ffff:8.8.8.8', '2001:200::1', '2001:4860:4860::8888', '2003::1'],
    ...['2a00:1450::1', '3ffe:ffff::1'],
  ])('permits %s', (address) => {
    expect(filter.permits(address)).toBe(true);
  });

  it('permits the internal networks that the operator allows, and no others', () => {
    const own = new AddressFilter({ allowedNetworks: ['10.1.0.0/16', 'fd00:1::/32'] });
    expect(own.permits('10.1.2.3')).toBe(true);
    expect(own.permits('::ffff:10.1.2.3')).toBe(true);
    expect(own.permits('fd00:1::5')).toBe(true);
    expect(own.permits('10.2.0.1')).toBe(false);
    expect(own.permits('fd00:2::5')).toBe(false);
    expect(own.permits('8.8.8.8')).toBe(true);
  });

  it('refuses the networks that the operator denies, allowed or not', () => {
    const own = new AddressFilter({
      allowedNetworks: ['10.0.0.0/8'],
      deniedNetworks: ['10.1.0.0/16', '8.8.8.0/24', '2a00:1450::/32'],
    });
    expect(own.permits('10.2.0.1')).toBe(true);
    for (const address of ['10.1.0.1', '8.8.8.8', '::ffff:8.8.8.8', '2a00:1450::1']) {
      expect(own.permits(address)).toBe(false);
    }
  });

  it.each(['10.0.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/x', 'example.org/8', ''])(
    'takes no network %j',
    (network) => {
      expect(() => new AddressFilter({ allowedNetworks: [network] })).toThrow('is no network');
    },
  );
});
