/**
 * What an option of upstream means here that this service does not have. `ignored`: nothing is lost
 * without it. `note`: something is, or belongs elsewhere.
 */
export interface UpstreamOption {
  verdict: 'ignored' | 'note' | 'change';
  text: string;
  /** With these values only (in lower case); with any other it is ignored. */
  values?: readonly string[];
}

const NOT_NEEDED = 'there is nothing here that needs it';
const LOG = 'the log has one form, on standard error or in log_file, or JSON by use_json';
const FALSE = ['false', '0', 'no', 'off'];

const ignored = (text: string): UpstreamOption => ({ verdict: 'ignored', text });
const note = (text: string, values?: readonly string[]): UpstreamOption => ({
  verdict: 'note',
  text,
  ...(values && { values }),
});
const all = (names: string, meaning: UpstreamOption): Record<string, UpstreamOption> =>
  Object.fromEntries(names.split(' ').map((name) => [name, meaning]));

/** Whole sections of upstream (releases Queens to 2024.1) that this service does not have. */
export const UPSTREAM_SECTIONS: Readonly<Record<string, UpstreamOption>> = {
  oslo_concurrency: ignored('processes of this service share no lock files'),
  oslo_reports: ignored('there are no Guru reports; see /readyz and the metrics'),
  profiler: ignored('osprofiler is not supported; traces go by the header traceparent'),
  taskflow_executor: ignored('imports are carried out by each process; see [import] concurrency'),
  wsgi: ignored('workers and [transfer] say how much is done at a time'),
  oslo_messaging_amqp: note(
    'notifications go to RabbitMQ, by [oslo_messaging_rabbit] of glance-registry.conf',
  ),
  oslo_messaging_kafka: note(
    'notifications go to RabbitMQ, by [oslo_messaging_rabbit] of glance-registry.conf',
  ),
  barbican_service_user: ignored("certificates are asked for with the caller's token"),
  vault: note('certificates of signed images come from Barbican or a directory: see [key_manager]'),
  store_type_location_strategy: note(
    'weight in the section of each store says which is read first',
  ),
  glance_download_opts: note('the section is called [glance_download_properties] here'),
  file: ignored('upstream reads it for a store of this name in enabled_backends only'),
  cinder: ignored('upstream reads it for a store of this name in enabled_backends only'),
  ...all(
    'glance.store.http.store glance.store.rbd.store glance.store.s3.store glance.store.swift.store glance.store.vmware_datastore.store',
    ignored('it is a heading of the sample file; stores have sections of their own names'),
  ),
};

/** Options of upstream (releases Queens to 2024.1), in sections that this service has too. */
export const UPSTREAM_OPTIONS: Readonly<Record<string, Readonly<Record<string, UpstreamOption>>>> =
  {
    DEFAULT: {
      owner_is_tenant: ignored('images belong to projects'),
      allow_additional_image_properties: note(
        'images may have any properties here: refuse them by property_protection_file',
        FALSE,
      ),
      hashing_algorithm: note('new images are hashed by sha512, whatever it says', [
        'sha256',
        'sha384',
        'blake2b',
        'blake2s',
        'sha3_256',
        'sha3_384',
        'sha3_512',
        'sha1',
        'md5',
      ]),
      digest_algorithm: ignored('signatures name their own hash'),
      enforce_secure_rbac: ignored('[oslo_policy] enforce_new_defaults decides'),
      location_strategy: note(
        'of several locations that of the heaviest store is read first: give stores a weight',
        ['store_type'],
      ),
      ...all(
        'http_keepalive tcp_keepidle pipe_handle backdoor_port backdoor_socket eventlet_executor_pool_size',
        ignored(NOT_NEEDED),
      ),
      ...all(
        'pydev_worker_debug_host pydev_worker_debug_port fatal_deprecations',
        ignored('it is for developers of upstream'),
      ),
      ...all(
        'rpc_conn_pool_size conn_pool_min_size conn_pool_ttl executor_thread_pool_size rpc_response_timeout rpc_ping_enabled allowed_rpc_exception_modules',
        ignored('there are no remote procedure calls'),
      ),
      ...all(
        'verbose log_config_append log_config log_format log_date_format watch_log_file use_stderr use_eventlog log_rotate_interval log_rotate_interval_type max_logfile_count max_logfile_size_mb log_rotation_type logging_context_format_string logging_default_format_string logging_debug_format_suffix logging_exception_prefix logging_user_identity_format default_log_levels publish_errors instance_format instance_uuid_format rate_limit_interval rate_limit_burst rate_limit_except_level',
        ignored(LOG),
      ),
      ...all(
        'use_syslog use_journal syslog_log_facility use_syslog_rfc_format',
        ignored('the log goes to standard error, from where systemd has it, or to log_file'),
      ),
      data_api: ignored('the database is always behind glance-registry'),
      ...all(
        'use_user_token admin_user admin_password admin_tenant_name auth_url auth_strategy auth_region send_identity_headers registry_client_insecure registry_client_timeout enable_v2_registry',
        ignored('glance-registry is called with the key of [service_auth]'),
      ),
      ...all(
        'cleanup_scrubber cleanup_scrubber_time scrubber_datadir',
        ignored('deletions are in the database, and any process finishes them'),
      ),
      ...all(
        'sql_connection sql_idle_timeout',
        note('say it as [database] connection in glance-registry.conf'),
      ),
      ...all('disk_formats container_formats', note('the option stands in [image_format]')),
      ...all(
        'filesystem_store_datadir default_store known_stores swift_store_auth_address rbd_store_pool s3_store_host',
        note('options of stores stand in [glance_store]'),
      ),
      ...all(
        'lock_path disable_process_locking',
        ignored('processes of this service share no lock files'),
      ),
    },
    paste_deploy: {
      config_file: ignored('pipelines are built in; [paste_deploy] flavor chooses one'),
    },
    glance_store: {
      store_capabilities_update_min_interval: ignored(NOT_NEEDED),
      ...all(
        'cinder_catalog_info cinder_endpoint_template cinder_os_region_name cinder_ca_certificates_file cinder_http_retries cinder_state_transition_timeout cinder_api_insecure cinder_store_auth_address cinder_store_user_name cinder_store_user_domain_name cinder_store_password cinder_store_project_name cinder_store_project_domain_name rootwrap_config cinder_volume_type cinder_enforce_multipath cinder_use_multipath cinder_mount_point_base',
        ignored('there is no cinder store here'),
      ),
      ...all(
        'vmware_server_host vmware_server_username vmware_server_password vmware_api_retry_count vmware_task_poll_interval vmware_store_image_dir vmware_insecure vmware_ca_file vmware_datastores',
        ignored('there is no vmware store here'),
      ),
    },
    keystone_authtoken: {
      auth_section: {
        verdict: 'change',
        text: 'options of another section are not read: write them into [keystone_authtoken]',
      },
      ...all(
        'delay_auth_decision cache memcache_security_strategy memcache_secret_key memcache_pool_dead_retry memcache_pool_maxsize memcache_pool_socket_timeout memcache_pool_unused_timeout memcache_pool_conn_get_timeout memcache_use_advanced_pool include_service_catalog hash_algorithms signing_dir check_revocations_for_cached revocation_cache_time identity_uri auth_admin_prefix auth_host auth_port auth_protocol admin_token',
        ignored('every process remembers tokens in its own memory'),
      ),
      enforce_token_bind: ignored('tokens of Keystone v3 are not bound'),
      ...all(
        'timeout collect_timing split_loggers trust_id domain_id domain_name default_domain_id default_domain_name',
        ignored(NOT_NEEDED),
      ),
    },
    oslo_limit: {
      auth_section: {
        verdict: 'change',
        text: 'options of another section are not read: write them into [oslo_limit]',
      },
      ...all(
        'timeout collect_timing split_loggers domain_id domain_name trust_id default_domain_id default_domain_name service_type service_name valid_interfaces endpoint_override version min_version max_version connect_retries connect_retry_delay status_code_retries status_code_retry_delay',
        ignored('auth_url is the URL that is asked'),
      ),
    },
    oslo_policy: all(
      'remote_content_type remote_ssl_verify_server_crt remote_ssl_ca_crt_file remote_ssl_client_crt_file remote_ssl_client_key_file remote_timeout',
      ignored('no rule is decided by a remote server'),
    ),
    healthcheck: {
      ...all('path backends', ignored('/healthcheck, /livez and /readyz are always there')),
      detailed: ignored('/readyz tells what is not ready'),
      disable_by_file_paths: note('use disable_by_file_path: one file for all ports'),
    },
    barbican: all(
      'auth_endpoint retry_delay number_of_retries send_service_user_token',
      ignored("certificates are asked for with the caller's token"),
    ),
    key_manager: all(
      'auth_type api_class fixed_key token username password auth_url user_id user_domain_id user_domain_name trust_id domain_id domain_name project_id project_name project_domain_id project_domain_name reauthenticate',
      ignored("certificates are asked for with the caller's token"),
    ),
    task: all('eventlet_executor_pool_size', ignored('see [import] concurrency')),
  };
