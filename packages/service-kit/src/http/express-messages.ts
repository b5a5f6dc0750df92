import http from 'node:http';
import type { Express } from 'express';

/**
 * For `http.createServer`: classes of requests and responses whose prototypes the application gives
 * out from now on. Express sets the prototype of each request and response that it is handed; what
 * is made by these has it already. Otherwise the V8 of Node 20 keeps a shape of its own for each of
 * those objects and looks up anew whatever is read from them, which is most of what Express costs
 * there; on Node 24 it is a tenth.
 */
export function messagesOf(
  app: Express,
): Required<Pick<http.ServerOptions, 'IncomingMessage' | 'ServerResponse'>> {
  class AppRequest extends http.IncomingMessage {}
  class AppResponse<
    Request extends http.IncomingMessage = http.IncomingMessage,
  > extends http.ServerResponse<Request> {}
  app.request = inheriting(AppRequest.prototype, app.request);
  app.response = inheriting(AppResponse.prototype, app.response);
  return { IncomingMessage: AppRequest, ServerResponse: AppResponse };
}

function inheriting<T extends object>(prototype: object, base: T): T {
  return Object.setPrototypeOf(prototype, base) as T;
}
