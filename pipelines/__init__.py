"""How is a belief made?

Stages are functions of files: `fetch`, `prepare`, `train`, `ensemble`, `evaluate`, in the order of
`dvc.yaml`. Commands touch the world: `register`, `promote`, `score`, `store`. `params` types
params.yaml and `run` is the one place where logging, seeds and MLflow runs begin.

May import `data`, `models` and `evaluation`; never `serving`.
"""
