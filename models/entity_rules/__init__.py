"""Which characters of a ticket are an address, a date, a version, an error code?

Read `passage` (what a rule sees and gives), then one family after the other: `addresses`, `hosts`,
`network`, `paths`; `users`, `phones`; `calendar_words`, `clock`, `dates`; `numbers`, `durations`,
`sizes`, `versions`; `failures`, `http`; `identifiers`, `references`. A rule proposes spans and
knows nothing of the others; `models/entities.py` decides between overlapping proposals.
"""
