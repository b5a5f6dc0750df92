"""Runs commands of the unmodified openstack client, one after the other, in one process.

Reads one JSON object a line, {"args": [...], "environment": {...}}; answers each with one,
{"code": N, "out": TEXT, "err": TEXT}. What would take a second for every command, the start of
Python and of the client's plug-ins, is paid once.
"""

import contextlib
import io
import json
import logging
import os
import sys

from openstackclient import shell
from openstackclient.common import clientmanager
from osc_lib.clientmanager import ClientCache

BASE = dict(os.environ)
ANSWERS = os.fdopen(os.dup(1), "w")


def forget():
    """What the command before has left: who it was, and where it wrote its log."""
    for cls in clientmanager.ClientManager.__mro__:
        for attribute in vars(cls).values():
            if isinstance(attribute, ClientCache):
                attribute._handle = None
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)


def run(args, environment):
    os.environ.clear()
    os.environ.update(BASE, **environment)
    forget()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.OpenStackShell().run(args)
        except SystemExit as end:
            code = end.code
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


for line in sys.stdin:
    command = json.loads(line)
    ANSWERS.write(json.dumps(run(command["args"], command["environment"])) + "\n")
    ANSWERS.flush()
