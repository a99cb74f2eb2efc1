"""What do we believe about a ticket?

Read `base` (what a member promises), then the members `linear`, `embedding` and `finetuned`, then
`ensemble`, `calibration` and `routing` (from probabilities to a decision that is certified), then
`assistant` (tickets in, predictions out) and `bundle` (the folder that proves what it is).

May import `data`.
"""
