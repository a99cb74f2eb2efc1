"""How the service is brought to machines: what is installed, built, started and scanned.

Read `sources` (what of the repository answers tickets) and `serving_lock` (what is installed for
it), then `bento` (both as a bento), `sbom`, `licences` and `secret_scan` (what CI looks at). Files
of Docker, Compose, Kubernetes, cron, Prometheus and Grafana stand in folders of their own. It
imports nothing of ours, and nothing of ours imports it.
"""
