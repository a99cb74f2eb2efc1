"""How is it told?

Read `settings` (what an operator may turn), `app` (the HTTP contract) with `contract` (its shapes),
`limits`, `problems` and `edge` (every error a client can meet), `assistants` (who answers),
`batching` (requests that share an encoder call), `telemetry` (what is watched), then `service` (the
BentoML service that carries it all). Follows `deployment.json` in the bundle store and needs
neither MLflow nor training data.

May import `data`, `models` and `evaluation`; never `pipelines`.
"""
