"""A hub over HTTPS in the shape of the Hugging Face Hub's API: hub.py CERTIFICATE KEY. Prints its port.

The name of a repository says what is wrong with it.
"""

import hashlib
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = b'{"model_type": "llama", "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4, "torch_dtype": "bfloat16"}\n'
SMALL = {"config.json": CONFIG, "tokenizer/merges.txt": b"a b\n", ".gitattributes": b""}
WEIGHTS = "2b1879f356aed350030bb40eb45ad362c89d9891096f79a3ab323d3ba5607668"


def small(path, size=None):
    content = SMALL.get(path, b"")
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"type": "file", "oid": oid, "size": len(content) if size is None else size, "path": path}


def large(path, size):
    lfs = {"oid": WEIGHTS, "size": size, "pointerSize": 135}
    return {"type": "file", "oid": "f" * 40, "size": size, "path": path, "lfs": lfs, "xetHash": "5" * 64}


FOLDER = {"type": "directory", "oid": "e" * 40, "size": 0, "path": "tokenizer"}
PAGES = {
    "tiny": [[FOLDER, small("config.json"), large("model.safetensors", 4976698672)],
             [small("tokenizer/merges.txt"), small(".gitattributes")]],
    "gated": [[small("config.json"), large("model.safetensors", 10)]],
    "short": [[small("config.json", 22)]],
    "odd": [[large("model weights.bin", 10)]],
    "many": [[large(f"part-{number}.bin", 1) for number in range(2001)]],
    "elsewhere": [[small("config.json")], []],
    "page": [[]],
}
STATUS = {"none": 404, "busy": 429, "broken": 503}


class Hub(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        words = path.strip("/").split("/")
        if words[0] == "cdn":
            if self.headers.get("Host") != f"localhost:{PORT}" or self.headers.get("Authorization"):
                return self.answer(400, b"the token was to stay")
            return self.answer(200, SMALL["/".join(words[1:])])
        at = words.index("lab") + 1
        repository, verb, revision = words[at : at + 3]
        if repository in STATUS:
            return self.answer(STATUS[repository], b"no")
        if repository == "gated" and self.headers.get("Authorization") != "Bearer hf_good":
            code = 403 if self.headers.get("Authorization") else 401
            message = "Access to model lab/gated is restricted. \x1b[31mLog in."
            return self.answer(code, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": message})
        if verb == "revision":
            if revision not in ("main", "refs%2Fpr%2F1"):
                return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": f"Invalid rev id: {revision}"})
            if repository == "page":
                return self.answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
            return self.answer(200, json.dumps({"id": f"lab/{repository}", "sha": COMMIT, "siblings": []}).encode())
        if verb == "tree":
            if revision != COMMIT or "recursive=true" not in query:
                return self.answer(400, b"")
            pages = PAGES[repository]
            number = int(query.partition("cursor=")[2] or 0)
            host = "evil.example" if repository == "elsewhere" else f"127.0.0.1:{PORT}"
            more = number + 1 < len(pages)
            link = f'<https://{host}{path}?recursive=true&limit=1000&cursor={number + 1}>; rel="next"'
            return self.answer(200, json.dumps(pages[number]).encode(), {"Link": link} if more else {})
        file = "/".join(words[at + 3 :])
        if file == "config.json":
            return self.answer(302, b"", {"Location": f"https://localhost:{PORT}/cdn/{file}"})
        self.answer(200, SMALL[file])

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:])
server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
PORT = server.server_address[1]
print(PORT, flush=True)
server.serve_forever()
