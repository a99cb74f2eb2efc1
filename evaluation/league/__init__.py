"""How do we fare where others have published figures?

Read `benchmark` (what one is), `sources` (where its tickets come from), one benchmark after the
other, `references` (what others measured), then `running`; `make league` runs them all.
`published` holds the tables of the run's own report.

May import `data`, `models` and the rest of `evaluation`.
"""
