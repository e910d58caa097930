"""How to decide that a model is good: fit, test on later cutoffs, draw, track, register."""
