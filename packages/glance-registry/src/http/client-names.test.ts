import { subjectAltNames } from './client-names';

it.each([
  ['DNS:glance-api', ['glance-api']],
  ['DNS:a, URI:spiffe://cloud/glance-api, IP Address:10.0.0.1', ['a', 'spiffe://cloud/glance-api']],
  // One name that looks like two is quoted by Node, and is one.
  ['DNS:"evil, DNS:glance-api", DNS:b', ['evil, DNS:glance-api', 'b']],
  ['URI:"a\\u002cDNS:glance-api"', ['a,DNS:glance-api']],
  ['IP Address:10.0.0.1', []],
  ['email:glance-api@example', []],
  ['', []],
])('finds the names of services in %s', (text, names) => {
  expect(subjectAltNames(text)).toEqual(names);
});
