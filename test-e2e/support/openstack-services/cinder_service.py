"""Cinder as its own programs start it."""

import os

import eventlet

eventlet.monkey_patch()

from oslo_config import cfg

from cinder.common import config  # noqa: F401  registers options
from cinder import objects
from cinder.api.middleware.auth import CinderKeystoneContext

from request_contexts import RequestContexts

CONF = cfg.CONF
objects.register_all()
CONF(['--config-file', os.environ['SERVICE_CONF']], project='cinder')
contexts = RequestContexts(CinderKeystoneContext, 'cinder.context')
