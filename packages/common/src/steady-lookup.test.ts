import { once } from 'node:events';
import http from 'node:http';
import type { LookupAddress } from 'node:dns';
import type { AddressInfo } from 'node:net';
import { SteadyLookup } from './steady-lookup';

const HERE: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }];
const NEVER = new Promise<never>(() => undefined);

describe('a lookup of the hosts that are called all the time', () => {
  let server: http.Server;

  beforeAll(async () => {
    server = http.createServer((_, response) => response.end('here')).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterAll(() => server.close());

  /** Calls the server by a name, over a connection of its own. */
  async function call({ lookup }: SteadyLookup, host = 'registry.test'): Promise<string> {
    const { port } = server.address() as AddressInfo;
    const request = http.get({ host, port, lookup, agent: false });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    return `${response.statusCode}`;
  }

  /** A name server that gives these answers one after the other, and none after the last. */
  function nameServer(...answers: Promise<LookupAddress[]>[]) {
    const asked: string[] = [];
    const names = new SteadyLookup((host) => {
      asked.push(host);
      return answers[asked.length - 1] ?? NEVER;
    });
    return { asked, names };
  }

  const failure = (code: string): Promise<never> => {
    const failed = Promise.reject(Object.assign(new Error(`getaddrinfo ${code}`), { code }));
    failed.catch(() => undefined);
    return failed;
  };

  it('finds hosts of this system', async () => {
    expect(await call(new SteadyLookup(), 'localhost')).toBe('200');
  });

  it('asks anew for each connection', async () => {
    const { asked, names } = nameServer(Promise.resolve(HERE), Promise.resolve(HERE));
    await call(names);
    await call(names);
    expect(asked).toEqual(['registry.test', 'registry.test']);
  });

  it('goes on with what it knew while there is no answer, and asks no second time', async () => {
    const { asked, names } = nameServer(Promise.resolve(HERE));
    await call(names);
    expect(await Promise.all([call(names), call(names), call(names)])).toEqual(
      Array(3).fill('200'),
    );
    expect(asked).toHaveLength(2);
  });

  it('waits for the answer about a host that it never knew', async () => {
    let answer: (addresses: LookupAddress[]) => void = () => undefined;
    const pending = new Promise<LookupAddress[]>((resolve) => (answer = resolve));
    const { asked, names } = nameServer(pending);
    const calls = [call(names), call(names)];
    answer(HERE);
    expect(await Promise.all(calls)).toEqual(['200', '200']);
    expect(asked).toHaveLength(1);
  });

  it('goes on with what it knew when the name server cannot answer', async () => {
    const { names } = nameServer(Promise.resolve(HERE), failure('EAI_AGAIN'));
    await call(names);
    expect(await call(names)).toBe('200');
  });

  it('fails when there is no such host any more', async () => {
    const { names } = nameServer(Promise.resolve(HERE), failure('ENOTFOUND'));
    await call(names);
    await expect(call(names)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('answers in both forms that Node asks for', async () => {
    const { names } = nameServer(Promise.resolve(HERE), Promise.resolve(HERE));
    const ask = (all: boolean): Promise<unknown[]> =>
      new Promise((resolve) => names.lookup('a.test', { all }, (...answer) => resolve(answer)));
    expect(await ask(true)).toEqual([null, HERE]);
    expect(await ask(false)).toEqual([null, '127.0.0.1', 4]);
  });
});
