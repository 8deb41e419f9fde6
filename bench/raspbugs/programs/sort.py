"""sort: the numbers of the input in ascending order; equal ones keep their order."""
from tracr.rasp import rasp


def order_unique(values, keys):
    smaller = rasp.Select(keys, keys, rasp.Comparison.LT).named("smaller")
    place = rasp.SelectorWidth(smaller).named("place")
    move = rasp.Select(place, rasp.indices, rasp.Comparison.EQ).named("move")
    return rasp.Aggregate(move, values).named("sorted")


def make_sort(values=rasp.tokens, keys=rasp.tokens, *, max_seq_len: int = 10, min_key: float = 1):
    keys = rasp.SequenceMap(lambda x, i: x + min_key * i / max_seq_len, keys, rasp.indices).named("unique_keys")
    return order_unique(values, keys)
