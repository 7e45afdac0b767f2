"""The languages of CloudWatch, pure: metric math, search expressions, Metrics Insights queries, the rules of composite alarms.

`tokens` cuts text into words. `syntax` reads a metric math expression into a tree, `evaluation` computes it over `series`, with
the functions of `functions`. `search` are the expressions inside of SEARCH(...), `insights` the SQL of Metrics
Insights, `rules` the rules of composite alarms. What has to be read (metrics, bands) a `Scope` is asked for.
"""
