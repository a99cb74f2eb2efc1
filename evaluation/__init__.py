"""Should we believe it?

Read `metrics` (figures with intervals, whole and by slice), `comparison` (is a difference real),
`behavior` (what must hold whatever the data), then `report` (what a person sees).

May import `data` and `models`.
"""
