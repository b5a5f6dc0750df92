import { describe, expect, it } from '@jest/globals';
import { nameOf, toLocation } from './sheepdog-location';

const ID = '0b8f4a52-6f5e-4b2c-9b1e-3c2f1a0d9e8f';
const ADDRESS = { host: '10.0.0.1', port: 7000 };

describe('locations of the sheepdog store', () => {
  it.each([
    [`sheepdog://10.0.0.1:7000:${ID}`, ID],
    [`sheepdog://${ID}`, ID],
    [`sheepdog://10.0.0.1:7000:${ID}.${ID}`, `${ID}.${ID}`],
  ])('names the image of %s', (location, name) => {
    expect(nameOf(location, ADDRESS)).toBe(name);
  });

  it.each([
    'sheepdog://',
    'sheepdog://10.0.0.1:7000:',
    'sheepdog://image',
    'sheepdog://-a',
    'sheepdog://;touch x',
    `sheepdog://10.0.0.1:7000:${ID}\n`,
    `sheepdog://10.0.0.1:7001:${ID}`,
    `sheepdog://10.0.0.2:7000:${ID}`,
    `sheepdog://:${ID}`,
    `sheepdog://10.0.0.1:7000:x:${ID}`,
    `sheepdog://10.0.0.1:7000:${ID.toUpperCase()}`,
    `SHEEPDOG://${ID}`,
  ])('finds nothing at %j', (location) => {
    expect(nameOf(location, ADDRESS)).toBeUndefined();
  });

  it('takes an IPv6 address as it is', () => {
    const address = { host: '2001:db8::1', port: 7000 };
    const location = toLocation(address, ID);
    expect(location).toBe(`sheepdog://2001:db8::1:7000:${ID}`);
    expect(nameOf(location, address)).toBe(ID);
  });
});
