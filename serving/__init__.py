"""How is it told?

Read `settings` (what an operator may turn), `app` (the HTTP contract), then `service` (the BentoML
service that carries it). Follows `deployment.json` in the bundle store and needs neither MLflow nor
training data.

May import `data`, `models` and `evaluation`; never `pipelines`.
"""
