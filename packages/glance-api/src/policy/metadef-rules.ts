import type { DefaultRule } from './default-rules';

const OWN_OR_PUBLIC = `is_admin:True or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))`;

const read = (help: string) => ({
  rule: OWN_OR_PUBLIC,
  formerly: 'rule:metadef_default',
  help,
});
const write = (help: string) => ({ rule: 'rule:metadef_admin', help });

/** Who may do what with metadata definitions (metadefs sheet §2); what a namespace holds is its owner's. */
export const METADEF_ACTIONS = {
  get_metadef_namespace: read(
    'Show a namespace of metadata definitions. Who may not is told that there is none.',
  ),
  get_metadef_namespaces: {
    rule: 'is_admin:True or (role:reader and project_id:%(project_id)s)',
    formerly: 'rule:metadef_default',
    help: 'List namespaces; each is shown as get_metadef_namespace says.',
  },
  add_metadef_namespace: write('Create a namespace.'),
  modify_metadef_namespace: write('Change a namespace.'),
  delete_metadef_namespace: write('Delete a namespace, or all that it holds of a kind.'),
  get_metadef_object: read('Show an object; asked for each of a list.'),
  get_metadef_objects: read('List the objects of a namespace.'),
  add_metadef_object: write('Add an object.'),
  modify_metadef_object: write('Change an object.'),
  delete_metadef_object: write('Delete an object.'),
  list_metadef_resource_types: read('List resource types, or those of a namespace.'),
  get_metadef_resource_type: read('Show with which resource type a namespace is associated.'),
  add_metadef_resource_type_association: write('Associate a namespace with a resource type.'),
  remove_metadef_resource_type_association: write('End such an association.'),
  get_metadef_property: read('Show a property definition.'),
  get_metadef_properties: read('List the property definitions of a namespace.'),
  add_metadef_property: write('Add a property definition.'),
  modify_metadef_property: write('Change a property definition.'),
  remove_metadef_property: write('Delete a property definition.'),
  get_metadef_tag: read('Show a tag of a namespace.'),
  get_metadef_tags: read('List the tags of a namespace.'),
  add_metadef_tag: write('Add a tag to a namespace.'),
  add_metadef_tags: write('Set all tags of a namespace.'),
  modify_metadef_tag: write('Rename a tag of a namespace.'),
  delete_metadef_tag: write('Delete a tag of a namespace.'),
  delete_metadef_tags: write(
    'Delete all tags of a namespace; delete_metadef_namespace is asked too.',
  ),
} as const satisfies Record<string, DefaultRule>;
