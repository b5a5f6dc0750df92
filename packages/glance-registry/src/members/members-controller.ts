import {
  addMemberSchema,
  checkAgainst,
  checkMemberId,
  putMemberSchema,
  replaceMembersSchema,
  setMemberStatusSchema,
} from '@glance/common';
import { Router } from 'express';
import { methodNotAllowed } from '../http/method-not-allowed';
import { readCall } from '../http/registry-call';
import type { MemberService } from './member-service';

/** `/v1/images/{id}/members…` */
export function membersRouter(service: MemberService): Router {
  const router = Router();

  router
    .route('/:imageId/members')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      res.json({ members: await service.list(req.params.imageId, identity, scope) });
    })
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(replaceMembersSchema, req.body);
      res.json({ members: await service.replace(req.params.imageId, request, identity, scope) });
    })
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const request = checkAgainst(addMemberSchema, req.body);
      res.json({ member: await service.add(req.params.imageId, request, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/members/:memberId')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, memberId } = req.params;
      checkMemberId(memberId);
      res.json({ member: await service.get(imageId, memberId, identity, scope) });
    })
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, memberId } = req.params;
      checkMemberId(memberId);
      const request = checkAgainst(putMemberSchema, req.body);
      res.json({ member: await service.put(imageId, memberId, request, identity, scope) });
    })
    .delete(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, memberId } = req.params;
      checkMemberId(memberId);
      res.json({ member: await service.delete(imageId, memberId, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/members/:memberId/status')
    .put(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, memberId } = req.params;
      checkMemberId(memberId);
      const request = checkAgainst(setMemberStatusSchema, req.body);
      res.json({ member: await service.setStatus(imageId, memberId, request, identity, scope) });
    })
    .all(methodNotAllowed);

  router
    .route('/:imageId/members/:memberId/removal')
    .post(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { imageId, memberId } = req.params;
      checkMemberId(memberId);
      res.json({ member: await service.remove(imageId, memberId, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}

/** `/v1/shared-images/{member}` */
export function sharedImagesRouter(service: MemberService): Router {
  const router = Router();

  router
    .route('/:memberId')
    .get(async (req, res) => {
      const { identity, scope } = readCall(req);
      const { memberId } = req.params;
      checkMemberId(memberId);
      res.json({ sharedImages: await service.listSharedImages(memberId, identity, scope) });
    })
    .all(methodNotAllowed);

  return router;
}
