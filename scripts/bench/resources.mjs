import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/**
 * What a run has started or made, given back in reverse order at its end: also after an error, and
 * when it is interrupted.
 */
export class Resources {
  #stops = [];
  #closing;

  /** Calls `stop` at the end. */
  own(stop) {
    this.#stops.push(stop);
  }

  /** A directory that is removed at the end; `parent` decides the file system that is measured. */
  directory(parent = os.tmpdir()) {
    const directory = mkdtempSync(path.join(parent, 'glance-bench-'));
    this.own(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  }

  /** Runs `work` with resources of its own, which end with it. */
  async scope(work) {
    const inner = new Resources();
    this.own(() => inner.close());
    try {
      return await work(inner);
    } finally {
      await inner.close();
    }
  }

  close() {
    return (this.#closing ??= this.#closeAll());
  }

  async #closeAll() {
    for (let stop = this.#stops.pop(); stop; stop = this.#stops.pop()) {
      try {
        await stop();
      } catch (error) {
        console.error(`While cleaning up: ${error.message}`);
      }
    }
  }
}
