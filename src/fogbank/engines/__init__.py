"""Database engines that run for real: unmodified PostgreSQL and MariaDB, whose log lies six times on storage nodes in three zones.

Read in this order: docs/design/aurora.md; `spec` (what a service wants, and is told), `databases` (the clusters of one cloud), `runner`,
`running` and `looking` (one cluster: its nodes, who writes, what happens when one dies), `volumes` (log and images), `following` (a volume
that repeats another), `room` (what all clouds share), `kinds` (the two engines by one shape), `control`, `processes` and `prompt` (talking
to processes, starting them). Then what stands beside:

    layers, sizing      a node's disk before it is copied; how large a server may be
    staged, sweeping    volumes as files for S3; volumes that nobody can come back to
    frontage            who is routed where
    sessions            SQL of the Data API
    parallel, splitting     parallel query
    auditing, measuring     activity streams; what the operating system says of a node

Each of the others is a process, or what one is made of:

    fleet/      the six storage nodes
    volume/     the quorum volume of a PostgreSQL cluster, `binlog/` of a MariaDB one
    postgres/   compute nodes, `mariadb/` likewise
    masters/    two writers of one cluster (in fogbank's own process)
    front/      all endpoints: TLS, tokens, failover, pools
    inside/     AWS inside SQL: aws_lambda, aws_s3, aws_ml
"""
