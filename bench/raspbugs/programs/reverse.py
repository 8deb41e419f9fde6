"""reverse: the input from back to front."""
from tracr.rasp import rasp


def make_length():
    every = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE).named("every")
    return rasp.SelectorWidth(every).named("length")


def make_reverse(sequence=rasp.tokens):
    opposite = (make_length() - rasp.indices).named("opposite")
    opposite = (opposite - 1).named("opposite_index")
    flip = rasp.Select(rasp.indices, opposite, rasp.Comparison.EQ).named("flip")
    return rasp.Aggregate(flip, sequence).named("reverse")
