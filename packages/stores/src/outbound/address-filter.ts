import { BlockList, isIP, isIPv4 } from 'node:net';

/** IPv4 networks that are no public hosts (security sheet §3). */
const DENIED_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/**
 * All that is not global unicast (2000::/3), which covers `::/96`, NAT64, discard, unique and
 * link-local and multicast addresses, and what stands for an IPv4 address or is reserved within it.
 */
const DENIED_V6 = [
  '::/3',
  '4000::/2',
  '8000::/1',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
];

export interface AddressRules {
  /** CIDR networks that may be reached although they are not public. */
  allowedNetworks?: readonly string[];
  /** CIDR networks that may not be reached, whatever else is said. */
  deniedNetworks?: readonly string[];
}

/** Which addresses an outbound request on behalf of a user may connect to (security sheet §3). */
export class AddressFilter {
  private readonly internal = new NetworkList([...DENIED_V4, ...DENIED_V6]);
  private readonly allowed: NetworkList;
  private readonly denied: NetworkList;

  /** @throws RangeError that names a network that is none. */
  constructor(rules: AddressRules = {}) {
    this.allowed = new NetworkList(rules.allowedNetworks ?? []);
    this.denied = new NetworkList(rules.deniedNetworks ?? []);
  }

  /** @param address as the resolver or the socket gives it; text that is no address is refused. */
  permits(address: string): boolean {
    const plain = canonicalAddress(address);
    if (plain === undefined) return false;
    if (this.denied.has(plain)) return false;
    return this.allowed.has(plain) || !this.internal.has(plain);
  }
}

/**
 * The one spelling of an address; IPv4 inside of `::ffff:0:0/96` is IPv4. Undefined for scoped
 * addresses and for what is no address.
 */
export function canonicalAddress(address: string): string | undefined {
  if (isIPv4(address)) return address;
  if (isIP(address) !== 6 || address.includes('%')) return undefined;
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (!mapped) return canonical;
  const [high, low] = [parseInt(mapped[1] ?? '', 16), parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** One list for each family: in a common one an IPv4 address is found in IPv6 networks too. */
class NetworkList {
  private readonly lists = { ipv4: new BlockList(), ipv6: new BlockList() };

  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits = ''] = network.split('/', 2);
      const family = isIP(address);
      const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
      if (family === 0 || !(prefix <= (family === 4 ? 32 : 128))) {
        throw new RangeError(`${network} is no network such as 10.0.0.0/8 or fd00::/8`);
      }
      const name = family === 4 ? 'ipv4' : 'ipv6';
      this.lists[name].addSubnet(address, prefix, name);
    }
  }

  has(address: string): boolean {
    const name = isIPv4(address) ? 'ipv4' : 'ipv6';
    return this.lists[name].check(address, name);
  }
}
