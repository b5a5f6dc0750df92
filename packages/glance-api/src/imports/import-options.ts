import { integerOption, listOption, secondsOption, textOption } from '@glance/service-kit';
import { IMPORT_METHODS, type ImportMethod } from '@glance/common';
import { CONVERSION_FORMATS } from './preparation/disk-conversion';

/** Methods by which users name what this service reads. */
const OUTBOUND = new Set<ImportMethod>(['web-download', 'glance-download']);

export const IMPORT_PLUGINS = [
  'no_op',
  'inject_image_metadata',
  'image_decompression',
  'image_conversion',
] as const;

/** Options of `[DEFAULT]` about imports. */
export const IMPORT_DEFAULTS = {
  enabled_import_methods: listOption({
    help: `Ways in which images may be imported, of: ${IMPORT_METHODS.join(', ')}. Others are left out with a warning. With web-download users name web servers that this service reads, as [import_filtering_opts] and the http_store_ options of [glance_store] let them; addresses that are not public are refused unless these name them. Upstream has it enabled by default, where nothing of a user's choice is read here. With glance-download users name images in other regions of their service catalog; the data's URL must pass [import_filtering_opts], whose default does not have port 9292.`,
    default: IMPORT_METHODS.filter((method) => !OUTBOUND.has(method)),
  }),
  node_staging_uri: textOption({
    help: 'Directory, as file:///PATH, where glance-direct keeps what clients have staged until it is imported. It is made when it is needed, for this service alone. Nodes that share it can import what any of them took; otherwise the node that took it does. With enabled_backends, [os_glance_staging_store] filesystem_store_datadir is meant.',
    default: 'file:///var/lib/glance/staging/',
    pattern: { regex: /^file:\/\/\/[^\s]*$/, description: 'a URL as file:///PATH' },
  }),
  worker_self_reference_url: textOption({
    help: 'Not needed: what a node has staged is imported by that node, whichever is asked.',
  }),
};

const RESERVED_STORE = {
  filesystem_store_datadir: textOption({
    help: 'With enabled_backends, the directory of node_staging_uri.',
    default: '/var/lib/glance/os_glance_staging_store',
  }),
};

const list = (help: string, values: readonly string[] = []) =>
  listOption({ help, default: [...values] });

/** The sections about imports and tasks, under upstream's names; `[import]` is our own. */
export const IMPORT_SECTIONS = {
  os_glance_staging_store: RESERVED_STORE,
  os_glance_tasks_store: {
    filesystem_store_datadir: textOption({
      help: 'With enabled_backends, the directory of [task] work_dir; without it: .work in the staging area.',
    }),
  },
  task: {
    task_time_to_live: integerOption({
      help: 'Hours for which a task is shown once it has ended.',
      default: 48,
      max: 87_840,
    }),
    task_executor: textOption({ help: 'Not needed: there is one.' }),
    export_dir: textOption({
      help: 'Directory that tasks of type export write images to, each as a file whose name begins with the id of the image; none can be exported unless it is set. It is made when it is needed, for this service alone, and nothing is ever removed from it. Nodes may share it.',
    }),
    work_dir: textOption({
      help: 'Directory for the files that image_conversion and image_decompression need while they run, of the size of the images. It is made when it is needed, for this service alone. Without it: .work in the staging area. With enabled_backends, [os_glance_tasks_store] filesystem_store_datadir is meant.',
    }),
  },
  import_filtering_opts: {
    allowed_schemes: list('Schemes of web-download.', ['http', 'https']),
    disallowed_schemes: list('Schemes it may not have; without effect beside allowed_schemes.'),
    allowed_hosts: list(
      'Hosts that web-download may read, whole names or addresses; all public ones when empty.',
    ),
    disallowed_hosts: list('Hosts it may not read; without effect beside allowed_hosts.'),
    allowed_ports: list(
      'Ports of web-download, when the URL names one; any that is not disallowed when empty.',
      ['80', '443'],
    ),
    disallowed_ports: list('Ports it may not use; without effect beside allowed_ports.'),
  },
  image_import_opts: {
    image_import_plugins: list(
      `What is done to every imported image but copies, of: ${IMPORT_PLUGINS.join(', ')}. Whatever their order, data is unpacked before it is converted.`,
    ),
  },
  image_conversion: {
    output_format: textOption({
      help: 'What image_conversion makes of bare images that are no iso; needs qemu-img.',
      choices: CONVERSION_FORMATS,
      default: 'raw',
    }),
  },
  glance_download_properties: {
    extra_properties: list(
      'Beginnings of the names of properties that glance-download brings along.',
      [...['hw_', 'trait:', 'os_distro', 'os_secure_boot', 'os_type']],
    ),
  },
  inject_metadata_properties: {
    inject: list('Properties, as NAME:VALUE, that inject_image_metadata gives to imported images.'),
    ignore_user_roles: list('Roles whose holders import without that.', ['admin']),
  },
  import: {
    concurrency: integerOption({
      help: 'Imports that one process carries out at a time; more wait.',
      default: 4,
      min: 1,
      max: 64,
    }),
    attempts: integerOption({
      help: 'Processes that may die while they fill a store before it counts as failed.',
      default: 3,
      min: 1,
      max: 1000,
    }),
    poll_interval: secondsOption({
      help: 'Seconds between two searches for imports that no process carries out. Less than 60: a staging area that nobody has read for 120 is taken for lost.',
      default: 5,
      min: 0.1,
      max: 60,
    }),
    timeout: secondsOption({
      help: 'Seconds that filling one store may take in all.',
      default: 43_200,
      min: 1,
    }),
  },
};
