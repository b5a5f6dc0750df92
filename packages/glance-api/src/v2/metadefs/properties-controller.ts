import { DomainError } from '@glance/common';
import type { Request, Response } from 'express';
import { contextOf } from '../../auth/call-context';
import { answerEmpty, answerJson } from '../answer';
import { parseProperty } from './metadef-body';
import { propertiesView, propertyView } from './metadef-views';
import { findNamespace, nameOf, searchOf, type MetadefOptions } from './namespace-calls';

/** Property definitions of a namespace (metadefs sheet §6). */
export class PropertiesController {
  constructor(private readonly options: MetadefOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'get_metadef_properties');
    const order = { sortKey: 'name', sortDirection: 'asc' } as const;
    const { metadefs } = this.options.registry;
    const found = await metadefs.listItems(namespace, 'properties', order, contextOf(req));
    answerJson(res, { properties: {}, ...propertiesView(found) });
  };

  create = async (req: Request, res: Response): Promise<void> => {
    const property = parseProperty(req.body);
    const { namespace } = await findNamespace(this.options, req, 'add_metadef_property');
    const { metadefs } = this.options.registry;
    const added = await metadefs.addItem(namespace, 'properties', property, contextOf(req));
    res.status(201);
    answerJson(res, propertyView(added));
  };

  show = async (req: Request, res: Response): Promise<void> => {
    const type = searchOf(req).get('resource_type');
    const { namespace } = await findNamespace(
      this.options,
      req,
      'get_metadef_property',
      ...(type === null ? [] : (['get_metadef_resource_type'] as const)),
    );
    const asked = nameOf(req);
    const name = type === null ? asked : await this.withoutPrefix(req, namespace, type, asked);
    const { metadefs } = this.options.registry;
    const property = await metadefs.getItem(namespace, 'properties', name, contextOf(req));
    answerJson(res, propertyView(property));
  };

  update = async (req: Request, res: Response): Promise<void> => {
    const property = parseProperty(req.body);
    const { namespace } = await findNamespace(this.options, req, 'modify_metadef_property');
    const { metadefs } = this.options.registry;
    const context = contextOf(req);
    const name = nameOf(req);
    const updated = await metadefs.updateItem(namespace, 'properties', name, property, context);
    answerJson(res, propertyView(updated));
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'remove_metadef_property');
    const { metadefs } = this.options.registry;
    await metadefs.deleteItem(namespace, 'properties', nameOf(req), contextOf(req));
    answerEmpty(res, 204);
  };

  clear = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'delete_metadef_namespace');
    await this.options.registry.metadefs.deleteItems(namespace, 'properties', contextOf(req));
    answerEmpty(res, 204);
  };

  /** @throws DomainError `not_found` unless the namespace says what the type's names begin with */
  private async withoutPrefix(
    req: Request,
    namespace: string,
    type: string,
    name: string,
  ): Promise<string> {
    const { metadefs } = this.options.registry;
    const associations = await metadefs.listAssociations(namespace, contextOf(req));
    const prefix = associations.find((each) => each.name === type)?.prefix ?? '';
    if (prefix !== '' && name.startsWith(prefix)) return name.slice(prefix.length);
    throw new DomainError(
      'not_found',
      `Property ${name} does not start with the expected resource type association prefix of '${prefix}'.`,
    );
  }
}
