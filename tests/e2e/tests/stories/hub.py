"""A hub of models and an index of wheels over HTTPS, with ranges and redirects, that misbehaves as `control.json` says.

Usage: hub.py FOLDER ADDRESS PORT. FOLDER holds `cert.pem`, `key.pem` and `files/`. Every answer adds a line to `log`:
STATUS PATH FIRST-BYTE BYTES-SENT. A folder below `simple/` is shown as the page of a package, with the hashes of its wheels.
"""

import hashlib
import json
import ssl
import sys
import time
import zipfile
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import quote, unquote

folder = Path(sys.argv[1])
lock = Lock()


def misbehaviour():
    """What is wrong with the next answer; `times` counts down."""
    with lock:
        control = json.loads((folder / "control.json").read_text())
        if control.get("times", 1) < 1:
            return {key: value for key, value in control.items() if key in ("token", "login", "rate", "redirect")}
        if "times" in control:
            counted = dict(control, times=control["times"] - 1)
            (folder / "control.json").write_text(json.dumps(counted))
        return control


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.sent = 0
        self.first = 0
        path = unquote(self.path)
        if path.startswith("/cdn/") or "/resolve/" not in path:
            control = misbehaviour()
        else:
            control = json.loads((folder / "control.json").read_text())
            if control.get("redirect"):
                return self.plain(302, b"", {"Location": "/cdn" + path})
            control = misbehaviour()
        # With both, models take the token, packages the login, and the program of uv neither.
        both = "token" in control and "login" in control
        token = control.get("token") if not both or "/resolve/" in path else None
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            return self.plain(401, b"no\n")
        login = control.get("login") if not both or path.startswith("/simple/") else None
        if login and self.headers.get("Authorization") != "Basic " + b64encode(login.encode()).decode():
            return self.plain(401, b"no\n", {"WWW-Authenticate": "Basic"})
        if "status" in control:
            headers = {"Retry-After": str(control["retry_after"])} if "retry_after" in control else {}
            return self.plain(control["status"], b"no\n", headers)
        if control.get("html"):
            return self.plain(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
        if path.startswith("/simple/") and path.endswith("/"):
            return self.package(folder / "files" / path.strip("/"))
        if path.endswith(".whl.metadata"):
            return self.metadata(folder / "files" / path.strip("/").removesuffix(".metadata"))
        self.file(path.removeprefix("/cdn"), control)

    def package(self, place):
        """The page of a package: its wheels, whose metadata can be asked without them."""
        wheels = sorted(place.glob("*.whl"))
        if not wheels:
            return self.plain(404, b"no\n")
        files = []
        for wheel in wheels:
            with wheel.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files.append({
                "filename": wheel.name,
                "url": quote(wheel.name),
                "hashes": {"sha256": digest},
                "size": wheel.stat().st_size,
                "core-metadata": True,
            })
        page = {"meta": {"api-version": "1.1"}, "name": place.name, "files": files}
        self.plain(200, json.dumps(page).encode(), {"Content-Type": "application/vnd.pypi.simple.v1+json"})

    def metadata(self, wheel):
        if not wheel.is_file():
            return self.plain(404, b"no\n")
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [it for it in archive.namelist() if it.count("/") == 1 and it.endswith(".dist-info/METADATA")]
            self.plain(200, archive.read(name))

    def plain(self, status, body, headers=None):
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.sent = len(body)
        self.note(status)

    def file(self, path, control):
        file = folder / "files" / path.lstrip("/")
        if not file.is_file():
            return self.plain(404, b"no\n")
        end = size = file.stat().st_size
        asked = self.headers.get("Range")
        status = 200
        if asked and not control.get("ignore_range"):
            self.first = int(asked.removeprefix("bytes=").split("-")[0])
            if self.first >= size:
                return self.plain(416, b"", {"Content-Range": f"bytes */{size}"})
            status = 206
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size - self.first))
        if status == 206:
            self.send_header("Content-Range", f"bytes {self.first}-{size - 1}/{size}")
        self.end_headers()
        rate = control.get("rate")
        step = rate // 10 if rate else 1 << 20
        if "cut_after" in control:
            end = min(end, self.first + control["cut_after"])
        try:
            with file.open("rb") as content:
                content.seek(self.first)
                while piece := content.read(min(step, end - self.first - self.sent)):
                    self.wfile.write(piece)
                    self.sent += len(piece)
                    if rate:
                        time.sleep(0.1)
        except OSError:
            pass
        self.note(status)
        if end < size:
            self.close_connection = True
            self.connection.close()

    def note(self, status):
        with lock, (folder / "log").open("a") as log:
            log.write(f"{status} {self.path.rsplit('/', 1)[-1]} {self.first} {self.sent}\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    # A link that is cut leaves a broken connection, which is nothing to tell.
    def handle_error(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
server = Server((sys.argv[2], int(sys.argv[3])), Hub)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
(folder / "ready").touch()
server.serve_forever()
