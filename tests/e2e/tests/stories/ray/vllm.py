"""Plays vLLM on the real Ray: one worker in each bundle, as vLLM's own executor places them, and a server that tells where they are."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def value(option):
    return sys.argv[sys.argv.index(option) + 1]


def main():
    assert sys.argv[1] == "serve" and value("--distributed-executor-backend") == "ray", sys.argv
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    ray.init(address=None)
    count = int(value("--tensor-parallel-size")) * int(value("--pipeline-parallel-size"))
    group = ray.util.placement_group([{"GPU": 1.0}] * count, strategy="PACK")
    ray.get(group.ready(), timeout=120)

    class Worker:
        def where(self):
            names = ("VLLM_HOST_IP", "NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "CUDA_VISIBLE_DEVICES")
            told = {name: os.environ.get(name) for name in names}
            return told | {"node": ray.util.get_node_ip_address(), "has_key": "VLLM_API_KEY" in os.environ}

        def run(self):
            threading.Event().wait()

    workers = []
    for index in range(count):
        strategy = PlacementGroupSchedulingStrategy(placement_group=group, placement_group_bundle_index=index)
        remote = ray.remote(Worker).options(num_cpus=0, num_gpus=1, max_concurrency=2, scheduling_strategy=strategy)
        workers.append(remote.remote())
    where = ray.get([worker.where.remote() for worker in workers], timeout=120)
    runs = [worker.run.remote() for worker in workers]

    def end_with_a_worker():
        ray.wait(runs, num_returns=1)
        print("a worker ended", flush=True)
        os._exit(1)

    threading.Thread(target=end_with_a_worker, daemon=True).start()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers = {"/where": where, "/v1/models": {"object": "list", "data": [{"id": value("--served-model-name")}]}}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path, {})).encode())

    ThreadingHTTPServer((value("--host"), int(value("--port"))), Handler).serve_forever()
