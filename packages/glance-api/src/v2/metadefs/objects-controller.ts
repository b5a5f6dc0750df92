import type { Request, Response } from 'express';
import { identityOf } from '../../auth/authenticate';
import { contextOf } from '../../auth/call-context';
import { namespaceTarget } from '../../policy/metadef-access';
import { answerEmpty, answerJson } from '../answer';
import { parseNewObject, parseObject } from './metadef-body';
import { checkObjectQuery } from './metadef-query';
import { changedObjectView, objectView } from './metadef-views';
import { findNamespace, nameOf, searchOf, type MetadefOptions } from './namespace-calls';

/** Objects of a namespace: named groups of properties (metadefs sheet §6). */
export class ObjectsController {
  constructor(private readonly options: MetadefOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy } = this.options;
    checkObjectQuery(searchOf(req));
    const space = await findNamespace(this.options, req, 'get_metadef_objects');
    const order = { sortKey: 'name', sortDirection: 'asc' } as const;
    const { namespace } = space;
    const found = await registry.metadefs.listItems(namespace, 'objects', order, contextOf(req));
    const isShown = policy.permits('get_metadef_object', identityOf(req), namespaceTarget(space));
    answerJson(res, {
      objects: isShown ? found.map((each) => objectView(namespace, each)) : [],
      // Without a slash before it, as upstream has it.
      schema: 'v2/schemas/metadefs/objects',
    });
  };

  create = async (req: Request, res: Response): Promise<void> => {
    const object = parseNewObject(req.body);
    const { namespace } = await findNamespace(this.options, req, 'add_metadef_object');
    const { metadefs } = this.options.registry;
    const added = await metadefs.addItem(namespace, 'objects', object, contextOf(req));
    res.status(201);
    answerJson(res, changedObjectView(namespace, added));
  };

  show = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'get_metadef_object');
    const { metadefs } = this.options.registry;
    const object = await metadefs.getItem(namespace, 'objects', nameOf(req), contextOf(req));
    answerJson(res, objectView(namespace, object));
  };

  update = async (req: Request, res: Response): Promise<void> => {
    const object = parseObject(req.body);
    const { namespace } = await findNamespace(this.options, req, 'modify_metadef_object');
    const { metadefs } = this.options.registry;
    const name = nameOf(req);
    const updated = await metadefs.updateItem(namespace, 'objects', name, object, contextOf(req));
    answerJson(res, changedObjectView(namespace, updated));
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'delete_metadef_object');
    const { metadefs } = this.options.registry;
    await metadefs.deleteItem(namespace, 'objects', nameOf(req), contextOf(req));
    answerEmpty(res, 204);
  };

  clear = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'delete_metadef_namespace');
    await this.options.registry.metadefs.deleteItems(namespace, 'objects', contextOf(req));
    answerEmpty(res, 204);
  };
}
