"""How fast is it, and what does it cost while it runs?

`python -m serving.bench` measures the service beside others: read `plan` (what is measured), `load`
and `texts` (what is asked), `generator` (who asks), `systems` (who answers), `bench` (how it all
goes), `soak` and `bulk`. `reload` (bundles published under load) and `shadows` are commands of
their own that ask a running server. None is part of the service.

May import `data`, `models`, `evaluation` and the rest of `serving`.
"""
