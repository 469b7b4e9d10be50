"""Makes the wheel of a package with one module: wheel.py FOLDER NAME VERSION TAG BYTES [REQUIREMENT].

The module is FOLDER/NAME.py where that is there, and else says its version; BYTES of noise are beside it. With none, the package
is a name alone, without a module. Prints the wheel's file name.
"""

import base64
import hashlib
import random
import sys
import zipfile
from pathlib import Path

folder, name, version, tag, size, *requires = sys.argv[1:]
info = f"{name}-{version}.dist-info"
metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
metadata += "".join(f"Requires-Dist: {it}\n" for it in requires)
files = {
    f"{info}/METADATA": metadata.encode(),
    f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
}
if int(size):
    files |= {
        f"{name}/__init__.py": f"__version__ = '{version}'\n\n\ndef main():\n    print('{name} {version}')\n".encode(),
        f"{name}/noise.bin": random.Random(name + version).randbytes(int(size)),
        # A package that it brings along, with the list of what that had where it came from.
        f"{name}/vendor/other-1.0.dist-info/RECORD": b"other/__init__.py,sha256=AAAA,4\nother-1.0.dist-info/RECORD,,\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n".encode(),
    }
own = Path(folder) / f"{name}.py"
if own.exists():
    files[f"{name}/__init__.py"] = f"__version__ = '{version}'\n\n{own.read_text()}".encode()
record = ""
wheel = f"{name}-{version}-{tag}.whl"
with zipfile.ZipFile(Path(folder) / wheel, "w") as archive:
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
        archive.writestr(zipfile.ZipInfo(path), content)
    archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), record + f"{info}/RECORD,,\n")
print(wheel)
