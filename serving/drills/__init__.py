"""What happens to clients, and to what was acknowledged, when something fails?

`python -m serving.drills` breaks one thing after the other under a running service. Read `drill`
(what a drill is), `stage` (the service and all it stands on, in a folder of its own), `client`
(who asks meanwhile) and `ledger` (what was acknowledged), `lookup` (what of it is kept), `running`
(how one drill goes) and `catalogue` (all of them); `soak` is the hour with faults inside. Each
fault lies in the file named for what fails. None is part of the service.

May import `data`, `models`, `evaluation` and the rest of `serving`.
"""
