# Lists all files of an environment with hash and size, and compares them with what the wheels say of theirs. Ends with 1 where
# one differs: list.py ENVIRONMENT LIST.
import base64
import csv
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor

root, target = sys.argv[1:]


def files():
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                yield path


def measured(path):
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return path, digest.digest(), size


def recorded(found):
    """What the RECORD of each wheel says: path and hash."""
    for path in found:
        folder, name = os.path.split(path)
        place = os.path.basename(os.path.dirname(folder))
        # Deeper ones are of packages that a wheel brings along, and may be of other files than it has: those of Ray are.
        if name == "RECORD" and folder.endswith(".dist-info") and place == "site-packages":
            with open(path, newline="") as file:
                for name, digest, *_ in csv.reader(file):
                    if digest.startswith("sha256="):
                        yield os.path.normpath(os.path.join(folder, "..", name)), digest[len("sha256=") :]


found = sorted(files())
with ThreadPoolExecutor(os.cpu_count()) as pool:
    measured = {path: (digest, size) for path, digest, size in pool.map(measured, found)}
wrong = 0
for path, digest in recorded(found):
    here = measured.get(path)
    if here is None or base64.urlsafe_b64encode(here[0]).rstrip(b"=").decode() != digest:
        print(f"{path}: {'is missing' if here is None else 'has other bytes than its wheel says'}")
        wrong += 1
with open(target, "w") as file:
    for path, (digest, size) in measured.items():
        file.write(f"{digest.hex()} {size} {os.path.relpath(path, root)}\n")
sys.exit(1 if wrong else 0)
