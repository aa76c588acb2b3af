#!/usr/bin/python3
"""s3-swift.py DIR: OpenStack Swift with its S3 interface, in one process.

The proxy, account, container and object servers, each on a free port of
127.0.0.1, with all data in DIR.  The proxy's port is written to DIR/port once
it serves.  SIGTERM ends it.  scripts/s3-server starts it.
"""
import os
import signal
import sys

import eventlet

eventlet.patcher.monkey_patch()

from swift.common import utils, wsgi  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402

BACKENDS = ("account", "container", "object")
FILTERS = {
    "catch_errors": "", "gatekeeper": "", "listing_formats": "", "bulk": "",
    # No memcached: one that never answers is given up at once.
    "cache": "use = egg:swift#memcache\nmemcache_servers = 127.0.0.1:1\n"
             "error_suppression_limit = 1\n",
    "s3api": "s3_acl = true\nlocation = us-east-1\n"
             "storage_domain = localhost\ncheck_bucket_owner = false\n"
             "min_segment_size = 5242880\n",
    "tempauth": "user_test_imgp = imgptestsecret .admin\n",
    "copy": "", "slo": "minimum_segment_size = 1\n", "dlo": "",
    "versioned_writes": "allow_object_versioning = true\n", "symlink": "",
}
ORDER = ("catch_errors", "gatekeeper", "cache", "listing_formats", "bulk",
         "s3api", "tempauth", "copy", "slo", "dlo", "versioned_writes",
         "symlink")


def listen():
    """A listening socket; a port of the kernel's choice."""
    return eventlet.listen(("127.0.0.1", 0), backlog=1024)


def make_ring(root, name, port):
    """A ring of one device on the server of that name."""
    ring = RingBuilder(4, 1, 1)
    ring.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1",
                  "port": port, "replication_ip": "127.0.0.1",
                  "replication_port": port, "device": "d1", "weight": 1,
                  "meta": ""})
    ring.rebalance(seed=1)
    ring.get_ring().save(os.path.join(root, name + ".ring.gz"))


def conf_of(root, name):
    """The text of a server's configuration."""
    text = ("[DEFAULT]\nswift_dir = %s\ndevices = %s/node\n"
            "mount_check = false\ndisable_fallocate = true\n"
            "fallocate_reserve = 0\nrecon_cache_path = %s\n"
            "log_level = ERROR\nworkers = 0\n" % (root, root, root))
    if name != "proxy":
        return text + ("[pipeline:main]\npipeline = app\n"
                       "[app:app]\nuse = egg:swift#%s\n" % name)
    text += "[pipeline:main]\npipeline = %s proxy-server\n" % " ".join(ORDER)
    text += ("[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
             "object_post_as_copy = false\n")
    for item in ORDER:
        body = FILTERS[item]
        if not body.startswith("use ="):
            body = "use = egg:swift#%s\n%s" % (item, body)
        text += "[filter:%s]\n%s" % (item, body)
    return text


def serve(root, name, sock):
    """Serve one of the four in this process."""
    path = os.path.join(root, name + ".conf")
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(conf_of(root, name))
    app = wsgi.loadapp(path, global_conf={"log_name": name})
    eventlet.spawn(wsgi.wsgi.server, sock, app, wsgi.NullLogger(),
                   protocol=wsgi.SwiftHttpProtocol, socket_timeout=60,
                   capitalize_response_headers=False)


def main():
    """Start all four, then sleep until told to end."""
    root = os.path.abspath(sys.argv[1])
    os.makedirs(os.path.join(root, "node", "d1"))
    os.chdir(root)
    # The salt of the names' hashes, else a system-wide file is wanted.
    utils.HASH_PATH_SUFFIX = b"imgpipe"
    socks = {name: listen() for name in BACKENDS + ("proxy",)}
    for name in BACKENDS:
        make_ring(root, name, socks[name].getsockname()[1])
    for name, sock in socks.items():
        serve(root, name, sock)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    eventlet.sleep(0.1)
    with open("port.new", "w", encoding="ascii") as out:
        out.write("%d\n" % socks["proxy"].getsockname()[1])
    os.rename("port.new", "port")
    while True:
        eventlet.sleep(3600)


main()
