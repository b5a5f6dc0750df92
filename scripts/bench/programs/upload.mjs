// Uploads `bytes` bytes, `parallel` times at once, over plain sockets: little work of its own, so
// that the server is what is measured. With `stopAfterMs` what is not done by then is broken off,
// with `chunked` no length is announced; `paths` in the place of `path` are those of the uploads.
// Prints the wall seconds of all and the status lines.
import net from 'node:net';

const CHUNK = Buffer.alloc(1024 * 1024);
for (let at = 0; at < CHUNK.length; at += 4) CHUNK.writeUInt32LE((at * 2654435761) >>> 0, at);

const task = JSON.parse(process.argv[2]);
const started = performance.now();
const sockets = [];
const uploads = (task.paths ?? Array(task.parallel ?? 1).fill(task.path)).map(upload);
if (task.stopAfterMs !== undefined) {
  setTimeout(() => sockets.forEach((socket) => socket.destroy()), task.stopAfterMs).unref();
}
const answers = await Promise.all(uploads);
console.log(JSON.stringify({ wallSeconds: (performance.now() - started) / 1000, answers }));

function upload(path) {
  return new Promise((resolve, reject) => {
    let left = task.bytes;
    let answer = '';
    const socket = net.connect(task.port, '127.0.0.1', () => {
      const length = task.chunked
        ? { 'transfer-encoding': 'chunked' }
        : { 'content-length': task.bytes };
      const headers = { host: '127.0.0.1', ...length, connection: 'close' };
      const lines = Object.entries({ ...headers, ...task.headers }).map(
        ([name, value]) => `${name}: ${value}`,
      );
      socket.write([`${task.method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
      send();
    });
    sockets.push(socket);
    const send = () => {
      while (left > 0) {
        const piece = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
        left -= piece.length;
        if (task.chunked) socket.write(`${piece.length.toString(16)}\r\n`);
        const goOn = socket.write(piece);
        if (task.chunked) socket.write(left === 0 ? '\r\n0\r\n\r\n' : '\r\n');
        if (!goOn) return;
      }
    };
    socket.on('drain', send);
    socket.on('data', (text) => (answer += text));
    socket.on('close', () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
      resolve({ status: Number(status ?? 0), body: answer.split('\r\n\r\n')[1] ?? '' });
    });
    socket.on('error', (error) => {
      if (task.stopAfterMs === undefined) reject(error);
    });
  });
}
