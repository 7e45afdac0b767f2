"""What every room shares. Imports nothing of ours.

Read in this order: `operation` (what a service is made of), `context` (what an operation may know),
`errors`, `http`, `clock` and `chance` (the only doors of time and chance), `arn`, `paging`, `tags`; `resource_types` (how a
service declares what CloudFormation and Cloud Control make of it).
"""
