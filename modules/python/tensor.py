# Multiplies two square matrices of 32-bit floats on the GPU and on the CPU. Says in one line of JSON how far
# apart the products are and how long each took, or what went wrong.
import json
import math
import os
import sys
import time

# What modules print as they are imported is no answer.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
report = {}


def milliseconds(times, work):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def measure(size):
    import torch

    report["torch"] = torch.__version__
    report["cuda"] = torch.version.cuda
    # No TF32: its products are off by a hundredth, and nobody asked for that.
    torch.set_float32_matmul_precision("highest")
    gpu = torch.device("cuda", 0)
    # Unlike is_available(), this says why there is none.
    torch.cuda.init()
    report["device"] = torch.cuda.get_device_name(gpu)
    report["capability"] = "%d.%d" % torch.cuda.get_device_capability(gpu)
    torch.manual_seed(1)
    with torch.inference_mode():
        a, b = torch.randn(size, size), torch.randn(size, size)
        on_gpu = a.to(gpu), b.to(gpu)

        def multiply():
            product = on_gpu[0] @ on_gpu[1]
            torch.cuda.synchronize(gpu)
            return product

        # The first of each sets up what the others find.
        difference = (multiply().cpu() - a @ b).abs().max().item()
        if not math.isfinite(difference):
            raise ArithmeticError("the product holds what is no finite number")
        report["difference"] = difference
        report["gpu_ms"] = milliseconds(10, multiply)
        report["cpu_ms"] = milliseconds(3, lambda: a @ b)


try:
    measure(int(sys.argv[1]))
except BaseException as error:
    report["trouble"] = " ".join(f"{type(error).__name__}: {error}".split())[:600]
answers.write(json.dumps(report) + "\n")
answers.flush()
os._exit(0)
