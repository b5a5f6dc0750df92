import { BlockList, isIP } from 'node:net';

/** The peers whose word about their clients counts: `[DEFAULT] trusted_proxies`. */
export class TrustedProxies {
  private readonly networks = new BlockList();
  readonly isEmpty: boolean;

  /** @throws Error that names an entry that is neither an address nor a network. */
  constructor(entries: readonly string[]) {
    this.isEmpty = entries.length === 0;
    for (const entry of entries) this.add(entry);
  }

  has(address: string | undefined): boolean {
    if (address === undefined) return false;
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && this.networks.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  }

  private add(entry: string): void {
    const [address = '', length, ...rest] = entry.split('/');
    const family = isIP(address);
    const bits = family === 4 ? 32 : 128;
    const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : NaN;
    if (family === 0 || address.includes('%') || rest.length > 0 || !(prefix <= bits)) {
      throw new Error(
        `trusted_proxies: "${entry}" is neither an address nor a network such as 192.0.2.0/24`,
      );
    }
    this.networks.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** A socket for both families reports IPv4 peers as `::ffff:192.0.2.1`. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped?.[1] ?? address;
}
