"""Measures the reference on this machine: prints one JSON object of figures.

Run by `cargo xtask bench` in an environment that has the `ironic` package of PyPI. Nothing leaves the process:
SQLite in a directory of its own, fake drivers, the API called without a socket, which favours the reference.

Source: the public interfaces of Ironic's task manager, conductor manager and WSGI application.
"""

import json
import os
import statistics
import sys
import tempfile
import threading
import time
import uuid
import warnings

warnings.filterwarnings("ignore")

INTERFACES = ("boot", "deploy", "management", "power")
OPTIONS = """[DEFAULT]
host = bench
auth_strategy = noauth
rpc_transport = none
log_file = {directory}/ironic.log
enabled_hardware_types = fake-hardware
enabled_vendor_interfaces = fake,no-vendor
enabled_network_interfaces = noop
enabled_inspect_interfaces = no-inspect
enabled_raid_interfaces = no-raid
enabled_bios_interfaces = no-bios
enabled_storage_interfaces = noop
{interfaces}
[database]
connection = sqlite:///{directory}/ironic.sqlite
"""


def start(directory):
    """Configures the reference and makes its database."""
    from ironic.common import service
    from ironic.db import migration
    from ironic import objects

    interfaces = "\n".join(f"enabled_{kind}_interfaces = fake" for kind in INTERFACES)
    path = os.path.join(directory, "ironic.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(OPTIONS.format(directory=directory, interfaces=interfaces))
    service.prepare_service("bench", ["bench", "--config-file", path])
    migration.create_schema()
    objects.register_all()


def enrol(context, count):
    """Creates nodes as an operator of fake hardware would have them."""
    from ironic import objects

    nodes = []
    for number in range(count):
        fields = {f"{kind}_interface": "fake" for kind in INTERFACES}
        node = objects.Node(
            context,
            uuid=str(uuid.uuid4()),
            name=f"node-{number}",
            driver="fake-hardware",
            power_state="power on",
            provision_state="available",
            driver_info={"address": "127.0.0.1"},
            properties={"cpus": 4, "memory_mb": 8192},
            network_interface="noop",
            **fields,
        )
        node.create()
        nodes.append(node.uuid)
    return nodes


def lock_rate(context, node, rounds):
    """Exclusive acquire and release, one after the other: pairs per second."""
    from ironic.conductor import task_manager

    begin = time.perf_counter()
    for _ in range(rounds):
        with task_manager.acquire(context, node):
            pass
    return rounds / (time.perf_counter() - begin)


def lock_latency(context, nodes, rounds):
    """Exclusive acquire and release by eight threads, a node each: p50 and p99 in milliseconds."""
    from ironic.conductor import task_manager

    times, failures = [], []

    def work(node):
        try:
            for _ in range(rounds):
                begin = time.perf_counter()
                with task_manager.acquire(context, node):
                    pass
                times.append((time.perf_counter() - begin) * 1000)
        except Exception as error:  # shown with the result
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        print(f"reference: {len(failures)} of 8 threads failed: {failures[0]}", file=sys.stderr)
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def list_rate(count, rounds):
    """GET /v1/nodes?limit=1000: answers per second."""
    from ironic.api import app

    application = app.VersionSelectorApplication()
    body = b""

    def get():
        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/v1/nodes",
            "QUERY_STRING": f"limit={count}",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "6385",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_X_OPENSTACK_IRONIC_API_VERSION": "1.72",
            "HTTP_ACCEPT": "application/json",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": __import__("io").BytesIO(b""),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        statuses = []
        answer = application(environ, lambda status, headers, exc=None: statuses.append(status))
        return statuses[0], b"".join(answer)

    status, body = get()
    got = len(json.loads(body)["nodes"])
    if not status.startswith("200") or got != count:
        raise RuntimeError(f"the reference answered {status} with {got} nodes")
    begin = time.perf_counter()
    for _ in range(rounds):
        get()
    return rounds / (time.perf_counter() - begin)


def power_sync_rate(context, nodes):
    """One node after the other as a worker of the power synchronisation does it: nodes per second.

    Eight workers share one interpreter, so that this is also close to what a pass reaches.
    """
    from collections import defaultdict

    from ironic.conductor import manager, task_manager

    counts = defaultdict(int)
    begin = time.perf_counter()
    for node in nodes:
        with task_manager.acquire(context, node, shared=True) as task:
            counts[node] = manager.do_sync_power_state(task, counts[node])
    return len(nodes) / (time.perf_counter() - begin)


def main():
    with tempfile.TemporaryDirectory() as directory:
        start(directory)
        from importlib.metadata import version

        from ironic.common import context as contexts

        context = contexts.get_admin_context()
        nodes = enrol(context, 1000)
        lock_rate(context, nodes[0], 5)
        p50, p99 = lock_latency(context, nodes[:8], 25)
        figures = {
            "version": version("ironic"),
            "lock_pairs_per_second": lock_rate(context, nodes[0], 100),
            "lock_p50_ms_8_tasks": p50,
            "lock_p99_ms_8_tasks": p99,
            "node_list_1000_per_second": list_rate(1000, 5),
            "power_sync_nodes_per_second": power_sync_rate(context, nodes[:300]),
        }
        print(json.dumps(figures), flush=True)
        # Threads of the reference that nobody waits for would print while the interpreter goes down.
        os._exit(0)


if __name__ == "__main__":
    main()
