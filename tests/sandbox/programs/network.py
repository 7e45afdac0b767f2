import os
import socket

from prelude import attempt, tell

socket.setdefaulttimeout(1)
port, control, abstract = os.environ["PORT"], os.environ["CONTROL"], os.environ["ABSTRACT"]
for host in ("127.0.0.1", os.environ["HOST"], "10.0.0.1", "8.8.8.8", "169.254.169.254"):
    for p in (port, control, "22", "53"):
        attempt(host + ":" + p, socket.create_connection, (host, int(p)))
attempt("v6", lambda: socket.create_connection(("::1", int(port))))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\0" + abstract))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53)))
for name, family, kind in (
    ("vsock", 40, 1),
    ("netlink", 16, 3),
    ("packet", 17, 3),
    ("alg", 38, 5),
    ("bluetooth", 31, 3),
    ("can", 29, 3),
    ("tipc", 30, 2),
    ("rds", 21, 5),
    ("xdp", 44, 3),
    ("raw", 2, 3),
    ("raw6", 10, 3),
):
    attempt(name, socket.socket, family, kind)
tell()
