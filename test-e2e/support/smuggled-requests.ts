/**
 * Requests that one server reads as one and another as two (security sheet §5, RFC 9112 §11.2). In
 * each, what might be taken for a second request is one that would be answered with 200.
 */
export function smuggledRequests(token: string): [what: string, request: string][] {
  const second = `GET /v2/images HTTP/1.1\r\nHost: h\r\nX-Auth-Token: ${token}\r\n\r\n`;
  const start = 'POST /v2/images HTTP/1.1\r\nHost: h\r\n';
  const auth = `X-Auth-Token: ${token}\r\n`;
  const chunked = 'Transfer-Encoding: chunked\r\n';
  const length = (value: string | number) => `Content-Length: ${value}\r\n`;
  const post = (framing: string, body: string) => `${start}${auth}${framing}\r\n${body}`;
  const inChunks = `0\r\n\r\n${second}`;
  return [
    ['a length and chunks', post(length(5) + chunked, inChunks)],
    ['chunks and a length', post(chunked + length(5), inChunks)],
    ['a length of none and chunks', post(length(0) + chunked, inChunks)],
    ['two lengths', post(length(2) + length(5), `{}${second}`)],
    ['one length twice', post(length(2) + length(2), `{}${second}`)],
    ['two lengths in one', post(length('2, 5'), `{}${second}`)],
    ['a length with a sign', post(length('+2'), `{}${second}`)],
    ['a negative length', post(length('-2'), `{}${second}`)],
    ['a hexadecimal length', post(length('0x2'), `{}${second}`)],
    ['a length with a fraction', post(length('2.0'), `{}${second}`)],
    ['a length with a blank within', post(length('2 0'), `{}${second}`)],
    ['an empty length', post(length(''), `{}${second}`)],
    ['a length beyond all numbers', post(length('9'.repeat(40)), `{}${second}`)],
    ['chunks, then identity', post('Transfer-Encoding: chunked, identity\r\n', inChunks)],
    ['chunks, then nonsense', post('Transfer-Encoding: chunked, x\r\n', inChunks)],
    ['chunked, and identity beside', post(`${chunked}Transfer-Encoding: identity\r\n`, inChunks)],
    ['chunked after a vertical tab', post('Transfer-Encoding: \u000bchunked\r\n', inChunks)],
    ['a blank before the colon', post('Transfer-Encoding : chunked\r\n', inChunks)],
    ['a tab before the colon', post('Content-Length\t: 2\r\n', `{}${second}`)],
    ['a folded header', post('X-Y: a\r\n Transfer-Encoding: chunked\r\n', inChunks)],
    ['a folded coding', post('Transfer-Encoding:\r\n chunked\r\n', inChunks)],
    ['a header line that begins with a blank', `${start} ${chunked}${auth}\r\n${inChunks}`],
    ['a bare line feed after a header', post('X-Y: a\nContent-Length: 2\r\n', `{}${second}`)],
    ['bare line feeds alone', `${start}${auth}\r\n`.replaceAll('\r\n', '\n') + second],
    ['a bare carriage return', post('X-Y: a\rContent-Length: 2\r\n', `{}${second}`)],
    ['a NUL in a header', post('X-Y: a\0b\r\n', second)],
    ['a NUL in a name', post('X\0Y: a\r\n', second)],
    ['a header without a name', post(': a\r\n', second)],
    ['a header without a colon', post('Transfer-Encoding\r\n', second)],
    ['no host', `POST /v2/images HTTP/1.1\r\n${auth}${length(2)}\r\n{}${second}`],
    ['two hosts', post(`Host: g\r\n${length(2)}`, `{}${second}`)],
    ['a version that is none', `POST /v2/images HTTP/1.1x\r\nHost: h\r\n${auth}\r\n${second}`],
    ['blanks in the target', `GET /v2/images HTTP/1.1 HTTP/1.1\r\nHost: h\r\n${auth}\r\n${second}`],
    ['a method that is none', `P\0ST /v2/images HTTP/1.1\r\nHost: h\r\n${auth}\r\n${second}`],
  ];
}

/** The same where nothing but the body is wrong: by then the request is being served. */
export function smuggledInBodies(token: string): [what: string, request: string][] {
  const second = `GET /v2/images HTTP/1.1\r\nHost: h\r\nX-Auth-Token: ${token}\r\n\r\n`;
  const post = (body: string, coding = 'chunked') =>
    `POST /v2/images HTTP/1.1\r\nHost: h\r\nX-Auth-Token: ${token}\r\n` +
    `Transfer-Encoding: ${coding}\r\n\r\n${body}`;
  return [
    ['a coding that is none', post(`0\r\n\r\n${second}`, 'xchunked')],
    ['chunked in quotation marks', post(`0\r\n\r\n${second}`, '"chunked"')],
    ['a chunk size beyond all numbers', post(`${'f'.repeat(17)}\r\n{}\r\n0\r\n\r\n${second}`)],
    ['a chunk size with a prefix', post(`0x2\r\n{}\r\n0\r\n\r\n${second}`)],
    ['a chunk size with a sign', post(`-2\r\n{}\r\n0\r\n\r\n${second}`)],
    ['a chunk that is longer than it says', post(`1\r\n{}\r\n0\r\n\r\n${second}`)],
    ['a chunk ended by a line feed', post(`2\n{}\r\n0\r\n\r\n${second}`)],
    ['chunk data ended by a line feed', post(`2\r\n{}\n0\r\n\r\n${second}`)],
    ['a chunk extension with a line feed', post(`2;a\nb\r\n{}\r\n0\r\n\r\n${second}`)],
  ];
}
