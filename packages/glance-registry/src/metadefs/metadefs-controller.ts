import {
  addMetadefAssociationSchema,
  addMetadefItemSchema,
  checkAgainst,
  createMetadefNamespaceSchema,
  listMetadefItemsSchema,
  metadefNamespaceQuerySchema,
  putMetadefTagsSchema,
  soughtMetadefAssociationSchema,
  soughtMetadefItemSchema,
  soughtMetadefKindSchema,
  soughtMetadefNamespaceSchema,
  soughtMetadefResourceTypeSchema,
  updateMetadefItemSchema,
  updateMetadefNamespaceSchema,
} from '@glance/common';
import { jsonBody } from '@glance/service-kit';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall, readQuery } from '../http/registry-call';
import type { MetadefItemService } from './metadef-item-service';
import type { MetadefService } from './metadef-service';

/** Of what clients send in 4 MiB (security sheet §5), in the words of the contract. */
const MAX_BODY_BYTES = 12 * 1024 * 1024;
/** The contract wraps what clients may nest 25 deep. */
const MAX_BODY_DEPTH = 30;

/** `/v1/metadefs…`: names hold any character and are in the query or the body, never in the path. */
export function metadefsRouter(service: MetadefService, items: MetadefItemService): Router {
  const router = Router();
  router.use(jsonBody({ maxBytes: MAX_BODY_BYTES, maxDepth: MAX_BODY_DEPTH }));

  router
    .route('/namespaces/search')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const query = checkAgainst(metadefNamespaceQuerySchema, req.body);
      res.json({ namespaces: await service.listNamespaces(query, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/namespaces')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(createMetadefNamespaceSchema, req.body);
      res.json({ content: await service.createNamespace(request, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/namespace')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace } = checkAgainst(soughtMetadefNamespaceSchema, readQuery(req));
      res.json({ namespace: await service.getNamespace(namespace, identity, scope) });
    })
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, fields } = checkAgainst(updateMetadefNamespaceSchema, req.body);
      const updated = await service.updateNamespace(namespace, fields, identity, scope);
      res.json({ namespace: updated });
    })
    .delete(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace } = checkAgainst(soughtMetadefNamespaceSchema, readQuery(req));
      await service.deleteNamespace(namespace, identity, scope);
      res.json({});
    })
    .all(methodNotAllowed);

  router
    .route('/namespace/content')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace } = checkAgainst(soughtMetadefNamespaceSchema, readQuery(req));
      res.json({ content: await service.getContent(namespace, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/resource-types')
    .get(async (req, res) => {
      const { scope } = readCall(req);
      res.json({ resourceTypes: await service.listResourceTypes(scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/applied-properties')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { resourceType } = checkAgainst(soughtMetadefResourceTypeSchema, readQuery(req));
      res.json({ properties: await service.listApplied(resourceType, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/associations')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace } = checkAgainst(soughtMetadefNamespaceSchema, readQuery(req));
      res.json({ associations: await service.listAssociations(namespace, identity, scope) });
    })
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, association } = checkAgainst(addMetadefAssociationSchema, req.body);
      const added = await service.addAssociation(namespace, association, identity, scope);
      res.json({ association: added });
    })
    .all(methodNotAllowed);

  router
    .route('/association')
    .delete(async (req, res) => {
      const { identity, scope } = readCall(req);
      const sought = checkAgainst(soughtMetadefAssociationSchema, readQuery(req));
      await service.deleteAssociation(sought.namespace, sought.resourceType, identity, scope);
      res.json({});
    })
    .all(methodNotAllowed);

  routeItems(router, items);
  return router;
}

function routeItems(router: Router, service: MetadefItemService): void {
  router
    .route('/items')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, kind, query } = checkAgainst(listMetadefItemsSchema, readQuery(req));
      res.json({ items: await service.listItems(namespace, kind, query, identity, scope) });
    })
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, kind, item } = checkAgainst(addMetadefItemSchema, req.body);
      res.json({ item: await service.addItem(namespace, kind, item, identity, scope) });
    })
    .delete(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, kind } = checkAgainst(soughtMetadefKindSchema, readQuery(req));
      await service.deleteItems(namespace, kind, identity, scope);
      res.json({});
    })
    .all(methodNotAllowed);

  router
    .route('/item')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, kind, name } = checkAgainst(soughtMetadefItemSchema, readQuery(req));
      res.json({ item: await service.getItem(namespace, kind, name, identity, scope) });
    })
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, kind, name, item } = checkAgainst(updateMetadefItemSchema, req.body);
      res.json({ item: await service.updateItem(namespace, kind, name, item, identity, scope) });
    })
    .delete(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, kind, name } = checkAgainst(soughtMetadefItemSchema, readQuery(req));
      await service.deleteItem(namespace, kind, name, identity, scope);
      res.json({});
    })
    .all(methodNotAllowed);

  router
    .route('/tags')
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { namespace, ...request } = checkAgainst(putMetadefTagsSchema, req.body);
      res.json({ items: await service.putTags(namespace, request, identity, scope) });
    })
    .all(methodNotAllowed);
}
