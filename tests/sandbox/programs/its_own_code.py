import os

from prelude import attempt, tell

path = "/task/its_own_code.py"
attempt("write", open, path, "a")
attempt("unlink", os.unlink, path)
attempt("rename", os.rename, path, path + "2")
attempt("chmod", os.chmod, path, 0o777)
attempt("utime", os.utime, path)
attempt("new", open, "/task/new", "w")
attempt("link", os.link, path, "/tmp/x")
attempt("usr", open, "/usr/bin/new", "w")
attempt("etc", open, "/etc/hosts", "a")
attempt("root", os.mkdir, "/new")
attempt("hostname", open, "/proc/sys/kernel/hostname", "w")
attempt("network settings", open, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "w")
attempt("sysrq", open, "/proc/sysrq-trigger", "w")
attempt("core", open, "/proc/sys/kernel/core_pattern", "w")
tell()
