"""What happens outside of the server's process, in order of distance from it:

`keeper.py` the warden: one small process that makes boxes, limits them (`cgroups.py`), looks after them (`watch.py`, with
`gauge.py`) and ends them all when the server goes. `probe.py` asks what this machine grants. `zygote.py` a warm interpreter that
forks boxes. `birth.py` a box from the inside: its files (`root.py`), its network (`network.py`), what it may not do
(`seccomp.py`, `landlock.py`), and its pid 1. `linux.py` are the kernel's calls, `mail.py` how all these talk.

This package is run by itself, as `warden`, without Fogbank and in other Pythons: standard library only, nothing newer than 3.8
in what a zygote imports.
"""
