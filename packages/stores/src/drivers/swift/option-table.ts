import type { StoreOptionTable } from '../../store-options';
import { MAX_SEED } from './swift-location';

/** Upstream's options (stores sheet §6); version 1 of the login is our own. */
export const SWIFT_OPTIONS = {
  default_swift_reference: {
    kind: 'text',
    default: 'ref1',
    description: 'Section of swift_store_config_file with the account that new images go to.',
  },
  swift_store_config_file: {
    kind: 'text',
    default: '',
    description:
      'File with a section for each Swift account: auth_address with user (project:user) and key, or with application_credential_id and application_credential_secret; optional project_domain_id, project_domain_name, user_domain_id, user_domain_name. With it, locations name a section; without it they hold the user and the key of the account.',
  },
  swift_store_auth_address: {
    kind: 'text',
    default: '',
    description:
      'URL of Keystone, or of Swift’s own login with swift_store_auth_version = 1. https unless it says http. Used without swift_store_config_file.',
  },
  swift_store_user: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Who logs in, as project:user. Used without swift_store_config_file.',
  },
  swift_store_key: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Password of swift_store_user.',
  },
  swift_store_application_credential_id: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Application credential that logs in, in place of swift_store_user.',
  },
  swift_store_application_credential_secret: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Secret of swift_store_application_credential_id.',
  },
  swift_store_project_name: {
    kind: 'text',
    default: '',
    description:
      'Accepted for upstream’s configuration files; an application credential is of one project anyway.',
  },
  swift_store_project_id: {
    kind: 'text',
    default: '',
    description: 'As swift_store_project_name.',
  },
  swift_store_auth_version: {
    kind: 'text',
    default: '3',
    description: 'Who is asked for tokens: Keystone (3), or Swift itself (1, such as tempauth).',
  },
  swift_store_auth_insecure: {
    kind: 'boolean',
    default: false,
    description: 'Do not verify certificates, of Keystone and of Swift.',
  },
  swift_store_cacert: {
    kind: 'text',
    default: '',
    description:
      'File (PEM) with the authorities that must have signed the certificates of Keystone and of Swift. The public ones unless set.',
  },
  swift_store_region: {
    kind: 'text',
    default: '',
    description: 'Region of the endpoint in the catalog; the first that is there unless set.',
  },
  swift_store_endpoint: {
    kind: 'text',
    default: '',
    description:
      'URL of the account in Swift, such as https://swift.example.org/v1/AUTH_PROJECT, in place of that in the catalog. With swift_store_multi_tenant it has %(project_id)s in the place of PROJECT.',
  },
  swift_store_endpoint_type: {
    kind: 'text',
    default: 'publicURL',
    description: 'Endpoint of the catalog to use: publicURL, internalURL or adminURL.',
  },
  swift_store_service_type: {
    kind: 'text',
    default: 'object-store',
    description: 'Type of the service in the catalog.',
  },
  swift_store_container: {
    kind: 'text',
    default: 'glance',
    description:
      'Container for images, or how the names of several begin. Names below glance-unfinished/ tell of uploads that run; leave them alone.',
  },
  swift_store_multiple_containers_seed: {
    kind: 'integer',
    minimum: 0,
    default: 0,
    description: `Spread images over containers by so many digits of their ids (up to ${MAX_SEED}); 0 for one container.`,
  },
  swift_store_large_object_size: {
    kind: 'integer',
    minimum: 1,
    default: 5120,
    description:
      'Units of 1 024 000 bytes from which on an image is stored in segments. Smaller ones are one object; those of unknown size are always stored in segments.',
  },
  swift_store_large_object_chunk_size: {
    kind: 'integer',
    minimum: 1,
    default: 200,
    description:
      'Units of 1 024 000 bytes of a segment. Small ones make slow downloads: Swift sends those after the tenth one a second unless its rate_limit_after_segment says otherwise. The segments of an image that would need more than 10000 are larger.',
  },
  swift_store_create_container_on_put: {
    kind: 'boolean',
    default: false,
    description: 'Make a container at the first upload to it when it is missing.',
  },
  swift_store_multi_tenant: {
    kind: 'boolean',
    default: false,
    description:
      'Keep images in the Swift accounts of the projects that upload them, each in a container of its own: <swift_store_container>_<image id>. Callers need a token of Keystone and the right to make containers. The user of swift_store_user removes data, writes on when a token has ended, sweeps, and tells Swift who may read: it needs a role that Swift takes for that in all accounts (reseller_admin_role: ResellerAdmin). Which uploads run is noted in the container swift_store_container of its own account. Blobs that no image has are searched for in the accounts of the projects that own images, or did until these were purged.',
  },
  swift_store_use_trusts: {
    kind: 'boolean',
    default: true,
    description:
      'Accepted for upstream’s configuration files: with swift_store_multi_tenant, whatever it says, long uploads go on as swift_store_user when the token of the caller ends, so no trusts are made.',
  },
  swift_store_admin_tenants: {
    kind: 'list',
    default: [],
    description:
      'Ids of projects that may write to the container of any image, with swift_store_multi_tenant.',
  },
  swift_store_ssl_compression: {
    kind: 'boolean',
    default: true,
    description: 'Accepted for upstream’s configuration files; TLS is never compressed.',
  },
  swift_store_retry_get_count: {
    kind: 'integer',
    minimum: 0,
    default: 0,
    description: 'How often a download that breaks off goes on where it was.',
  },
  swift_store_expire_soon_interval: {
    kind: 'integer',
    minimum: 0,
    default: 60,
    description: 'Seconds before its end from which on a token is replaced by a new one.',
  },
  swift_buffer_on_upload: {
    kind: 'boolean',
    default: false,
    description:
      'Write each segment to swift_upload_buffer_dir first, so that it can be sent again when that fails.',
  },
  swift_upload_buffer_dir: {
    kind: 'text',
    default: '',
    description:
      'Directory for the segments of swift_buffer_on_upload: each running upload needs room for one.',
  },
} as const satisfies StoreOptionTable;
