"""Nova as its own programs start it."""

import os

import nova.cmd  # noqa: F401  has eventlet patch what it must, before anything else is imported

import nova.conf
from nova import config, objects
from nova.api.auth import NovaKeystoneContext

from request_contexts import RequestContexts

CONF = nova.conf.CONF
config.parse_args(
    ['nova', '--config-file', os.environ['SERVICE_CONF']], configure_db=False, init_rpc=False
)
objects.register_all()
contexts = RequestContexts(NovaKeystoneContext, 'nova.context')
