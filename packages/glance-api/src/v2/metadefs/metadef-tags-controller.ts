import type { Request, Response } from 'express';
import { isTrueText } from '../../http/header-value';
import { contextOf } from '../../auth/call-context';
import { answerEmpty, answerJson } from '../answer';
import { parseTag, parseTags, tagOf } from './metadef-body';
import { parseTagQuery } from './metadef-query';
import { tagView } from './metadef-views';
import { findNamespace, nameOf, searchOf, type MetadefOptions } from './namespace-calls';

/** Tags of a namespace (metadefs sheet §6). */
export class MetadefTagsController {
  constructor(private readonly options: MetadefOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const query = parseTagQuery(searchOf(req));
    const { namespace } = await findNamespace(this.options, req, 'get_metadef_tags');
    const { metadefs } = this.options.registry;
    const found = await metadefs.listItems(namespace, 'tags', query, contextOf(req));
    answerJson(res, { tags: found.map(({ name }) => ({ name })) });
  };

  createAll = async (req: Request, res: Response): Promise<void> => {
    const names = parseTags(req.body);
    const { namespace } = await findNamespace(this.options, req, 'add_metadef_tags');
    const append = isTrueText(req.get('x-openstack-append'));
    const { metadefs } = this.options.registry;
    const tags = await metadefs.putTags(namespace, { names, append }, contextOf(req));
    res.status(201);
    answerJson(res, { tags: tags.map(({ name }) => ({ name })) });
  };

  create = async (req: Request, res: Response): Promise<void> => {
    const tag = tagOf(nameOf(req));
    const { namespace } = await findNamespace(this.options, req, 'add_metadef_tag');
    const { metadefs } = this.options.registry;
    const added = await metadefs.addItem(namespace, 'tags', tag, contextOf(req));
    res.status(201);
    answerJson(res, tagView(added));
  };

  show = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'get_metadef_tag');
    const { metadefs } = this.options.registry;
    answerJson(
      res,
      tagView(await metadefs.getItem(namespace, 'tags', nameOf(req), contextOf(req))),
    );
  };

  update = async (req: Request, res: Response): Promise<void> => {
    const tag = tagOf(parseTag(req.body));
    const { namespace } = await findNamespace(this.options, req, 'modify_metadef_tag');
    const { metadefs } = this.options.registry;
    const updated = await metadefs.updateItem(namespace, 'tags', nameOf(req), tag, contextOf(req));
    answerJson(res, tagView(updated));
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const { namespace } = await findNamespace(this.options, req, 'delete_metadef_tag');
    const { metadefs } = this.options.registry;
    await metadefs.deleteItem(namespace, 'tags', nameOf(req), contextOf(req));
    answerEmpty(res, 204);
  };

  clear = async (req: Request, res: Response): Promise<void> => {
    const actions = ['delete_metadef_namespace', 'delete_metadef_tags'] as const;
    const { namespace } = await findNamespace(this.options, req, ...actions);
    await this.options.registry.metadefs.deleteItems(namespace, 'tags', contextOf(req));
    answerEmpty(res, 204);
  };
}
