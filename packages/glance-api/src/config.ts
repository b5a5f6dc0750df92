import { DEFAULT_CONTAINER_FORMATS, DEFAULT_DISK_FORMATS } from '@glance/common';
import {
  booleanOption,
  byteSizeOption,
  healthcheckOptions,
  integerOption,
  listOption,
  metricsOptions,
  rateOption,
  repeatableOption,
  secondsOption,
  serviceAuthOptions,
  serviceOptions,
  textOption,
  type ConfigOf,
} from '@glance/service-kit';
import { STORE_TYPES } from '@glance/stores';
import os from 'node:os';
import { CACHE_OPTIONS } from './cache/cache-options';
import { LIMIT_OPTIONS } from './limits/limit-options';
import { keystoneAccessOptions } from './keystone/keystone-options';
import { IMPORT_DEFAULTS, IMPORT_SECTIONS } from './imports/import-options';
import { SIGNATURE_SECTIONS } from './signatures/signature-options';
import { storeOptions } from './store-config/store-options';

/** Every option of glance-api. Names and meanings are upstream's where upstream has the option. */
export const API_OPTIONS = {
  DEFAULT: {
    ...serviceOptions({ bindHost: '0.0.0.0', bindPort: 9292, program: 'glance-api' }),
    public_endpoint: textOption({
      help: 'URL under which clients reach the service, for the links it hands out. Unset: the Host header of the request.',
      pattern: { regex: /^https?:\/\/[^\s]+$/, description: 'an http or https URL' },
    }),
    metadata_encryption_key: textOption({
      help: 'Accepted for compatibility, without effect: glance-registry encrypts the URLs of locations. Set it in glance-registry.conf.',
      secret: true,
    }),
    trusted_proxies: listOption({
      help: 'Addresses and networks (192.0.2.7, 2001:db8::/64) of the proxies in front. What they say of a client is believed: identity headers with [paste_deploy] flavor = trusted-auth, which then count from nobody else, and what [oslo_middleware] enable_proxy_headers_parsing and secure_proxy_ssl_header name.',
      default: [],
    }),
    secure_proxy_ssl_header: textOption({
      help: 'Header in which a trusted proxy says whether the client came by https, such as HTTP_X_FORWARDED_PROTO or X-Forwarded-Proto.',
    }),
    enable_v1_api: booleanOption({ help: 'Serve API v1.', default: true }),
    enable_v2_api: booleanOption({ help: 'Serve API v2.', default: true }),
    validate_image_properties: booleanOption({
      help: 'Refuse custom properties that do not match the metadata definitions of images (associations with OS::Glance::Image) that the caller sees. What nobody defines may be anything. Asks the registry once more whenever properties are set.',
      default: false,
    }),
    show_image_direct_url: booleanOption({
      help: 'Show in API v2, as direct_url, where the data of an image is stored. It may tell what lets others read the data.',
      default: false,
    }),
    show_multiple_locations: booleanOption({
      help: 'Show in API v2 where the data of an image is stored, and let PATCH change that, as far as the rules set_image_location and delete_image_location let pass. Deprecated by upstream: what is shown may let others read the data, and hashes that come with a location are not checked.',
      default: false,
    }),
    do_secure_hash: booleanOption({
      help: 'Read the data of a location added by POST /v2/images/ID/locations: to compare it with the hash that the caller gives before the image is active, or to learn the hashes afterwards. False: what the caller gives is stored.',
      default: true,
    }),
    http_retries: integerOption({
      help: 'Further attempts to learn the hashes of a location that was added without any.',
      default: 3,
      max: 100,
    }),
    enabled_backends: listOption({
      help: 'Several stores, as NAME:TYPE, NAME:TYPE, with types of [glance_store] stores. Each has a section [NAME] with the options of its type as they stand in [glance_store], store_description (what users are told of it) and weight (of the stores that hold an image, the one of the highest is read first; 0); what is unset there is looked up in [backend_defaults]. Uploads go to [glance_store] default_backend unless the client names a store. Unset: [glance_store] stores.',
      default: [],
    }),
    ...IMPORT_DEFAULTS,
    ...CACHE_OPTIONS,
    registry_host: listOption({
      help: 'Hosts of glance-registry. With several, each process begins with any of them, stays with the one that answered last, and asks the next when one fails.',
      default: ['127.0.0.1'],
    }),
    registry_port: integerOption({
      help: 'Port of glance-registry.',
      default: 9191,
      min: 1,
      max: 65_535,
    }),
    registry_client_protocol: textOption({
      help: 'How glance-registry is called.',
      default: 'http',
      choices: ['http', 'https'],
    }),
    registry_client_ca_file: textOption({
      help: 'Certificate authority (PEM) that must have signed the certificate of glance-registry.',
    }),
    registry_client_cert_file: textOption({
      help: 'Client certificate (PEM) shown to glance-registry.',
    }),
    registry_client_key_file: textOption({
      help: 'Private key of registry_client_cert_file (PEM).',
    }),
    image_size_cap: byteSizeOption({
      help: 'Largest image that may be uploaded, in bytes.',
      default: 1024 ** 4,
    }),
    user_storage_quota: byteSizeOption({
      help: 'Bytes that the images of one project may take in all; 0 for no limit.',
      default: 0,
    }),
    use_keystone_limits: booleanOption({
      help: 'Limit what the images of a project take by what is registered in Keystone for image_size_total, image_stage_total (MiB), image_count_total and image_count_uploading, read as [oslo_limit] says. What is not registered is 0. user_storage_quota has no effect then.',
      default: false,
    }),
    image_property_quota: integerOption({
      help: 'Custom properties an image may have; -1 for no limit.',
      default: 128,
      min: -1,
    }),
    image_tag_quota: integerOption({
      help: 'Tags an image may have; -1 for no limit.',
      default: 128,
      min: -1,
    }),
    image_location_quota: integerOption({
      help: 'Locations an image may be given by PATCH; -1 for no limit.',
      default: 10,
      min: -1,
    }),
    image_member_quota: integerOption({
      help: 'Projects an image may be shared with; -1 for no limit.',
      default: 128,
      min: -1,
    }),
    property_protection_file: textOption({
      help: 'File that says who may create, read, update and delete which custom properties; a relative name is looked for beside the configuration file. Read again when it changes. Unset: everybody may, as far as they may change the image.',
    }),
    property_protection_rule_format: textOption({
      help: 'What the values in property_protection_file are: comma-separated lists of roles, or one policy rule each; "@" is everybody and "!" nobody in both.',
      default: 'roles',
      choices: ['roles', 'policies'],
    }),
    limit_param_default: integerOption({
      help: 'Images on a page of a list when the client gives no limit.',
      default: 25,
      min: 1,
    }),
    api_limit_max: integerOption({
      help: 'Most images on a page of a list, whatever the client asks for.',
      default: 1000,
      min: 1,
      max: 100_000,
    }),
    admin_role: textOption({
      help: 'Role whose holders are administrators, beside those that the policy rule context_is_admin lets pass.',
      default: 'admin',
    }),
    allow_anonymous_access: booleanOption({
      help: 'Let requests without credentials list, show and download public images, and community images by id, as far as policy rules let read_only:True pass.',
      default: false,
    }),
    allow_unauthenticated_network: booleanOption({
      help: 'Let the service listen beyond loopback although [paste_deploy] flavor is unset, so that everybody who reaches the port is an administrator.',
      default: false,
    }),
    delayed_delete: booleanOption({
      help: 'Keep the data of deleted images for scrub_time instead of removing it at once, so that glance-scrubber --restore ID can bring an image back; also that of single locations that are taken away. It counts for the quota until it is gone.',
      default: false,
    }),
    scrub_time: secondsOption({
      help: 'Seconds that data is kept that was deleted with delayed_delete, or by an upstream Glance with it; then the next search removes it.',
      default: 0,
    }),
    scrub_pool_size: integerOption({
      help: 'Deleted images whose data one process removes at a time.',
      default: 1,
      min: 1,
      max: 100,
    }),
    deletion_grace: secondsOption({
      help: 'Seconds that a deletion is left to the process that began it; then any node finishes it. A request that still waits for its store is then answered 204 even where the store refuses.',
      default: 120,
      min: 0,
    }),
    wakeup_time: secondsOption({
      help: 'Seconds between two searches for deletions to finish: delayed ones, and those whose process died or whose store did not answer.',
      default: 300,
      min: 0.1,
    }),
  },
  paste_deploy: {
    flavor: textOption({
      help: 'Who is believed: unset = no authentication, everybody is the administrator of project "admin"; keystone = tokens that the Keystone of [keystone_authtoken] knows; trusted-auth = the identity headers of an authenticating proxy; fakeauth = tokens "user:project:role[,role]", in which admin implies member and member reader, loopback only.',
      choices: [
        'keystone',
        'keystone+caching',
        'keystone+cachemanagement',
        'trusted-auth',
        'trusted-auth+caching',
        'trusted-auth+cachemanagement',
        'fakeauth',
        'fakeauth+caching',
        'fakeauth+cachemanagement',
        'caching',
        'cachemanagement',
      ],
    }),
  },
  keystone_authtoken: {
    www_authenticate_uri: textOption({
      help: 'URL of Keystone that clients without a valid token are told. Unset: auth_url.',
      pattern: { regex: /^https?:\/\/[^\s"]+$/, description: 'an http or https URL' },
      deprecatedName: 'auth_uri',
    }),
    ...keystoneAccessOptions(),
    token_cache_time: secondsOption({
      help: 'Seconds for which a valid token is not asked about again, by each process: so long a revoked token may still be used. At most 10 of them hold for a token that is none. 0: every request asks Keystone.',
      default: 300,
      max: 300,
    }),
    service_token_roles: listOption({
      help: "Roles of services. With a service token of one, a user token counts for Keystone's [token] allow_expired_window after its end.",
      default: ['service'],
    }),
    service_token_roles_required: booleanOption({
      help: 'Refuse requests with a service token that has none of service_token_roles.',
      default: false,
    }),
    service_type: textOption({
      help: 'What access rules of application credentials call this service.',
      default: 'image',
    }),
    interface: textOption({ help: 'Not needed: auth_url is the URL that is asked.' }),
    region_name: textOption({ help: 'Not needed: auth_url is the URL that is asked.' }),
    auth_version: textOption({ help: 'Not needed: it is v3.' }),
    memcached_servers: textOption({
      help: 'Not needed: every process remembers tokens in its own memory, at most 10,000.',
      deprecatedName: 'memcache_servers',
    }),
  },
  oslo_limit: LIMIT_OPTIONS,
  oslo_policy: {
    policy_file: textOption({
      help: 'Policy rules in YAML or JSON, over the built-in ones; a relative name is looked for beside the configuration file. Read again when it changes. Unset: policy.yaml, else policy.json, if there is one.',
      defaultText: 'policy.yaml or policy.json',
    }),
    policy_default_rule: textOption({
      help: 'Rule that decides what has no rule of its own.',
      default: 'default',
    }),
    enforce_new_defaults: booleanOption({
      help: 'Let the built-in rules alone say who may do what, by the roles admin, member, reader and service. False: whom the rules of releases before those roles let pass may as well, whatever his roles.',
      default: true,
    }),
    enforce_scope: booleanOption({
      help: 'Refuse every action to callers whose token is for the system or a domain instead of a project.',
      default: true,
    }),
    policy_dirs: repeatableOption({
      help: 'Directory whose files are policy files too: they count after policy_file, in the order of their names. It need not exist.',
      default: ['policy.d'],
    }),
  },
  glance_store: {
    stores: listOption({
      help: `Kinds of stores to enable, of: ${Object.keys(STORE_TYPES).join(', ')}. Others are left out with a warning. http lets users name web servers as sources of image data.`,
      default: ['file'],
    }),
    default_backend: textOption({
      help: 'The store of [DEFAULT] enabled_backends that uploads go to when the client names none.',
    }),
    default_store: textOption({
      help: 'Without enabled_backends, the store that uploads go to when the client names none.',
      default: 'file',
      choices: Object.keys(STORE_TYPES).filter((type) => type !== 'http'),
    }),
    // Typed where they are used, by the store that declares them.
    ...(storeOptions() as object),
  },
  image_format: {
    disk_formats: listOption({
      help: 'Accepted values of disk_format.',
      default: DEFAULT_DISK_FORMATS,
    }),
    container_formats: listOption({
      help: 'Accepted values of container_format.',
      default: DEFAULT_CONTAINER_FORMATS,
    }),
    require_image_format_match: booleanOption({
      help: 'Refuse data of a bare image that is not of its disk_format. False: it is taken with a warning in the log. What is unsafe (a backing file, an extent elsewhere) is refused in any case.',
      default: true,
    }),
    vmdk_allowed_types: listOption({
      help: 'Types of vmdk images that image_conversion converts; none when empty. Others than these two refer to further files and are refused whatever is said here.',
      default: ['streamOptimized', 'monolithicSparse'],
    }),
    gpt_safety_checks_nonfatal: listOption({
      help: 'Checks of partition tables that only go to the log when they fail: mbr.',
      default: [],
    }),
  },
  transfer: {
    max_transfers: integerOption({
      help: 'Uploads and downloads of image data that each process carries at a time, at 1 MiB of memory each; more are answered 503 before their data is read. 0 for no limit. Copies of external data have a limit of their own.',
      default: 256,
    }),
    max_transfers_per_project: integerOption({
      help: 'Of max_transfers, those of one project; 0 for no limit.',
      default: 0,
    }),
    idle_timeout: secondsOption({
      help: 'Seconds without a byte from or to a client after which its transfer is ended.',
      default: 60,
      min: 1,
    }),
    minimum_rate: integerOption({
      help: 'Bytes per second an uploading client must reach on average; 0 for no limit.',
      default: 1024,
    }),
    minimum_rate_grace: secondsOption({
      help: 'Seconds of waiting for a client before minimum_rate counts.',
      default: 60,
    }),
    sweep_interval: secondsOption({
      help: 'Seconds between two searches for what interrupted uploads left in the stores, and between two sweeps of the image cache.',
      default: 600,
      min: 0.1,
    }),
    access_sweep_interval: integerOption({
      help: 'Seconds between two times that stores with access lists of their own (Swift with swift_store_multi_tenant) are told of every image who reads it, as they are at each change, for all api processes together; 0 for never.',
      default: 21_600,
      max: 6 * 86_400,
    }),
    hash_threads: integerOption({
      help: 'Threads per process that compute checksums.',
      default: Math.max(2, Math.min(8, os.availableParallelism())),
      defaultText: 'number of CPUs, from 2 to 8',
      min: 1,
      max: 64,
    }),
  },
  rate_limit: {
    unauthenticated_per_second: rateOption({
      help: 'Requests without credentials, or with bad ones, that each process takes from one client address per second; then all from there are answered 429 before anybody is asked about their tokens. 0 for no limit. Behind a balancer without trusted_proxies and [oslo_middleware] enable_proxy_headers_parsing, all clients have one address: leave it 0 there.',
      default: 0,
    }),
    unauthenticated_burst: integerOption({
      help: 'How many such requests may come at once.',
      default: 40,
      min: 1,
    }),
    requests_per_second: rateOption({
      help: 'Requests other than for image data that each process takes from one project per second; 0 for no limit.',
      default: 0,
    }),
    requests_burst: integerOption({
      help: 'How many of these may come at once.',
      default: 100,
      min: 1,
    }),
    creates_per_second: rateOption({
      help: 'Images that one project may create per second in each process; 0 for no limit.',
      default: 0,
    }),
    creates_burst: integerOption({
      help: 'How many of these may come at once.',
      default: 20,
      min: 1,
    }),
  },
  ...IMPORT_SECTIONS,
  ...SIGNATURE_SECTIONS,
  copy_from: {
    concurrency: integerOption({
      help: 'Copies of external data (x-glance-api-copy-from) that one process carries out at a time; more wait. So many locations that were added with a hash are checked as copies are; and so many of those without hash are read beside.',
      default: 4,
      min: 1,
      max: 64,
    }),
    attempts: integerOption({
      help: 'Attempts to copy after which the image is killed, or to check a location after which it is forgotten. What another attempt cannot change, such as a source that is not there, does so at once.',
      default: 5,
      min: 1,
      max: 1000,
    }),
    retry_interval: integerOption({
      help: 'Seconds from the beginning of the first attempt to the second; it doubles with each further one, up to an hour.',
      default: 30,
      min: 1,
      max: 3600,
    }),
    poll_interval: secondsOption({
      help: 'Seconds between two searches for copies whose process died or that are to be tried again.',
      default: 10,
      min: 0.1,
    }),
    timeout: secondsOption({
      help: 'Seconds that one attempt may take in all.',
      default: 43_200,
      min: 1,
    }),
  },
  orphans: {
    sweep_interval: integerOption({
      help: 'Seconds between two searches for blobs in the stores that no image has, for all api processes together; 0 for none.',
      default: 86_400,
      // The registry forgets after a week what was not seen again.
      max: 6 * 86_400,
    }),
    dry_run: booleanOption({
      help: 'Only tell in the log how many such blobs there are. Otherwise the search removes them.',
      default: true,
    }),
    max_deletes: integerOption({
      help: 'Most blobs that one search removes from a store.',
      default: 100,
      min: 1,
      max: 100_000,
    }),
    minimum_age: secondsOption({
      help: 'Seconds since its last byte was written for which a blob is never removed by a search.',
      default: 86_400,
    }),
    confirm_after: integerOption({
      help: 'Seconds after it was first found without an image that a blob is found again before it may be removed. Shorter than sweep_interval, or it takes three searches.',
      default: 43_200,
      min: 1,
      max: 6 * 86_400,
    }),
  },
  oslo_middleware: {
    enable_proxy_headers_parsing: booleanOption({
      help: 'Believe the trusted_proxies when they say in X-Forwarded-For, -Proto, -Host and -Prefix, or in Forwarded (RFC 7239) where there is none of the former, from where and how a client came: for links, the log and limits. The proxy must set or remove each of these headers.',
      default: false,
    }),
  },
  cors: {
    allowed_origin: listOption({
      help: 'Origins (https://horizon.example) whose pages may use the API; * for all. Unset: no page of another origin.',
      default: [],
    }),
    allow_credentials: booleanOption({
      help: 'Let these pages send cookies and client certificates. Not together with allowed_origin = *: every web page could act as whoever visits it.',
      default: true,
    }),
    expose_headers: listOption({
      help: 'Headers of answers that these pages may read.',
      default: [
        'X-Image-Meta-Checksum',
        'X-Auth-Token',
        'X-Subject-Token',
        'X-Service-Token',
        'X-OpenStack-Request-ID',
      ],
    }),
    max_age: integerOption({
      help: 'Seconds that a browser remembers what these pages may do.',
      default: 3600,
    }),
    allow_methods: listOption({
      help: 'Methods that these pages may use.',
      default: ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'],
    }),
    allow_headers: listOption({
      help: 'Headers that these pages may send, beside simple ones such as Content-Type.',
      default: [
        'Content-MD5',
        'X-Image-Meta-Checksum',
        'X-Storage-Token',
        'Accept-Encoding',
        'X-Auth-Token',
        'X-Identity-Status',
        'X-Roles',
        'X-Service-Catalog',
        'X-User-Id',
        'X-Tenant-Id',
        'X-OpenStack-Request-ID',
      ],
    }),
  },
  service_auth: serviceAuthOptions,
  healthcheck: healthcheckOptions,
  metrics: metricsOptions,
};

export type ApiConfig = ConfigOf<typeof API_OPTIONS>;

export const API_DEFAULT_FILES = ['/etc/glance/glance-api.conf'];
