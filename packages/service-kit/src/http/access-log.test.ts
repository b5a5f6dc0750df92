import express from 'express';
import request from 'supertest';
import type { LogFields, Logger } from '../logger';
import { silentLogger } from '../logger';
import { currentRequest, noteImage, type RequestContext } from '../request-context';
import { accessLogMiddleware } from './access-log';
import { requestIdMiddleware } from './request-id';

const ID = '71c675ab-d94f-49cd-a114-e12490b328d9';

interface Line {
  message: string;
  fields: LogFields;
  context: RequestContext | undefined;
}

describe('the line of a request', () => {
  let lines: Line[];
  let logged: Promise<void>;

  const app = () => {
    const server = express();
    lines = [];
    let done: () => void;
    logged = new Promise((resolve) => (done = resolve));
    const logger: Logger = {
      ...silentLogger,
      info: (message, fields = {}) => {
        lines.push({ message, fields, context: currentRequest() });
        done();
      },
    };
    server.use(requestIdMiddleware(64));
    server.use(accessLogMiddleware(logger));
    server.use((req, res) => {
      const context = currentRequest();
      if (context && req.method === 'POST') {
        Object.assign(context, { userId: 'u', projectId: 'p', isAdmin: true });
        noteImage(ID);
      }
      res.status(req.method === 'POST' ? 201 : 403).end();
    });
    return server;
  };

  it('says who did what for which project on which image, and what came of it', async () => {
    await request(app()).post('/v2/images?secret=x').set('x-openstack-request-id', 'req-mine');
    await logged;
    expect(lines).toEqual([
      {
        message: '"POST /v2/images"',
        fields: {
          status: 201,
          seconds: expect.any(String),
          client: '127.0.0.1',
          image: ID,
          admin: true,
        },
        context: expect.objectContaining({ requestId: 'req-mine', userId: 'u', projectId: 'p' }),
      },
    ]);
  });

  it('names the image of the path, and what was refused', async () => {
    await request(app()).delete(`/v2/images/${ID.toUpperCase()}/members/x`);
    await logged;
    expect(lines[0]?.fields).toMatchObject({ status: 403, image: ID, admin: undefined });
  });
});
