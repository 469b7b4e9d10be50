# Takes the program uv out of its wheel: unpack.py WHEEL TARGET.
import os
import sys
import zipfile

wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if name.endswith(".data/scripts/uv")]
    with open(target, "wb") as program:
        program.write(archive.read(names[0]))
os.chmod(target, 0o700)
