import type { Request, Response } from 'express';
import { identityOf } from '../../auth/authenticate';
import { contextOf } from '../../auth/call-context';
import { callerTarget, namespaceTarget } from '../../policy/metadef-access';
import { answerEmpty, answerJson } from '../answer';
import { parseAssociation } from './metadef-body';
import { associationView, resourceTypeView } from './metadef-views';
import { findNamespace, nameOf, type MetadefOptions } from './namespace-calls';

/** Resource types, and with which of them a namespace is associated (metadefs sheet §6). */
export class ResourceTypesController {
  constructor(private readonly options: MetadefOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy } = this.options;
    const caller = identityOf(req);
    policy.enforce('list_metadef_resource_types', caller, callerTarget(caller));
    const types = await registry.metadefs.listResourceTypes(contextOf(req));
    answerJson(res, { resource_types: types.map(resourceTypeView) });
  };

  show = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy } = this.options;
    const space = await findNamespace(this.options, req, 'list_metadef_resource_types');
    const found = await registry.metadefs.listAssociations(space.namespace, contextOf(req));
    const target = namespaceTarget(space);
    const isShown = policy.permits('get_metadef_resource_type', identityOf(req), target);
    answerJson(res, { resource_type_associations: isShown ? found.map(associationView) : [] });
  };

  create = async (req: Request, res: Response): Promise<void> => {
    const association = parseAssociation(req.body);
    const action = 'add_metadef_resource_type_association';
    const { namespace } = await findNamespace(this.options, req, action);
    const { metadefs } = this.options.registry;
    const added = await metadefs.addAssociation(namespace, association, contextOf(req));
    res.status(201);
    answerJson(res, associationView(added));
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const action = 'remove_metadef_resource_type_association';
    const { namespace } = await findNamespace(this.options, req, action);
    const { metadefs } = this.options.registry;
    await metadefs.deleteAssociation(namespace, nameOf(req), contextOf(req));
    answerEmpty(res, 204);
  };
}
