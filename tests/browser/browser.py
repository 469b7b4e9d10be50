"""A headless Chromium, spoken to by its DevTools protocol over a pair of pipes: no port, no package."""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 30.0


def high(*descriptors):
    """The same with numbers that are not taken by what Chromium reads and writes."""
    copies = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    return copies


class Browser:
    """One Chromium with its own profile; it ends with the `with` block."""

    def __enter__(self):
        self.profile = tempfile.mkdtemp()
        theirs_in, self.to = high(*os.pipe())
        self.back, theirs_out = high(*os.pipe())
        arguments = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--no-first-run",
            "--hide-scrollbars",
            "--font-render-hinting=none",
            f"--user-data-dir={self.profile}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        # Chromium reads its orders from descriptor 3 and answers on 4.
        fixed = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out} {theirs_in}<&- {theirs_out}>&-'
        self.process = subprocess.Popen(
            ["bash", "-c", fixed, "bash", *arguments],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.numbers = itertools.count(1)
        self.rest = b""
        self.events = []
        return self

    def __exit__(self, *_):
        os.close(self.to)
        self.process.kill()
        self.process.wait()
        os.close(self.back)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, until):
        while b"\0" not in self.rest:
            if not select.select([self.back], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError("Chromium gives no answer")
            piece = os.read(self.back, 1 << 20)
            if not piece:
                raise ConnectionError("Chromium has ended")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        """What Chromium answers to one order; events that come before it are kept."""
        number = next(self.numbers)
        order = {"id": number, "method": method, "params": parameters}
        if session:
            order["sessionId"] = session
        os.write(self.to, json.dumps(order).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            message = self.receive(until)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method, session):
        """Waits for an event, which may have come already."""
        until = time.monotonic() + PATIENCE
        seen = 0
        while True:
            for event in self.events[seen:]:
                if event.get("method") == method and event.get("sessionId") == session:
                    return
            seen = len(self.events)
            self.events.append(self.receive(until))


class Page:
    """A page in a window of so many pixels, light or dark."""

    def __init__(self, browser, url, width, height, scheme):
        self.browser = browser
        browser.events.clear()
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.scheme = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[self.scheme])
        browser.events.clear()
        self.call("Page.navigate", url=url)
        browser.wait_for("Page.loadEventFired", self.session)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def run(self, script):
        """The value of an expression; the page's own policy does not hold for it."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def printed(self):
        self.call("Emulation.setEmulatedMedia", media="print", features=[self.scheme])

    def picture(self, path, whole):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole, optimizeForSpeed=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def said(self):
        """What the page complained of, and what it asked for besides itself."""
        wrong = []
        asked = 0
        for event in self.browser.events:
            method, told = event.get("method"), event.get("params", {})
            if method == "Runtime.consoleAPICalled":
                wrong.append(f"console: {told['args']}")
            elif method == "Runtime.exceptionThrown":
                wrong.append(f"exception: {told['exceptionDetails']['text']}")
            elif method == "Log.entryAdded":
                wrong.append(f"log: {told['entry']['text']}")
            elif method == "Network.requestWillBeSent":
                asked += 1
                if asked > 1:
                    wrong.append(f"request: {told['request']['url'][:200]}")
        return wrong

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
