"""A STAND-IN for vLLM: serves one model over a socket to whoever has the key, and says one word for each token."""

import json
import os
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler


def option(name):
    return sys.argv[sys.argv.index(name) + 1]


class Handler(BaseHTTPRequestHandler):
    def address_string(self):
        return "socket"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def is_refused(self):
        if self.headers.get("Authorization") == "Bearer " + os.environ["VLLM_API_KEY"]:
            return False
        self.answer(401, b"{}")
        return True

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, b"")
        elif not self.is_refused():
            self.answer(200, json.dumps({"object": "list", "data": [{"id": option("--served-model-name")}]}).encode())

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_refused():
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        tokens = request["max_tokens"]
        events = [{"choices": [{"index": 0, "delta": {"content": "word "}}]}] * tokens
        usage = {"prompt_tokens": 16, "completion_tokens": tokens, "total_tokens": 16 + tokens}
        for event in [*events, {"choices": [], "usage": usage}]:
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            self.wfile.flush()
            time.sleep(0.01)
        self.wfile.write(b"data: [DONE]\n\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    # Without the model that was declared, it does not start.
    size = os.path.getsize(os.path.join(sys.argv[2], "model.safetensors"))
    print("serves", size, "bytes", flush=True)
    Server(option("--uds"), Handler).serve_forever()
