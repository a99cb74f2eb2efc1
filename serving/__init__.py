"""How is it told?

Read `settings` (what an operator may turn), `app` (the HTTP contract) with `contract` (its shapes),
`limits`, `problems` and `edge` (every error a client can meet), `permissions`, `identity`, `guard`
and `rate_limits` (who may ask what, how often), `arms`, `assistants` and `answering` (who answers),
`shadows` (who only watches), `batching` (requests that share an encoder call), `archive` with
`recording`, `feedback`, `spool` and `review` (what is kept), `jobs` (files of tickets), `telemetry`
(what is watched), then `service` (the BentoML service that carries it all). Follows
`deployment.json` in the bundle store and needs neither MLflow nor training data.

May import `data`, `models` and `evaluation`; never `pipelines`.
"""
