// Downloads from each of `sources` in turn, `rounds` times, over plain sockets into one buffer that
// nobody looks at. Prints the wall seconds of every download.
//   parallel         so many at once from each source
//   bytesPerSecond   each reads at no more than this
//   stopAfterMs      what is not done by then is broken off
import net from 'node:net';

const task = JSON.parse(process.argv[2]);
const READ_BYTES = task.parallel > 1 ? 64 * 1024 : 1024 * 1024;
const sockets = new Set();
if (task.stopAfterMs !== undefined) {
  setTimeout(() => sockets.forEach((socket) => socket.destroy()), task.stopAfterMs).unref();
}

const wallSeconds = task.sources.map(() => []);
for (let round = 0; round < (task.rounds ?? 1); round += 1) {
  for (const [index, source] of task.sources.entries()) {
    const started = performance.now();
    await Promise.all(Array.from({ length: task.parallel ?? 1 }, () => download(source)));
    wallSeconds[index].push((performance.now() - started) / 1000);
  }
}
console.log(JSON.stringify({ wallSeconds }));

function download({ port, path, headers = {}, bytes }) {
  return new Promise((resolve, reject) => {
    let received = 0;
    let head = '';
    const started = performance.now();
    const socket = net.connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback(length, buffer) {
          if (head === '') head = buffer.toString('latin1', 0, Math.min(length, 4096));
          received += length;
          if (task.bytesPerSecond === undefined) return true;
          const aheadMs = (received / task.bytesPerSecond) * 1000 - (performance.now() - started);
          if (aheadMs < 1) return true;
          setTimeout(() => socket.resume(), aheadMs);
          return false;
        },
      },
    });
    sockets.add(socket);
    const lines = Object.entries({ host: '127.0.0.1', connection: 'close', ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    socket.write([`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    socket.on('close', () => {
      sockets.delete(socket);
      const body = received - head.indexOf('\r\n\r\n') - 4;
      if (task.stopAfterMs !== undefined) resolve();
      else if (head.startsWith('HTTP/1.1 200') && body === bytes) resolve();
      else reject(new Error(`${body} of ${bytes} bytes after ${head.split('\r\n')[0]}`));
    });
    socket.on('error', () => undefined);
  });
}
