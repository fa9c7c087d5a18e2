"""An app that answers with what a WSGI app is told of a request."""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def app(environ, start_response):
    seen = {name: value for name, value in environ.items() if isinstance(value, str) and name.isupper()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


host, port = sys.argv[1].rsplit(":", 1)
make_server(host, int(port), app, handler_class=Quiet).serve_forever()
