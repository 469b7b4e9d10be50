# Imports modules one after the other. Says in lines of JSON which interpreter it is, then what became of each.
import importlib
import json
import os
import sys
import traceback

# What modules print as they are imported is no answer.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**words):
    answers.write(json.dumps(words) + "\n")
    answers.flush()


path, *modules = sys.argv[1:]
own = sys.prefix != sys.base_prefix and os.path.realpath(sys.prefix) == os.path.realpath(path)
say(python="%d.%d.%d" % sys.version_info[:3], prefix=sys.prefix, own=own)

# A distribution may have another name than its modules: flash-attn, opencv-python.
from importlib import metadata

distributions = metadata.packages_distributions()
for module in modules:
    try:
        loaded = importlib.import_module(module)
    except BaseException:
        lines = [line.strip() for line in traceback.format_exc().splitlines() if line.strip()]
        say(module=module, error=lines[-1][:300])
        continue
    names = distributions.get(module.partition(".")[0], [])
    versions = sorted({metadata.version(name) for name in names})
    if not versions and getattr(loaded, "__version__", None):
        versions = [str(loaded.__version__)]
    say(module=module, versions=versions)

# Threads that they started, and what they would do at the end, are of no interest.
os._exit(0)
