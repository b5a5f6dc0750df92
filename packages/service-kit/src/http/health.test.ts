import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import express from 'express';
import request from 'supertest';
import { silentLogger } from '../logger';
import { Readiness, healthRouter } from './health';

describe('health', () => {
  let directory: string;
  let readiness: Readiness;
  let broken: boolean;
  let checked: () => void;

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'glance-health-'));
    broken = false;
    checked = () => undefined;
    readiness = new Readiness(
      {
        database: async () => {
          setImmediate(() => checked());
          if (broken) throw new Error('connect to db.internal failed');
        },
      },
      silentLogger,
    );
  });

  afterEach(() => {
    readiness.close();
    rmSync(directory, { recursive: true });
  });

  const get = (url: string) => {
    const app = express();
    app.use(healthRouter({ readiness, disableByFile: path.join(directory, 'disabled') }));
    return request(app).get(url);
  };

  async function sampled(): Promise<void> {
    const done = new Promise<void>((resolve) => (checked = resolve));
    readiness.start();
    await done;
  }

  it('is not ready before its dependencies were seen, and ready after', async () => {
    await get('/readyz').expect(503);
    await sampled();
    await get('/readyz').expect(200);
  });

  it('is ready without what it can do without, and says that it fails', async () => {
    readiness = new Readiness(
      { database: () => Promise.resolve(setImmediate(() => checked())) as Promise<never> },
      silentLogger,
      { 'store b': () => Promise.reject(new Error('down')) },
    );
    await sampled();
    const answer = await get('/readyz').expect(200);
    expect(answer.body).toEqual({ ready: true, failing: ['store b'] });
  });

  it('says which dependency fails, and not why, and stays alive', async () => {
    broken = true;
    await sampled();
    const answer = await get('/readyz').expect(503);
    expect(answer.body).toEqual({ ready: false, failing: ['database'] });
    await get('/livez').expect(200);
    await get('/healthcheck').expect(200, 'OK');
  });

  it('is red while the process stops', async () => {
    await sampled();
    readiness.drain();
    await get('/readyz').expect(503);
  });

  it('answers 503 while the disable file exists', async () => {
    writeFileSync(path.join(directory, 'disabled'), '');
    await get('/healthcheck').expect(503, 'DISABLED BY FILE');
  });
});
