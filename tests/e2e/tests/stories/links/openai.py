"""What a gateway says, without a model: python3 openai.py ADDRESS PORT KEY MODEL MODE-FILE"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

address, port, key, model, mode = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refused(self):
        if self.headers.get("Authorization") != f"Bearer {key}":
            self.answer(401, {"error": "Unauthorized"})
        elif os.path.exists(mode):
            self.answer(503, {"error": "no server is available"})
        else:
            return False
        return True

    def do_GET(self):
        if self.refused():
            return
        if self.path == "/health":
            self.answer(200, {})
        elif self.path == "/v1/models":
            self.answer(200, {"data": [{"id": model}]})
        else:
            self.answer(404, {})

    def do_POST(self):
        if self.refused():
            return
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = request["model"] == model and request["max_tokens"] == 1
        content = "Hello" if good else ""
        self.answer(200, {"choices": [{"message": {"content": content}}]})

    def log_message(self, *_):
        pass


ThreadingHTTPServer((address, int(port)), Handler).serve_forever()
