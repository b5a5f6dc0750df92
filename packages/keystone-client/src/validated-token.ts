import Joi from 'joi';
import { KeystoneError } from './keystone-error';

/** What a token may be used for, when it was made by a restricted application credential. */
export interface AccessRule {
  service: string;
  method: string;
  /** With `*`, `**` and `{name}` for parts. */
  path: string;
}

/** What Keystone says about a token that is valid. */
export interface ValidatedToken {
  userId: string;
  userDomainId: string;
  scope: 'project' | 'domain' | 'system' | 'none';
  projectId: string | null;
  projectDomainId: string | null;
  roles: readonly string[];
  isAdminProject: boolean;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** Undefined: everything the roles allow. */
  accessRules: readonly AccessRule[] | undefined;
}

interface TokenBody {
  token: {
    user: { id: string; domain: { id: string } };
    project?: { id: string; domain: { id: string } };
    domain?: object;
    system?: { all?: boolean };
    roles: { name: string }[];
    is_admin_project: boolean;
    expires_at: Date;
    application_credential?: { access_rules?: AccessRule[] };
  };
}

const name = Joi.string().required();
const inDomain = Joi.object({ id: name, domain: Joi.object({ id: name }).unknown().required() });

const TOKEN_BODY = Joi.object<TokenBody>({
  token: Joi.object({
    user: inDomain.unknown().required(),
    project: inDomain.unknown(),
    domain: Joi.object().unknown(),
    system: Joi.object().unknown(),
    roles: Joi.array().items(Joi.object({ name }).unknown()).default([]),
    is_admin_project: Joi.boolean().default(true),
    expires_at: Joi.date().iso().required(),
    application_credential: Joi.object({
      access_rules: Joi.array().items(
        Joi.object({ service: name, method: name, path: name }).unknown(),
      ),
    }).unknown(),
  })
    .unknown()
    .required(),
})
  .unknown()
  .required();

/** Reads the answer of `GET /v3/auth/tokens`. @throws KeystoneError `unexpected`. */
export function readValidatedToken(body: unknown): ValidatedToken {
  const result = TOKEN_BODY.validate(body);
  if (result.error) {
    const { message } = result.error;
    throw new KeystoneError('unexpected', `The description of a token is none: ${message}`);
  }
  const { token } = result.value;
  return {
    userId: token.user.id,
    userDomainId: token.user.domain.id,
    scope: scopeOf(token),
    projectId: token.project?.id ?? null,
    projectDomainId: token.project?.domain.id ?? null,
    roles: token.roles.map((role) => role.name),
    isAdminProject: token.is_admin_project,
    expiresAt: token.expires_at.getTime(),
    accessRules: token.application_credential?.access_rules,
  };
}

function scopeOf({ project, domain, system }: TokenBody['token']): ValidatedToken['scope'] {
  if (system) return 'system';
  if (project) return 'project';
  return domain ? 'domain' : 'none';
}
