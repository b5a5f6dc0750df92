import type { Request, Response } from 'express';
import { identityOf } from '../../auth/authenticate';
import { contextOf } from '../../auth/call-context';
import { requireWriter } from '../../auth/require-writer';
import type { PolicyAction } from '../../policy/default-rules';
import { callerTarget, enforceOnNamespace, namespaceTarget } from '../../policy/metadef-access';
import { requestBaseUrl, type BaseUrlOptions } from '../../versions/base-url';
import { answerEmpty, answerJson } from '../answer';
import type { ListLimits } from '../list-query';
import { parseNamespaceFields, parseNewNamespace } from './metadef-body';
import { parseNamespaceQuery } from './metadef-query';
import {
  createdNamespaceView,
  listedNamespaceView,
  namespaceContentView,
  namespaceView,
} from './metadef-views';
import { findNamespace, namespaceOf, searchOf, type MetadefOptions } from './namespace-calls';

export interface NamespacesControllerOptions extends MetadefOptions {
  listLimits: ListLimits;
  baseUrl: BaseUrlOptions;
}

const PATH = '/v2/metadefs/namespaces';

/** Namespaces of metadata definitions (metadefs sheet §6). Each method is one route. */
export class NamespacesController {
  constructor(private readonly options: NamespacesControllerOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, listLimits } = this.options;
    const caller = identityOf(req);
    for (const action of ['get_metadef_namespaces', 'list_metadef_resource_types'] as const) {
      policy.enforce(action, caller, callerTarget(caller));
    }
    const search = searchOf(req);
    const query = parseNamespaceQuery(search, listLimits);
    const found = await registry.metadefs.listNamespaces(query, contextOf(req));
    const last = found.at(-1);
    search.delete('marker');
    answerJson(res, {
      namespaces: found
        .filter((each) => policy.permits('get_metadef_namespace', caller, namespaceTarget(each)))
        .map(listedNamespaceView),
      first: pagePath(search),
      schema: '/v2/schemas/metadefs/namespaces',
      ...(last !== undefined && found.length === query.limit
        ? { next: pagePath(new URLSearchParams([...search, ['marker', last.namespace]])) }
        : {}),
    });
  };

  create = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, baseUrl } = this.options;
    const caller = requireWriter(req);
    const request = parseNewNamespace(req.body, caller);
    const { associations, objects, properties, tags } = request;
    const actions: [PolicyAction, boolean][] = [
      ['add_metadef_namespace', true],
      ['add_metadef_resource_type_association', associations.length > 0],
      ['add_metadef_object', objects.length > 0],
      ['add_metadef_property', properties.length > 0],
      ['add_metadef_tag', tags.length > 0],
    ];
    for (const [action, isAsked] of actions) {
      if (isAsked) policy.enforce(action, caller, callerTarget(caller));
    }
    const created = await registry.metadefs.createNamespace(request, contextOf(req));
    const path = `${PATH}/${encodeURI(created.namespace)}`;
    res.status(201).location(`${requestBaseUrl(req, baseUrl)}${path}`);
    answerJson(res, createdNamespaceView(request, created));
  };

  show = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy } = this.options;
    const content = await registry.metadefs.getNamespaceContent(namespaceOf(req), contextOf(req));
    enforceOnNamespace(
      policy,
      [
        'get_metadef_namespace',
        'list_metadef_resource_types',
        'get_metadef_objects',
        'get_metadef_properties',
        'get_metadef_tags',
      ],
      identityOf(req),
      content,
    );
    const type = searchOf(req).get('resource_type');
    const association = content.associations.find(({ name }) => name === type);
    answerJson(res, namespaceContentView(content, association?.prefix ?? ''));
  };

  update = async (req: Request, res: Response): Promise<void> => {
    const { registry } = this.options;
    const fields = parseNamespaceFields(req.body, identityOf(req));
    const { namespace } = await findNamespace(this.options, req, 'modify_metadef_namespace');
    const updated = await registry.metadefs.updateNamespace(namespace, fields, contextOf(req));
    answerJson(res, namespaceView(updated));
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'delete_metadef_namespace');
    await this.options.registry.metadefs.deleteNamespace(namespace, contextOf(req));
    answerEmpty(res, 204);
  };
}

function pagePath(search: URLSearchParams): string {
  const text = search.toString();
  return text === '' ? PATH : `${PATH}?${text}`;
}
