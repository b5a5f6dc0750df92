// Asks for each of `paths` in turn over `connections` keep-alive connections for `seconds`, or until
// there are `requests` answers, each connection one request at a time. Plain sockets: of two
// processors the client must leave as much as it can to the servers. Prints requests per second, the
// first decile and the median of their milliseconds, and how many were not answered with 200.
import net from 'node:net';

const task = JSON.parse(process.argv[2]);
const { port, method = 'GET', paths, headers, connections, seconds, requests: enough } = task;
const lines = Object.entries({ host: '127.0.0.1', ...headers }).map((pair) => pair.join(': '));
const requests = paths.map((path) => [`${method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
// What comes first pays for compiling and for filling caches.
const from = performance.now() + (enough === undefined ? 250 * Math.min(4, seconds) : 0);
const end = enough === undefined ? from + seconds * 1000 : Infinity;
const milliseconds = [];
let failed = 0;
let next = 0;

await Promise.all(Array.from({ length: connections }, askAgainAndAgain));
milliseconds.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    perSecond:
      (milliseconds.length * 1000) / ((enough === undefined ? end : performance.now()) - from),
    firstDecileMs: milliseconds[Math.floor(milliseconds.length / 10)],
    medianMs: milliseconds[Math.floor(milliseconds.length / 2)],
    failed,
  }),
);

function askAgainAndAgain() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let asked;
    let left;
    let head = '';
    const ask = () => {
      asked = performance.now();
      head = '';
      left = undefined;
      socket.write(requests[next++ % requests.length]);
    };
    const answered = () => {
      const now = performance.now();
      if (!head.startsWith('HTTP/1.1 200')) failed += 1;
      else if (asked >= from && now <= end) milliseconds.push(now - asked);
      if (now < end && !(milliseconds.length + failed >= enough)) return ask();
      socket.destroy();
      resolve();
    };
    socket.once('connect', ask);
    socket.on('data', (chunk) => {
      if (left === undefined) {
        head += chunk.toString('latin1');
        const bodyAt = head.indexOf('\r\n\r\n') + 4;
        if (bodyAt < 4) return;
        const length = /\r\ncontent-length: *(\d+)/i.exec(head.slice(0, bodyAt));
        if (!length) throw new Error(`An answer without Content-Length: ${head.slice(0, 500)}`);
        left = (method === 'HEAD' ? 0 : Number(length[1])) - (head.length - bodyAt);
      } else {
        left -= chunk.length;
      }
      if (left === 0) answered();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('The server closed the connection')));
  });
}
