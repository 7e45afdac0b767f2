"""The cloud's own controls: the `/_fogbank` API and the command line that speaks it.

`api` (what can be asked of a running cloud), `moments` (how people say when), `cli` (commands), `serve` (a running cloud),
`client` (how a command finds one).
"""
