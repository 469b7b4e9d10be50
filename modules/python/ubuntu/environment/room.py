# How many packages uv would install, how many of them its cache does not have, and the bytes of their wheels as far as the lock
# knows them: room.py LOCK WHAT-UV-SAID CACHE.
import glob
import os
import platform
import re
import sys

lock, said, cache = sys.argv[1:]
machines = (platform.machine(), "universal2") if sys.platform == "darwin" else (platform.machine(),)


def plain(name):
    return re.sub(r"[-_.]+", "_", name).lower()


def sizes():
    """The largest wheel of each package that this machine may take, by name and version."""
    with open(lock) as file:
        blocks = file.read().split("[[package]]")[1:]
    for block in blocks:
        name = re.search(r'^name = "([^"]+)"', block, re.M)
        version = re.search(r'^version = "([^"]+)"', block, re.M)
        if not name or not version:
            continue
        wheels = re.findall(r'([^/"]+)\.whl".*?\bsize = (\d+)', block)
        fitting = [int(size) for file, size in wheels if file.endswith("any") or any(machine in file for machine in machines)]
        yield (plain(name[1]), version[1]), max(fitting, default=0)


def kept():
    """Packages whose wheels the cache has: links `wheels-vN/…/NAME/VERSION-TAGS` to what was unpacked."""
    for top in glob.glob(os.path.join(cache, "wheels-v*")):
        for folder, folders, files in os.walk(top):
            for entry in folders + files:
                path = os.path.join(folder, entry)
                if os.path.islink(path) and os.path.exists(path):
                    yield plain(os.path.basename(folder)), entry.partition("-")[0]


known = dict(sizes())
there = set(kept())
with open(said) as file:
    wanted = re.findall(r"^ \+ ([A-Za-z0-9._-]+)==(\S+)", file.read(), re.M)
wanted = {(plain(name), version) for name, version in wanted}
new = wanted - there
print(len(wanted), len(new), sum(known.get(package, 0) for package in new))
