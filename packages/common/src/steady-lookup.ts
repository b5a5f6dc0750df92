import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { answerWith, lookupAll } from './host-lookup';

/** Longer than a name server that works takes, much shorter than the system waits for one. */
const PATIENCE_MS = 250;

/**
 * Names of the few hosts that a service calls all the time, looked up for each new connection: a
 * host that has moved is found at once. While the name server does not answer (in networks of
 * containers for seconds whenever a neighbour starts, and the system asks for 5 to 10 before it
 * gives up), connections are made to where the host was last. A name is asked for once at a time,
 * since a question without an answer holds a thread that files could be read and written by.
 */
export class SteadyLookup {
  private readonly lastSeen = new Map<string, LookupAddress[]>();
  private readonly running = new Map<string, Promise<LookupAddress[]>>();

  constructor(private readonly ask: typeof lookupAll = lookupAll) {}

  /** For the options of an agent or of a connection; of its own options only `all` counts. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.find(host).then(
      (addresses) => answerWith(addresses)(host, options, callback),
      (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
    );
  };

  private async find(host: string): Promise<LookupAddress[]> {
    const answer = this.running.get(host) ?? this.begin(host);
    const lastSeen = this.lastSeen.get(host);
    if (lastSeen === undefined) return await answer;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<LookupAddress[]>((resolve) => {
      timer = setTimeout(() => resolve(lastSeen), PATIENCE_MS);
    });
    try {
      return await Promise.race([answer, late]);
    } catch (error) {
      if (isDenial(error)) throw error;
      return lastSeen;
    } finally {
      clearTimeout(timer);
    }
  }

  private begin(host: string): Promise<LookupAddress[]> {
    const answer = this.ask(host);
    this.running.set(host, answer);
    answer
      .then((addresses) => this.lastSeen.set(host, addresses))
      .catch(() => undefined)
      .finally(() => this.running.delete(host));
    return answer;
  }
}

/** The name server has answered, that there is no such host. */
function isDenial(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOTFOUND';
}
