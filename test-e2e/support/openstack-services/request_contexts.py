"""The contexts that the API of a service makes of users' tokens."""

import os

import webob
from keystonemiddleware import auth_token


class RequestContexts:
    def __init__(self, middleware, key):
        """middleware: of the service, which puts the context under this key."""
        self.key = key
        self.api = auth_token.AuthProtocol(middleware(self.answer), {})

    def answer(self, environ, start_response):
        self.made = environ[self.key]
        return webob.Response()(environ, start_response)

    def of_token(self, token):
        request = webob.Request.blank('/', headers={'X-Auth-Token': token})
        answer = request.get_response(self.api)
        assert answer.status_int == 200, answer
        return self.made

    def of(self, user):
        return self.of_token(os.environ['TOKEN_' + user])
