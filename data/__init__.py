"""What is a ticket, and where are they?

The vocabulary of the house and the only readers of ticket files. Read `errors`, `schema`, then
`catalog` (which data sets exist), `tables` (files to records and back), `text`, `language` and
`privacy` (what happens to a text before anything learns from it), `split` and `checks` (who may
learn from which ticket). `store` says what is kept of answers and feedback, `sql` keeps it.

Imports nothing of ours: everything else stands on this package.
"""
