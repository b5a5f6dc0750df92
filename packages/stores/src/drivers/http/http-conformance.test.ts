import { describeStoreConformance } from '../../conformance';
import { BlobServer } from '../../../testing/blob-server';
import { loopbackDriver } from '../../../testing/loopback-driver';

describe.each([
  ['http', true],
  ['http without ranges', false],
])('%s', (name, ranges) => {
  describeStoreConformance(name, {
    capabilities: { add: false, delete: false, partialRead: true, list: false },
    boundedMemory: true,
    forgedLocations: [
      'http://',
      'https://',
      'http:/etc/passwd',
      'http:///etc/passwd',
      'file:///etc/passwd',
      'http://host.example./blob',
      'http://host.example#part',
      'http://host.example/blob#@other.example/',
      'http://host.example/blob#part#part',
      'http://host.example\\@127.0.0.1/blob',
      'http://host.example/a blob',
      'http://host.example/\tblob',
      'http://us%zzer:password@host.example/blob',
    ],
    async create() {
      const server = await BlobServer.start();
      return {
        driver: loopbackDriver(server.port),
        remains: () => Promise.resolve([]),
        openReaders: () => Promise.resolve(server.openAnswers),
        takeAway: () => server.close(),
        place: (bytes) => Promise.resolve(server.place(bytes, undefined, { ranges })),
        dispose: () => server.close(),
      };
    },
  });
});
